"""The data set as all other packages see it, decoded images in four splits, and how images are assigned to them."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.source import UNDECLARED
from cnnexp.images import ImageSpec
from cnnexp.records import SPLIT_NAMES, Images, Labels


@dataclass(frozen=True, slots=True)
class Split:
    """One split of the data; entry i of rows, labels and files is the same image."""

    images: Images  # (M, H, W, C), the whole data set, shared by all splits; may be a memory map
    rows: NDArray[np.int64]  # (N,) which of `images` belong to this split, in the fixed order of evaluation
    labels: Labels  # (N,)
    files: tuple[str, ...]  # (N,) path relative to the data folder, or "index-17" where there are no files
    properties: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)  # (M,) of each: own width, height, group
    larger: Images | None = None  # (M, H2, W2, C) the same images larger, to crop from; None: they are not needed

    @property
    def to_crop(self) -> "Split":
        """The same split of the larger images, where there are some."""
        return self if self.larger is None else dataclasses.replace(self, images=self.larger, larger=None)

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Splits:
    """A data set, ready to train on."""

    name: str
    class_names: tuple[str, ...]
    spec: ImageSpec
    train: Split
    validation: Split
    calibration: Split
    test: Split
    digest: str  # sha256 (hex) of images, labels, files, class names, spec and split
    content_digest: str  # the same without the split: of the whole data set
    source: str  # where it came from: a path, or the library that ships it
    notes: tuple[str, ...]  # what a reader of the results should know, one sentence each

    def __getitem__(self, name: str) -> Split:
        split: Split = getattr(self, name)
        return split


TRAIN = SPLIT_NAMES.index("train")
# The splits that a class with too few images for all of them goes without, the first one first.
_DROPPED_FIRST = tuple(SPLIT_NAMES.index(name) for name in ("calibration", "validation", "test"))

Rows = NDArray[np.int64]
Assignment = NDArray[np.int8]  # (N,) index into SPLIT_NAMES
Table = NDArray[np.int64]  # (splits, classes) counts of images


def assign_splits(
    labels: Labels, *, shares: Mapping[str, float], declared: NDArray[np.int8], groups: Rows, seed: int
) -> Assignment:
    """Assign each image to a split, stratified by class.

    Declared splits are kept. A split that is not declared is taken from the images that are declared as training
    images, or not declared at all; its share is a share of those. Of every class each split gets its share, rounded to
    whole images, and at least one image where the class has enough of them; training gets the rest.

    Args:
        labels: (N,)
        shares: share of each split but train, 0..1
        declared: (N,) index into SPLIT_NAMES, or UNDECLARED
        groups: (N,) images of one group (equal number) stay together
        seed: 0..2**32 - 1; apart from the arguments above, the result depends on nothing else

    Returns:
        (N,) int8, index into SPLIT_NAMES. Groups of different sizes, or that are large compared with a split, make its
        share approximate; without them it is exact to less than one image per class.

    """
    assignment = np.where(declared == UNDECLARED, TRAIN, declared).astype(np.int8)
    pool = np.flatnonzero(assignment == TRAIN)
    cut = np.array([0 if (declared == split).any() else shares.get(name, 0) for split, name in enumerate(SPLIT_NAMES)])
    if cut.any() and len(pool):
        assignment[pool] = _stratified(labels[pool], shares=cut, groups=groups[pool], seed=seed)
    return assignment


def indivisible_groups(duplicate_of: Rows, groups: Rows | None) -> Rows:
    """Return the groups of images that must stay together: equal pixels, or equal group, or a chain of both.

    Args:
        duplicate_of: (N,) the first image with the same pixels
        groups: (N,) equal for images of one group; None: no groups

    Returns:
        (N,) equal for images that stay together

    """
    if groups is None:
        return duplicate_of
    if np.array_equal(duplicate_of, np.arange(len(duplicate_of))):
        return groups
    from scipy.sparse import coo_array  # slow to import, rarely needed
    from scipy.sparse.csgraph import connected_components

    _, group = np.unique(groups, return_inverse=True)
    count = len(duplicate_of)
    edges = (np.tile(np.arange(count), 2), np.concatenate([duplicate_of, count + group]))
    graph = coo_array((np.ones(2 * count, np.int8), edges), shape=(count + len(group),) * 2)
    _, component = connected_components(graph, directed=False)
    return np.asarray(component[:count], np.int64)


def _stratified(labels: Labels, *, shares: NDArray[np.float64], groups: Rows, seed: int) -> Assignment:
    wanted = np.stack([_quota(count, shares) for count in np.bincount(labels)], axis=1)
    return distribute(labels, wanted=wanted, groups=groups, seed=seed)


def distribute(labels: Labels, *, wanted: Table, groups: Rows, seed: int) -> Assignment:
    """Assign each image to a part, so that each part has about the `wanted` (parts, classes) images of each class.

    Images of one group stay together. Returns (N,) int8, index of the part.
    """
    # The only stream of random numbers that NumPy promises never to change.
    random = np.random.RandomState(seed)
    assignment = np.empty(len(labels), np.int8)
    have = np.zeros_like(wanted)
    _, group, size = np.unique(groups, return_inverse=True, return_counts=True)
    alone = size[group] == 1
    _place_together(assignment, labels, group, size, wanted=wanted, have=have, random=random)
    for label in range(wanted.shape[1]):
        rows = random.permutation(np.flatnonzero(alone & (labels == label)))
        counts = _reduced(np.maximum(wanted - have, 0)[:, label], len(rows))
        assignment[rows] = np.repeat(np.arange(len(counts)), counts)
    return assignment


def _quota(count: int, shares: NDArray[np.float64]) -> Rows:
    """Whole images of a class of `count` for each split; the sum is `count`."""
    exact = count * shares
    quota = np.where(shares > 0, np.maximum(np.floor(exact + 0.5), 1), 0).astype(np.int64)
    while quota.sum() > max(count - 1, 0):
        if quota.max() > 1:
            quota[np.argmax(np.where(quota > 1, quota - exact, -np.inf))] -= 1
        else:
            quota[next(split for split in _DROPPED_FIRST if quota[split])] = 0
    quota[TRAIN] = count - quota.sum()
    return quota


def _place_together(
    assignment: Assignment,
    labels: Labels,
    group: Rows,
    size: Rows,
    *,
    wanted: Table,
    have: Table,
    random: np.random.RandomState,
) -> None:
    """Place groups of several images, largest first, each where the squared distance to the quotas grows least."""
    together = np.flatnonzero(size > 1)
    together = together[np.lexsort((random.permutation(len(together)), -size[together]))]
    by_group = np.argsort(group, kind="stable")
    ends = np.cumsum(size)
    left = np.bincount(labels, minlength=wanted.shape[1])  # groups still to come, at most, of each class
    for number in together:
        left -= _surplus(labels, by_group[ends[number] - size[number] : ends[number]], wanted.shape[1])
    for number in together:
        rows = by_group[ends[number] - size[number] : ends[number]]
        counts = np.bincount(labels[rows], minlength=wanted.shape[1])
        main = int(counts.argmax())
        cost = ((2 * (have - wanted) + counts) * counts).sum(axis=1).astype(np.float64)
        lacking = (wanted[:, main] > 0) & (have[:, main] == 0)
        allowed = lacking if lacking.sum() >= left[main] else wanted[:, main] > 0
        cost[~allowed] = np.inf
        split = int(cost.argmin())
        assignment[rows] = split
        have[split] += counts
        left -= counts > 0


def _surplus(labels: Labels, rows: Rows, classes: int) -> Rows:
    """Images of each class beyond the first: a group is one chance to be placed, however many images it has."""
    return np.maximum(np.bincount(labels[rows], minlength=classes) - 1, 0)


def _reduced(counts: Rows, total: int) -> Rows:
    """Lower the largest counts until they add up to `total`."""
    counts = counts.copy()
    while counts.sum() > total:
        counts[counts.argmax()] -= 1
    return counts
