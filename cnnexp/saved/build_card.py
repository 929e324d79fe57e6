"""What is made of a finished model: its card, and its training reference."""

import dataclasses
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Split, Splits
from cnnexp.images import UnreadableImageError, read_image, upright_size
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
from cnnexp.portable.reference import (
    DIRECTIONS,
    ClassGaussians,
    Features,
    TrainingReference,
    appearance,
    distances,
    fit_gaussians,
    minimum_probability,
)
from cnnexp.portable.variant import Variant
from cnnexp.records import Labels, Probabilities, Scaling

GOLDEN_IMAGES = 3  # training images among the golden samples, of different classes; the fourth is a drawn chart
GOLDEN_BYTES = 50_000  # a larger file is replaced by its pixels, so that the card stays below 300 kB
REFERENCE_ROWS = 5_000  # training images that the Gaussians are fitted on
REFERENCE_BYTES = 4 * 2**20  # of those that are kept, to be shown beside new images
HELD_OUT_BYTES = 6 * 2**20  # of images that no weight was trained on: 500 of 64 × 64 pixels, 40 of 224 × 224
HELD_OUT_ROWS = 500  # of them, at most: a diagnosis needs a p-value below 0.01 and a few dozen images a class
SIZED_FILES = 200  # training files whose headers are read: all aspect ratios of which one in sixty has them
CALIBRATION_ROWS = 2_000  # calibration images with a distance: p-values in steps of 0.0005
COVERAGES = (0.8, 0.9, 0.95, 0.99)  # with a threshold in the card
UNLIKE_P = 0.01  # at most this share of ordinary images is reported as unlike the training data
_FEWEST_DISTANCES = 100  # with fewer, no image can have so small a p-value

Rows = NDArray[np.int64]
FeaturesOf = Callable[[str, Rows], Features]  # normalized (n, F), by the name of a split and positions (n,) in it


@dataclass(frozen=True, slots=True)
class CardWithReference:
    """What is saved beside the model file."""

    card: Card
    reference: TrainingReference
    reference_file: bytes  # the same as a file


@dataclass(frozen=True, slots=True)
class OutOfFoldScores:
    """What stands for calibration images where a model is trained on all: the scores by the models of its folds."""

    label_probabilities: NDArray[np.float32]  # (n,) of the true class of each image, by a model not trained on it
    distances: NDArray[np.float32]  # (m,) of images to the training images, by models not trained on them


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


def build_reference(
    splits: Splits, features_of: FeaturesOf, calibration: Probabilities | OutOfFoldScores
) -> TrainingReference:
    """Return features and pixels of training images, and the scores of calibration images."""
    train = splits.train
    places = evenly_by_class(train.labels, REFERENCE_ROWS)
    features = features_of("train", places)
    by_features, by_appearance = (
        fit_gaussians(values, train.labels[places], classes=len(splits.class_names))
        for values in (features, appearance(train.images[train.rows[places]]))
    )
    kept = evenly_by_class(train.labels[places], REFERENCE_BYTES // _bytes(splits, features))
    shown = places[kept]
    if isinstance(calibration, OutOfFoldScores):
        label_probabilities, measured = calibration.label_probabilities, calibration.distances
    else:
        label_probabilities = calibration[np.arange(len(splits.calibration)), splits.calibration.labels]
        measured = _usual_distances(splits, features_of, by_features, by_appearance)
    room = min(HELD_OUT_ROWS, HELD_OUT_BYTES // math.prod(splits.spec.shape))
    held_out, held_out_labels = (
        (None, None)
        if isinstance(calibration, OutOfFoldScores)
        else held_out_images(splits.calibration, splits.validation, most=room)
    )
    return TrainingReference(
        features=features[kept].astype(np.float16),
        pixels=train.images[train.rows[shown]],
        labels=train.labels[shown],
        files=tuple(train.files[place] for place in shown.tolist()),
        feature_gaussians=by_features,
        appearance_gaussians=by_appearance,
        label_scores=np.sort(1 - label_probabilities).astype(np.float32),
        distances=np.sort(measured),
        held_out=held_out,
        held_out_labels=held_out_labels,
        file_sizes=_file_sizes(Path(splits.source), [train.files[place] for place in shown.tolist()]),
    )


def reference_bytes(splits: Splits, *, length: int) -> int:
    """Return about how many bytes the training reference of a model will have, whose features have this length."""
    image, classes = math.prod(splits.spec.shape), len(splits.class_names)
    fitted = min(len(splits.train), REFERENCE_ROWS)
    kept = min(fitted, max(classes, REFERENCE_BYTES // (image + 2 * length)))
    held_out = min(HELD_OUT_ROWS, HELD_OUT_BYTES // image, len(splits.calibration) + len(splits.validation))
    gaussians = 4 * length * (classes + min(DIRECTIONS, fitted, length))
    digests = 8 * len(splits.train)
    return kept * (image + 2 * length) + held_out * image + gaussians + digests


def _file_sizes(source: Path, names: Sequence[str]) -> NDArray[np.int64] | None:
    """Return (S, 2) width and height of training files, by their headers; None where they are no files."""
    folder = source.parent if source.is_file() else source
    found = []
    for place in _evenly(len(names), SIZED_FILES):
        try:
            height, width = upright_size(folder / names[place])
        except UnreadableImageError:
            return None  # images of an archive, a table or arrays
        found.append((width, height))
    return np.array(found, np.int64)


def held_out_images(calibration: Split, validation: Split, *, most: int) -> tuple[NDArray[np.uint8], Labels]:
    """Return at most so many images that no weight was trained on, with their labels: of calibration first.

    Validation images chose the epoch and no weight: features of both are those of new images.
    """
    parts = []
    for split in (calibration, validation):
        chosen = _evenly(len(split), most)
        parts.append((split.images[split.rows[chosen]], split.labels[chosen]))
        most -= len(chosen)
    return np.concatenate([images for images, _ in parts]), np.concatenate([labels for _, labels in parts])


def _usual_distances(
    splits: Splits, features_of: FeaturesOf, by_features: ClassGaussians, by_appearance: ClassGaussians
) -> NDArray[np.float32]:
    """Return (m,) how far images that no weight was trained on are from the training images.

    Those of calibration; where they are too few to call any image unlike, those of validation, too, which chose the
    epoch at most.
    """
    names = ("calibration",) if len(splits.calibration) >= _FEWEST_DISTANCES else ("calibration", "validation")
    found = [np.empty(0, np.float32)]
    for name in names:
        rows = _evenly(len(splits[name]), CALIBRATION_ROWS)
        pixels = splits[name].images[splits[name].rows[rows]]
        if len(rows):
            found.append(distances(features_of(name, rows), pixels, by_features, by_appearance))
    return np.concatenate(found)


def _bytes(splits: Splits, features: Features) -> int:
    """Return the bytes of one image: its pixels, and its features as float16."""
    return math.prod(splits.spec.shape) + 2 * int(features.shape[1])


def evenly_by_class(labels: Labels, count: int) -> Rows:
    """Return positions in ascending order: of each class its share of `count`, at least one, evenly spaced."""
    share = min(1.0, count / len(labels))
    chosen = []
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        chosen.append(of_class[_evenly(len(of_class), max(1, int(len(of_class) * share)))])
    return np.sort(np.concatenate(chosen))


def _evenly(total: int, count: int) -> Rows:
    """Return at most `count` of 0..total-1, evenly spaced, in ascending order."""
    return np.arange(total) if total <= count else np.linspace(0, total - 1, count).astype(np.int64)


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
    first = [int(np.argmax(splits.train.labels == labels[place])) for place in _evenly(len(labels), GOLDEN_IMAGES)]
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
