"""The images of a finished run that its page shows: which they are, not how they are drawn.

The probabilities are those of the evaluation. Only the few images that are chosen go through the network again, for
the features by which an image is unlike the training data.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cnnexp import training
from cnnexp.datasets import Split, Splits
from cnnexp.portable.reference import TrainingReference
from cnnexp.records import Augmentation, Confusion, Gallery, Labels, PredictedImage, Probabilities
from cnnexp.runs.preview import build_preview
from cnnexp.runs.split_outputs import SplitOutputs

TOP_LOSSES = 24
PAIRS = 6  # of classes
EACH_WAY = 4  # images of a pair, in each direction
SEEN = 96  # training images in all, equally many of each class
SEEN_EACH = (2, 8)  # of a class: at least, so that fewer classes are shown where there are many, and at most
SEEN_BYTES = 2**25  # of training images, at most
KINDS_IMAGES, KINDS_EPOCHS = 8, 2  # in which each kind of change is shown alone
_CHUNK = 16  # images that go through the network together

Positions = NDArray[np.int64]  # of images in their split
IsUnlike = Callable[[Positions], NDArray[np.bool_]]  # of images of the test split


def build_gallery(
    splits: Splits,
    probabilities: Probabilities,
    predicted: Labels,
    confusion: NDArray[np.int64],
    *,
    is_unlike: IsUnlike,
    augmentation: Augmentation,
    batch_size: int,
    sampling: str,
    seed: int,
) -> Gallery:
    """Choose the images of a run's page.

    Args:
        splits: Of the run.
        probabilities: (N, K) of the test images.
        predicted: (N,) the answers for them.
        confusion: (K, K) of the test images, row = true class.
        is_unlike: Which of some test images are unlike the training data.
        augmentation: As the run resolved it.
        batch_size: Images of a step of the training; with the seed it fixes how each image was augmented.
        sampling: Of the training, see `training.epoch_order`.
        seed: Of the run.

    """
    test = splits.test
    top = top_losses(probabilities, test.labels)[:TOP_LOSSES]
    pairs = most_confused(confusion)[:PAIRS]
    ways = [
        (way, images_of(way, probabilities, predicted, test.labels)[:EACH_WAY])
        for pair in pairs
        for way in (pair, pair[::-1])
    ]
    shown = np.concatenate([top, *(positions for _, positions in ways)])
    described = _describe(shown, test, probabilities, predicted, is_unlike)
    confusions = [
        Confusion(*way, int(confusion[way]), tuple(described[position] for position in positions.tolist()))
        for way, positions in ways
    ]
    seen = _seen_positions(splits, sampling=sampling, seed=seed)
    return Gallery(
        top_losses=tuple(described[position] for position in top.tolist()),
        confused=tuple(zip(confusions[::2], confusions[1::2], strict=True)),
        seen=training.as_seen(
            splits.train.to_crop, seen, batch_size=batch_size, sampling=sampling, augmentation=augmentation, seed=seed
        ),
        seen_labels=splits.train.labels[seen],
        seen_files=tuple(splits.train.files[position] for position in seen.tolist()),
        kinds=build_preview(splits, augmentation, images=KINDS_IMAGES, seed=seed, epochs=KINDS_EPOCHS),
    )


def top_losses(probabilities: Probabilities, labels: Labels) -> Positions:
    """Return the positions of all images, the one whose label is least probable first."""
    return np.argsort(probabilities[np.arange(len(labels)), labels], kind="stable")


def most_confused(confusion: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pairs of classes with mistakes, by their number in both directions, most first.

    `confusion` is (K, K), row = true class; the first of a pair is the one more often taken for the other.
    """
    mistakes = np.triu(confusion + confusion.T, k=1)
    rows, columns = np.nonzero(mistakes)
    order = np.argsort(-mistakes[rows, columns], kind="stable")
    pairs = zip(rows[order].tolist(), columns[order].tolist(), strict=True)
    return [(a, b) if confusion[a, b] >= confusion[b, a] else (b, a) for a, b in pairs]


def images_of(way: tuple[int, int], probabilities: Probabilities, predicted: Labels, labels: Labels) -> Positions:
    """Return the images of the first class that were taken for the second, the surest mistake first.

    Where there is none, return those of the first class that were recognized, the surest first: both classes of a pair
    are to be seen.
    """
    label, taken_for = way
    for answer in (taken_for, label):
        found = np.flatnonzero((labels == label) & (predicted == answer))
        if len(found):
            return found[np.argsort(-probabilities[found, answer], kind="stable")]
    return np.empty(0, np.int64)


def unlike_by(outputs: SplitOutputs, reference: TrainingReference, test: Split, *, p: float) -> IsUnlike:
    """Return the function that tells which test images are unlike the training data: p-values below `p`."""

    def is_unlike(positions: Positions) -> NDArray[np.bool_]:
        values = reference.p_values(outputs.features("test", positions), test.images[test.rows[positions]])
        return np.zeros(len(positions), bool) if values is None else values < p

    return is_unlike


def _describe(
    positions: Positions, test: Split, probabilities: Probabilities, predicted: Labels, is_unlike: IsUnlike
) -> dict[int, PredictedImage]:
    """Return each image once, by its position."""
    once = np.unique(positions)
    chunks = [is_unlike(once[start : start + _CHUNK]) for start in range(0, len(once), _CHUNK)]
    return {
        position: _predicted_image(position, test, probabilities, int(predicted[position]), unlike=bool(unlike))
        for position, unlike in zip(once.tolist(), np.concatenate(chunks), strict=True)
    }


def _predicted_image(
    position: int, test: Split, probabilities: Probabilities, predicted: int, *, unlike: bool
) -> PredictedImage:
    label = int(test.labels[position])
    return PredictedImage(
        pixels=test.images[test.rows[position]],
        file=test.files[position],
        label=label,
        predicted=predicted,
        label_probability=float(probabilities[position, label]),
        predicted_probability=float(probabilities[position, predicted]),
        unlike=unlike,
    )


def _seen_positions(splits: Splits, *, sampling: str, seed: int) -> Positions:
    """Choose training images: of many classes two each of the first ones, of few classes up to eight each."""
    count = min(SEEN, max(SEEN_EACH[0], SEEN_BYTES // splits.train.images[0].nbytes))
    each = int(np.clip(count // len(splits.class_names), *SEEN_EACH))
    classes = min(len(splits.class_names), max(1, count // each))
    return training.first_of_each_class(splits.train.labels, classes=classes, each=each, sampling=sampling, seed=seed)
