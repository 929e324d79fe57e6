"""Made when a model is finished: its card and its reference, which say how it is to be used and what it has seen."""

import dataclasses
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Split, Splits
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
from cnnexp.portable.forward import Forward
from cnnexp.portable.reference import Features, Reference, appearance, distances, fit_spread, least_probability
from cnnexp.records import Labels, Probabilities, Scaling

GOLDEN_IMAGES = 3  # training images among the golden samples, of different classes; a drawn chart is the fourth
GOLDEN_BYTES = 50_000  # a larger file is replaced by its pixels, so that the card stays below 300 kB
REFERENCE_ROWS = 5_000  # training images whose features are looked at
REFERENCE_BYTES = 4 * 2**20  # what is kept of them, to be shown beside new ones
CALIBRATION_ROWS = 2_000  # calibration images whose distance is measured: p-values in steps of 0.0005
COVERAGES = (0.8, 0.9, 0.95, 0.99)  # whose thresholds the card shows
UNLIKE_P = 0.01  # at most this share of ordinary images is called unlike the training data
_AT_ONCE = 512  # images

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Contract:
    """What goes beside the model file."""

    card: Card
    reference_file: bytes


def draw_up(
    *,
    splits: Splits,
    forward: Forward,
    model_file: bytes,
    calibration: Probabilities,
    statistics: ChannelStatistics,
    scaling: Scaling,
    temperature: float | None,
    versions: Mapping[str, str],
) -> Contract:
    """Return the card and the reference of a finished model.

    Args:
        splits: Training and calibration images are looked at, no others.
        forward: Of the finished model, see `forward.forward_of`.
        model_file: The ``.keras`` file, whose digest the card keeps.
        calibration: (n, K) what the model says about the calibration split.
        statistics: Of the training images.
        scaling: The model's first layer.
        temperature: That its logits were divided by; None: it is not calibrated.
        versions: Of the libraries that trained it.

    """
    reference = make_reference(splits, forward, calibration)
    reference_file = reference.to_bytes()
    card = Card(
        format=FORMAT,
        class_names=splits.class_names,
        image=splits.spec,
        scaling=dataclasses.asdict(scaling),
        temperature=1.0 if temperature is None else temperature,
        calibration_images=0 if temperature is None else len(splits.calibration),
        training_pixels=statistics,
        thresholds=_thresholds(reference),
        data={"name": splits.name, "digest": splits.digest},
        versions=versions,
        made_on=machine(),
        files={MODEL_FILE: digest_of(model_file), REFERENCE_FILE: digest_of(reference_file)},
        golden=_golden_samples(splits, forward),
    )
    return Contract(card, reference_file)


def make_reference(splits: Splits, forward: Forward, calibration: Probabilities) -> Reference:
    """Return features and pictures of training images, and the scores of calibration images."""
    train, known = splits.train, splits.calibration
    places = _evenly_by_class(train.labels, REFERENCE_ROWS)
    features = _features(train, places, forward)
    spread, look = (
        fit_spread(values, train.labels[places], classes=len(splits.class_names))
        for values in (features, appearance(train.images[train.rows[places]]))
    )
    kept = _evenly_by_class(train.labels[places], REFERENCE_BYTES // _bytes(splits, features))
    shown = places[kept]
    true = calibration[np.arange(len(known)), known.labels]
    measured = _evenly(len(known), CALIBRATION_ROWS)
    apart = distances(_features(known, measured, forward), known.images[known.rows[measured]], spread=spread, look=look)
    return Reference(
        features=features[kept].astype(np.float16),
        pixels=train.images[train.rows[shown]],
        labels=train.labels[shown],
        files=tuple(train.files[place] for place in shown.tolist()),
        spread=spread,
        look=look,
        label_scores=np.sort(1 - true).astype(np.float32),
        distances=np.sort(apart),
    )


def _bytes(splits: Splits, features: Features) -> int:
    """Return what one image takes, its pixels and its features as float16."""
    return math.prod(splits.spec.shape) + 2 * int(features.shape[1])


def _evenly_by_class(labels: Labels, count: int) -> Rows:
    """Return positions in rising order: of each class its share of `count`, at least one, spread over its images."""
    share = min(1.0, count / len(labels))
    chosen = []
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        chosen.append(of_class[_evenly(len(of_class), max(1, int(len(of_class) * share)))])
    return np.sort(np.concatenate(chosen))


def _evenly(total: int, count: int) -> Rows:
    """Return at most `count` of 0..total-1, in rising order."""
    return np.arange(total) if total <= count else np.linspace(0, total - 1, count).astype(np.int64)


def _features(split: Split, places: Rows, forward: Forward) -> Features:
    rows = split.rows[places]
    portions = [forward(split.images[rows[start : start + _AT_ONCE]])[1] for start in range(0, len(rows), _AT_ONCE)]
    return np.concatenate(portions) if portions else np.empty((0, 1), np.float32)


def _thresholds(reference: Reference) -> Thresholds:
    count = len(reference.distances)
    # The largest distance whose p-value, (number at least as large + 1) / (n + 1), is still UNLIKE_P or more.
    larger = int(np.ceil(UNLIKE_P * (count + 1) - 1 - 1e-9))
    return Thresholds(
        images=len(reference.label_scores),
        coverage={
            f"{coverage:g}": least_probability(reference.label_scores, coverage)
            for coverage in COVERAGES
            if len(reference.label_scores)
        },
        unlike_p=UNLIKE_P,
        unlike_distance=float(reference.distances[count - larger]) if 0 < larger <= count else None,
    )


def _golden_samples(splits: Splits, forward: Forward) -> tuple[GoldenSample, ...]:
    def answer(pixels: NDArray[np.uint8]) -> Probabilities:
        return forward(pixels)[0]

    labels = np.unique(splits.train.labels)
    first = [int(np.argmax(splits.train.labels == labels[place])) for place in _evenly(len(labels), GOLDEN_IMAGES)]
    files = [(splits.train.files[place], _file_of(splits, place)) for place in first]
    return tuple(
        golden.record(name, content, splits.spec, splits.class_names, answer)
        for name, content in [*files, ("chart", golden.chart())]
    )


def _file_of(splits: Splits, place: int) -> bytes:
    """Return the file of a training image; its pixels as a PNG file where there is none, or a large one."""
    pixels = splits.train.images[splits.train.rows[place]]
    content = _original(Path(splits.source), splits.train.files[place])
    if content is not None and len(content) <= GOLDEN_BYTES:
        try:
            if np.array_equal(read_image(content, splits.spec), pixels):
                return content
        except UnreadableImageError:
            pass  # another file has taken its place
    return golden.to_png(golden.as_image(pixels))


def _original(source: Path, name: str) -> bytes | None:
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                return archive.read(name)
        path = (source.parent if source.is_file() else source) / name  # a table lies beside its images
        return path.read_bytes() if path.stat().st_size <= GOLDEN_BYTES else None
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, NotImplementedError):
        return None  # images from arrays have no files; others may be gone by now
