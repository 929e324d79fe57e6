"""The training reference of a finished model: features and pixels of training images, and scores of others."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Split, Splits
from cnnexp.images import UnreadableImageError, upright_size
from cnnexp.portable.reference import (
    DIRECTIONS,
    ClassGaussians,
    Features,
    TrainingReference,
    appearance,
    distances,
    fit_gaussians,
)
from cnnexp.records import Labels, Probabilities

REFERENCE_ROWS = 5_000  # training images that the Gaussians are fitted on
FEATURE_VALUES = 2**26  # in memory together: of long features, as flattened maps are, those of fewer images
REFERENCE_BYTES = 4 * 2**20  # of those that are kept, to be shown beside new images
HELD_OUT_BYTES = 6 * 2**20  # of images that no weight was trained on: 500 of 64 × 64 pixels, 40 of 224 × 224
HELD_OUT_ROWS = 500  # of them, at most: a diagnosis needs a p-value below 0.01 and a few dozen images a class
SIZED_FILES = 200  # training files whose headers are read: all aspect ratios of which one in sixty has them
CALIBRATION_ROWS = 2_000  # calibration images with a distance: p-values in steps of 0.0005
_FEWEST_DISTANCES = 100  # with fewer, no image can have so small a p-value

Rows = NDArray[np.int64]
FeaturesOf = Callable[[str, Rows], Features]  # normalized (n, F), by the name of a split and positions (n,) in it


@dataclass(frozen=True, slots=True)
class OutOfFoldScores:
    """What stands for calibration images where a model is trained on all: the scores by the models of its folds."""

    label_probabilities: NDArray[np.float32]  # (n,) of the true class of each image, by a model not trained on it
    distances: NDArray[np.float32]  # (m,) of images to the training images, by models not trained on them


def build_reference(
    splits: Splits, features_of: FeaturesOf, calibration: Probabilities | OutOfFoldScores
) -> TrainingReference:
    """Return features and pixels of training images, and the scores of calibration images."""
    train = splits.train
    length = int(features_of("train", np.zeros(1, np.int64)).shape[1])
    places = evenly_by_class(train.labels, rows_together(length, most=REFERENCE_ROWS))
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


def rows_together(length: int, *, most: int) -> int:
    """Return of how many images, at most so many, features of this length are in memory together."""
    return min(most, max(1, FEATURE_VALUES // length))


def reference_bytes(splits: Splits, *, length: int) -> int:
    """Return about how many bytes the training reference of a model will have, whose features have this length."""
    image, classes = math.prod(splits.spec.shape), len(splits.class_names)
    fitted = min(len(splits.train), max(classes, rows_together(length, most=REFERENCE_ROWS)))
    kept = min(fitted, max(classes, REFERENCE_BYTES // (image + 2 * length)))
    held_out = min(HELD_OUT_ROWS, HELD_OUT_BYTES // image, len(splits.calibration) + len(splits.validation))
    gaussians = 4 * length * (classes + min(DIRECTIONS, fitted, length))
    digests = 8 * len(splits.train)
    return kept * (image + 2 * length) + held_out * image + gaussians + digests


def _file_sizes(source: Path, names: Sequence[str]) -> NDArray[np.int64] | None:
    """Return (S, 2) width and height of training files, by their headers; None where they are no files."""
    folder = source.parent if source.is_file() else source
    found = []
    for place in evenly(len(names), SIZED_FILES):
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
        chosen = evenly(len(split), most)
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
    step = rows_together(by_features.means.shape[1], most=CALIBRATION_ROWS)
    for name in names:
        rows = evenly(len(splits[name]), CALIBRATION_ROWS)
        for some in (rows[start : start + step] for start in range(0, len(rows), step)):
            pixels = splits[name].images[splits[name].rows[some]]
            found.append(distances(features_of(name, some), pixels, by_features, by_appearance))
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
        chosen.append(of_class[evenly(len(of_class), max(1, int(len(of_class) * share)))])
    return np.sort(np.concatenate(chosen))


def evenly(total: int, count: int) -> Rows:
    """Return at most `count` of 0..total-1, evenly spaced, in ascending order."""
    return np.arange(total) if total <= count else np.linspace(0, total - 1, count).astype(np.int64)
