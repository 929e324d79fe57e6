"""Fewer images on purpose: `data.limit` of the training split, `data.imbalance` of it alone or of every split."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import DataError
from cnnexp.records import Labels

Rows = NDArray[np.int64]


def subsample(labels: Labels, *, limit: int | None, imbalance: float | None, ranks: Rows, seed: int) -> Rows:
    """Choose the images of a split that are kept; first the imbalance, then the limit, which keeps its proportions.

    For one seed the images of a smaller limit are among those of a larger one, class by class.

    Args:
        labels: (N,) of the split; in training, every class is present
        limit: at most so many images are kept; None: all
        imbalance: the largest class shall have this many times the images of the smallest; None: unchanged
        ranks: (K,) class sizes of the training split, by which classes are largest and smallest in every split
        seed: which images of a class are kept

    Returns:
        Sorted positions within `labels`

    Raises:
        DataError: a class would be left without an image.

    """
    counts = np.bincount(labels, minlength=len(ranks))
    kept = _kept(counts, limit, imbalance, ranks)
    if np.array_equal(kept, counts):
        return np.arange(len(labels))
    random = np.random.RandomState(seed)  # the only stream of random numbers that NumPy promises never to change
    rows = [random.permutation(np.flatnonzero(labels == label))[:count] for label, count in enumerate(kept)]
    return np.sort(np.concatenate(rows))


def images_left(counts: Sequence[int], *, limit: int | None, imbalance: float | None) -> int:
    """Return how many images `subsample` leaves of a training split; all of them where it would refuse to."""
    sizes = np.asarray(counts)
    try:
        return int(_kept(sizes, limit, imbalance, sizes).sum())
    except DataError:
        return int(sizes.sum())


def _kept(counts: Rows, limit: int | None, imbalance: float | None, ranks: Rows) -> Rows:
    if imbalance is not None:
        counts = _exponential_profile(counts, imbalance, ranks)
    if limit is not None and limit < counts.sum():
        counts = _apportion(counts, limit)
    return counts


def _exponential_profile(counts: Rows, ratio: float, ranks: Rows) -> Rows:
    """Class sizes that fall geometrically from the largest to the smallest class (Cui et al. 2019, section 5.1).

    The largest such profile that fits under the existing sizes; equal classes keep their order.
    """
    rank = np.empty(len(counts))
    rank[np.argsort(-ranks, kind="stable")] = np.arange(len(counts))
    decay = ratio ** (-rank / max(len(counts) - 1, 1))
    kept: Rows = np.floor((counts / decay).min() * decay + 0.5).astype(np.int64)
    if kept.min() < 1:
        raise DataError(
            f"data.imbalance must leave every class an image of each split; {ratio:g} leaves the smallest class none "
            f"of {counts.max():,} in the largest. Lower data.imbalance."
        )
    return kept


def _apportion(counts: Rows, limit: int) -> Rows:
    """Apportion `limit` images in proportion to the classes, by largest remainder, at least one per class."""
    if limit < len(counts):
        raise DataError(
            f"data.limit must leave every class a training image; got {limit} for {len(counts)} classes. "
            f"Take at least {len(counts)}."
        )
    exact = counts * (limit / counts.sum())
    kept: Rows = np.maximum(np.floor(exact), 1).astype(np.int64)
    for label in np.argsort(kept - exact, kind="stable")[: max(limit - int(kept.sum()), 0)]:
        kept[label] += 1
    while kept.sum() > limit:
        kept[kept.argmax()] -= 1
    return kept
