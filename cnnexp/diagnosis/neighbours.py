"""What the nearest images say, by their pixels alone: do labels belong to the images, and how much can be learned?

Images of one class are more alike than images of two, in pixels, too, if only by a little. Where labels of neighbours
agree no more than chance lets them, they do not belong to the images; and a network that is worse than its nearest
neighbours has not learned what is there to be learned, whatever the reason.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Images, Labels

MOST_IMAGES = 2_000  # of train, and of the images that are answered: a quarter of a second in all on one core
MOST_BYTES = 2**26  # of these images
SIDE = 16  # pixels that an image is averaged to
NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How the nearest training images are labelled."""

    images: int  # training images that were asked for the label of their nearest neighbours
    agreement: float  # share of pairs of an image and one of its nearest with the same label, 0..1
    chance: float  # the same of any two training images
    deviation: float  # of the agreement by chance: standard deviation over permuted labels
    accuracy: float  # of validation images, answered by most of their nearest training images
    answered: int  # validation images


def neighbours(
    *, train: Images, train_labels: Labels, validation: Images, validation_labels: Labels, seed: int
) -> Neighbours:
    """Compare labels of nearest images; images (N, H, W, C) uint8, at most `MOST_IMAGES` of each, two to train on."""
    known, new = _normalized(train), _normalized(validation)
    labels, classes = train_labels, int(max(train_labels.max(), validation_labels.max(initial=0))) + 1
    count = min(NEIGHBOURS, len(known) - 1)
    near = _nearest(known, known, count=count, itself=True)
    return Neighbours(
        images=len(labels),
        agreement=float((labels[near] == labels[:, None]).mean()),
        chance=_chance(labels, classes),
        deviation=_deviation(near, labels, np.random.default_rng(seed)),
        accuracy=_votes_right(labels[_nearest(new, known, count=count)], validation_labels, classes),
        answered=len(validation_labels),
    )


def _normalized(images: Images) -> NDArray[np.float32]:
    """Return (N, D) averaged pixels of each image, without its brightness and contrast."""
    down, across = (-(-side // SIDE) for side in images.shape[1:3])
    kept = images[:, : images.shape[1] // down * down, : images.shape[2] // across * across]
    count, height, width, channels = kept.shape
    blocks = kept.reshape(count, height // down, down, width // across, across, channels)
    flat = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _nearest(
    asked: NDArray[np.float32], known: NDArray[np.float32], *, count: int, itself: bool = False
) -> NDArray[np.int64]:
    """Return (N, count) places of the most similar known images; `itself`: an image is not its own neighbour."""
    similarity = asked @ known.T
    if itself:
        np.fill_diagonal(similarity, -np.inf)
    return np.argpartition(-similarity, count - 1, axis=1)[:, :count]


def _chance(labels: Labels, classes: int) -> float:
    counts = np.bincount(labels, minlength=classes).astype(float)
    return float((counts * (counts - 1)).sum() / max(len(labels) * (len(labels) - 1), 1))


def _deviation(near: NDArray[np.int64], labels: Labels, generator: np.random.Generator) -> float:
    """Return the standard deviation of the agreement when labels are drawn anew for the same neighbours."""
    shuffled = (generator.permutation(labels) for _ in range(20))
    return float(np.std([(drawn[near] == drawn[:, None]).mean() for drawn in shuffled], ddof=1))


def _votes_right(votes: Labels, labels: Labels, classes: int) -> float:
    counts = (votes[:, :, None] == np.arange(classes)).sum(axis=1)
    return float((counts.argmax(axis=1) == labels).mean()) if len(labels) else 0.0
