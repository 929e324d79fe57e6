"""What the nearest images say, by their pixels alone: do labels belong to the images, and how much can be learned?

Images of one class are more alike than images of two, in pixels, too, if only by a little. Where labels of neighbours
agree no more than chance lets them, they do not belong to the images; and a network that is worse than its nearest
neighbours has not learned what is there to be learned, whatever the reason.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.label_errors.neighbours import NEIGHBOURS, NeighbourAgreement, neighbour_agreement
from cnnexp.records import Images, Labels

MOST_IMAGES = 2_000  # of train, and of the images that are answered: a quarter of a second in all on one core
MOST_BYTES = 2**26  # of these images
SIDE = 16  # pixels that an image is averaged to
FEW_IMAGES = 1_000  # up to so many training images, the rise with their number is measured; beyond, it is never steep
HALVES = 5  # drawn, so that their share of the error of the rise is small
VOTES = 5  # nearest training images that answer a new one
# The nearest images that say how near the first may be: those of the second pair where objects have dozens of versions.
SCALES = ((20, 60), (60, 180))
BY_CHANCE = 1e-3  # that a nearest image is as near
LEAP = 3.0  # times the distance of the last copy, at which the next image lies
ALIKE = 0.25  # distance of copies, a correlation of 0.97
MOST_COPIES = 300  # images of validation and of test each that are looked for in train


Rise = dict[str, float]
Groups = NDArray[np.int64]  # (N,) number of the group that an image may belong to by its name; -1: none


@dataclass(frozen=True, slots=True)
class GroupAgreement:
    """Validation images whose most similar training image may belong to the same group by its name."""

    asked: int  # images of groups that have training images, too
    same: int  # of them, whose most similar training image is one of these
    chance: float  # share, if names said nothing: that of these images among the training images of the class


@dataclass(frozen=True, slots=True)
class NearCopies:
    """Which of some validation and test images are copies of training images, by their distances."""

    near: NDArray[np.bool_]  # (N,) the nearest training image is far nearer than chance lets it be
    mirrored: NDArray[np.bool_]  # (N,) that of the mirrored image is, and not that of the image
    among_train: float  # share of training images with a copy among these


@dataclass(frozen=True, slots=True)
class Neighbours:
    """How the nearest training images are labelled."""

    labels: NeighbourAgreement | None  # of the training images; None: too few of them, or one class
    accuracy: float  # of validation images, answered by most of their nearest training images
    answered: int  # validation images
    # Accuracy of images answered by all training images, minus that by half of them: steep where there are too few.
    rise: float = 0.0
    rise_error: float = 0.0  # its standard error, over images
    groups: GroupAgreement | None = None  # None: names show no groups
    others: NeighbourAgreement | None = None  # of the validation images among themselves; None: too few, or one class
    # Training images (K, K): row = label, column = what most of their nearest ones are labelled; None: not computed.
    confusion: NDArray[np.int64] | None = None
    copies: NearCopies | None = None  # None: too few training images
    # Validation images (K, K): row = label, column = what most of their nearest training images are labelled.
    answers: NDArray[np.int64] | None = None


def neighbours(
    *,
    train: Images,
    train_labels: Labels,
    validation: Images,
    validation_labels: Labels,
    seed: int,
    groups: tuple[Groups, Groups] | None = None,
    test: Images | None = None,
) -> Neighbours:
    """Compare labels of nearest images; images (N, H, W, C) uint8, at most `MOST_IMAGES` of each, two to train on.

    `groups` are those of training and validation images, if their names show some; `test` images are only looked for
    among those of train.
    """
    known, new = _normalized(train), _normalized(validation)
    comparable = len(known) > NEIGHBOURS and len(np.unique(train_labels)) > 1
    others = len(new) > NEIGHBOURS and len(np.unique(validation_labels)) > 1
    grouped = None if groups is None else _in_groups(known, train_labels, new, groups)
    return Neighbours(
        labels=neighbour_agreement(known, train_labels, seed=seed) if comparable else None,
        accuracy=float(_are_right(train_labels[_nearest(new, known)], validation_labels).mean()) if len(new) else 0.0,
        answered=len(validation_labels),
        groups=grouped,
        others=neighbour_agreement(new, validation_labels, seed=seed) if others else None,
        confusion=_confusion(known, train_labels) if comparable else None,
        answers=_answers(known, train_labels, new, validation_labels) if comparable and len(new) else None,
        copies=_copies(known, validation[:: -(-len(validation) // MOST_COPIES) or 1], test),
        **(_rise(known, train_labels, new, validation_labels, seed) if comparable and len(known) <= FEW_IMAGES else {}),
    )


def share_answered(train: Images, train_labels: Labels, asked: Images, labels: Labels) -> float:
    """Return the share of the images asked, (N, H, W, C) uint8, that most of their nearest training images know."""
    nearest = _nearest(_normalized(np.ascontiguousarray(asked)), _normalized(train))
    return float(_are_right(train_labels[nearest], labels).mean())


def _copies(known: NDArray[np.float32], validation: Images, test: Images | None) -> NearCopies | None:
    asked = validation if test is None else np.concatenate([validation, test])
    if len(known) < 2 * SCALES[0][1] or not len(asked):
        return None
    near = _nearer_than_chance(_normalized(asked) @ known.T)
    mirrored = _nearer_than_chance(_normalized(np.ascontiguousarray(asked[:, :, ::-1])) @ known.T)
    rows = np.arange(0, len(known), -(-len(known) // MOST_COPIES))
    among_train = known[rows] @ known.T
    among_train[np.arange(len(rows)), rows] = -np.inf
    return NearCopies(near, mirrored & ~near, float(_nearer_than_chance(among_train).mean()))


def _nearer_than_chance(similarity: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which images (N,) have one among those that they are compared with (N, M) that must be a copy.

    Of k images in D dimensions the nearest is within x times the distance of the farthest by a chance of k x^D at most.
    Where images vary in one or two ways alone, D is smaller near by than it is far away; there the next ones are hardly
    farther away, while copies leave a leap behind them.
    """
    distances = np.sqrt(np.maximum(2 - 2 * similarity, np.float32(1e-4)))
    near = np.zeros(len(distances), bool)
    for close, far in SCALES:
        if similarity.shape[1] < 2 * far:
            continue
        order = np.sort(np.partition(distances, far - 1, axis=1)[:, :far], axis=1)
        growth = np.log(order[:, far - 1] / order[:, close - 1])
        dimensions = float(np.median(np.log(far / close) / np.maximum(growth, 1e-3)))
        chance = close * (order[:, 0] / order[:, close - 1]) ** dimensions
        leap = (order[:, 1 : close // 2] / order[:, : close // 2 - 1]).max(axis=1)
        near |= (chance < BY_CHANCE) & (leap >= LEAP) & (order[:, 0] <= ALIKE)
    return near


def _confusion(known: NDArray[np.float32], labels: Labels) -> NDArray[np.int64]:
    similarity = known @ known.T
    similarity[np.diag_indices(len(known))] = -np.inf
    counts = np.zeros((int(labels.max()) + 1,) * 2, np.int64)
    np.add.at(counts, (labels, _elected(labels[_most_similar(similarity)], len(counts))), 1)
    return counts


def _answers(known: NDArray[np.float32], labels: Labels, new: NDArray[np.float32], wanted: Labels) -> NDArray[np.int64]:
    classes = int(max(labels.max(), wanted.max())) + 1
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (wanted, _elected(labels[_nearest(new, known)], classes)), 1)
    return counts


def _in_groups(
    known: NDArray[np.float32], labels: Labels, new: NDArray[np.float32], groups: tuple[Groups, Groups]
) -> GroupAgreement | None:
    of_known, of_new = groups
    members = np.bincount(of_known[of_known >= 0], minlength=int(of_new.max(initial=0)) + 1)
    asked = np.flatnonzero((of_new >= 0) & (members[np.maximum(of_new, 0)] > 0))
    if not len(asked):
        return None
    nearest = (new[asked] @ known.T).argmax(axis=1)
    of_class = np.bincount(labels)[labels[nearest]]
    return GroupAgreement(
        asked=len(asked),
        same=int((of_known[nearest] == of_new[asked]).sum()),
        chance=float(np.minimum(members[of_new[asked]] / of_class, 1).mean()),
    )


def _rise(known: NDArray[np.float32], labels: Labels, new: NDArray[np.float32], wanted: Labels, seed: int) -> Rise:
    """Return the rise and its standard error, over training and new images; halves are drawn `HALVES` times."""
    similarity = np.concatenate([known @ known.T, new @ known.T])
    similarity[: len(known)][np.diag_indices(len(known))] = -np.inf
    asked = np.concatenate([labels, wanted])
    generator, count = np.random.default_rng(seed), len(known)
    by_all = _are_right(labels[_most_similar(similarity)], asked)
    halves = [generator.permutation(count)[: count // 2] for _ in range(HALVES)]
    by_half = [_are_right(labels[half][_most_similar(similarity[:, half])], asked) for half in halves]
    gains = by_all - np.mean(by_half, axis=0)
    return {"rise": float(gains.mean()), "rise_error": float(gains.std(ddof=1) / len(asked) ** 0.5)}


def _normalized(images: Images) -> NDArray[np.float32]:
    """Return (N, D) averaged pixels of each image, without its brightness and contrast."""
    down, across = (-(-side // SIDE) for side in images.shape[1:3])
    kept = images[:, : images.shape[1] // down * down, : images.shape[2] // across * across]
    count, height, width, channels = kept.shape
    blocks = kept.reshape(count, height // down, down, width // across, across, channels)
    flat = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    flat -= flat.mean(axis=1, keepdims=True)
    return np.asarray(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6), np.float32)


def _nearest(asked: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.int64]:
    return _most_similar(asked @ known.T)


def _most_similar(similarity: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return (N, VOTES) columns of the largest values (N, M), fewer where there are fewer."""
    count = min(VOTES, similarity.shape[1])
    return np.argpartition(-similarity, count - 1, axis=1)[:, :count]


def _are_right(votes: Labels, labels: Labels) -> NDArray[np.bool_]:
    """Return (N,) whether most of the votes (N, VOTES) are for the label."""
    classes = int(max(votes.max(initial=0), labels.max(initial=0))) + 1
    return np.asarray(_elected(votes, classes) == labels)


def _elected(votes: Labels, classes: int) -> NDArray[np.int64]:
    """Return (N,) the class with most of the votes (N, VOTES)."""
    return np.asarray((votes[:, :, None] == np.arange(classes)).sum(axis=1).argmax(axis=1), np.int64)
