"""What is made of a finished model: its card, and beside it the training reference."""

import dataclasses
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Splits
from cnnexp.images import UnreadableImageError, read_image
from cnnexp.portable import golden
from cnnexp.portable.card import (
    FORMAT,
    MODEL_FILE,
    REFERENCE_FILE,
    Card,
    ChannelStatistics,
    GoldenSample,
    Thresholds,
    digest_of,
)
from cnnexp.portable.classifier import machine
from cnnexp.portable.decision import Decision
from cnnexp.portable.forward import Forward
from cnnexp.portable.reference import TrainingReference, minimum_probability
from cnnexp.portable.variant import Variant
from cnnexp.records import Probabilities, Scaling
from cnnexp.saved.build_reference import FeaturesOf, OutOfFoldScores, build_reference, evenly

GOLDEN_IMAGES = 3  # training images among the golden samples, of different classes; the fourth is a drawn chart
GOLDEN_BYTES = 50_000  # a larger file is replaced by its pixels, so that the card stays below 300 kB
COVERAGES = (0.8, 0.9, 0.95, 0.99)  # with a threshold in the card
UNLIKE_P = 0.01  # at most this share of ordinary images is reported as unlike the training data


@dataclass(frozen=True, slots=True)
class CardWithReference:
    """What is saved beside the model file."""

    card: Card
    reference: TrainingReference
    reference_file: bytes  # the same as a file


def build_card(
    *,
    splits: Splits,
    forward: Forward,
    features_of: FeaturesOf,
    model_file: bytes,
    calibration: Probabilities | OutOfFoldScores,
    statistics: ChannelStatistics,
    scaling: Scaling,
    temperature: float | None,
    versions: Mapping[str, str],
    trained_on: NDArray[np.uint64],
) -> CardWithReference:
    """Return the card and the training reference of a finished model.

    Args:
        splits: Only training and calibration images are used.
        forward: Of the finished model, see `forward.forward_of`.
        features_of: The features of images of the splits by the finished model.
        model_file: The ``.keras`` file, whose digest is part of the card.
        calibration: (n, K) probabilities of the model on the calibration split, or what stands for them.
        statistics: Of the training images.
        scaling: The model's first layer.
        temperature: The logits were divided by it; None: the model is not calibrated.
        versions: Of the libraries that trained the model.
        trained_on: (T,) digests of all images that the model was trained on, also in earlier runs.

    """
    reference = dataclasses.replace(build_reference(splits, features_of, calibration), trained_on=trained_on)
    reference_file = reference.to_bytes()
    card = Card(
        format=FORMAT,
        class_names=splits.class_names,
        image=splits.spec,
        scaling=dataclasses.asdict(scaling),
        temperature=1.0 if temperature is None else temperature,
        calibration_images=0 if temperature is None else len(reference.label_scores),
        training_pixels=statistics,
        thresholds=_thresholds(reference),
        data={"name": splits.name, "digest": splits.digest},
        versions=versions,
        made_on=machine(),
        files={MODEL_FILE: digest_of(model_file), REFERENCE_FILE: digest_of(reference_file)},
        golden=_golden_samples(splits, forward),
    )
    return CardWithReference(card, reference, reference_file)


def with_code(made: CardWithReference, code: Mapping[str, str]) -> CardWithReference:
    """Return the same with the digests of the user's code that the run used; `code` is name in the folder -> text."""
    files = {**made.card.files, **{name: digest_of(text.encode()) for name, text in code.items()}}
    return dataclasses.replace(made, card=dataclasses.replace(made.card, files=files))


def with_decision(made: CardWithReference, decision: Decision | None) -> CardWithReference:
    """Return the same with a decision for one of two classes; None: the most probable class is answered."""
    return dataclasses.replace(made, card=dataclasses.replace(made.card, decision=decision))


def with_variant(made: CardWithReference, variant: Variant) -> CardWithReference:
    """Return the same with what was done to the model after its training."""
    return dataclasses.replace(made, card=dataclasses.replace(made.card, variant=variant))


def _thresholds(reference: TrainingReference) -> Thresholds:
    count = len(reference.distances)
    # The largest distance whose p-value, (number at least as large + 1) / (n + 1), is still UNLIKE_P or more.
    larger = int(np.ceil(UNLIKE_P * (count + 1) - 1 - 1e-9))
    return Thresholds(
        images=len(reference.label_scores),
        coverage={
            f"{coverage:g}": minimum_probability(reference.label_scores, coverage)
            for coverage in COVERAGES
            if len(reference.label_scores)
        },
        unlike_p=UNLIKE_P,
        unlike_distance=float(reference.distances[count - larger]) if 0 < larger <= count else None,
    )


def _golden_samples(splits: Splits, forward: Forward) -> tuple[GoldenSample, ...]:
    def predict(pixels: NDArray[np.uint8]) -> Probabilities:
        return forward(pixels)[0]

    labels = np.unique(splits.train.labels)
    first = [int(np.argmax(splits.train.labels == labels[place])) for place in evenly(len(labels), GOLDEN_IMAGES)]
    files = [(splits.train.files[place], _file_of(splits, place)) for place in first]
    return tuple(
        golden.record(name, content, splits.spec, splits.class_names, predict)
        for name, content in [*files, ("chart", golden.chart())]
    )


def _file_of(splits: Splits, place: int) -> bytes:
    """Return the file of a training image; where there is no file, or a large one, its pixels as a PNG file."""
    pixels = splits.train.images[splits.train.rows[place]]
    content = _original(Path(splits.source), splits.train.files[place])
    if content is not None and len(content) <= GOLDEN_BYTES:
        try:
            if np.array_equal(read_image(content, splits.spec), pixels):
                return content
        except UnreadableImageError:
            pass  # the file was replaced
    return golden.to_png(golden.as_image(pixels))


def _original(source: Path, name: str) -> bytes | None:
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                return archive.read(name)
        path = (source.parent if source.is_file() else source) / name  # a table is beside its images
        return path.read_bytes() if path.stat().st_size <= GOLDEN_BYTES else None
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError):
        return None  # images from arrays have no files; others may have been removed
