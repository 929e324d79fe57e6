"""Pairs of similar vectors among many.

A random hyperplane has both of two vectors on one side with probability 1 - angle / π (Charikar 2002). The sides of
some hyperplanes are a key. Similar vectors share one of many keys, others hardly any, so only vectors of one key are
compared, by more such sides first: the work grows little faster than their number. So many keys are made that two
vectors at the limit are missed once in a million. Where that would take longer than to compare each with every other,
as among few vectors, or where all are about as similar as the limit, each is compared.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MISSED = 1e-6  # of the pairs at the limit
MOST_BYTES = 8  # of a key
LARGEST_SAMPLE = 800
SAME_KEY = 16  # vectors that each is compared with, of those with its key: so many near-equal ones take no longer
BYTES_AT_A_TIME = 64  # of sides; all are compared where a key is the same
DOUBTS = 6.0  # standard deviations of how many of them differ
ROWS, COLUMNS = 1024, 2048  # compared together
ROUNDING = 3e-4  # of distances, because of float16

# Nanoseconds, measured; only what they are relative to each other matters.
ONE_BY_ALL = 10.0  # to compare with one vector, where each is compared with every other
ONE_BY_KEY = 170.0  # the same, where they are looked up
KEY, BYTE_OF_KEY = 40.0, 110.0  # to make

Vectors = NDArray[np.float16]  # (N, D)
Float = NDArray[np.float32]
Rows = NDArray[np.int64]


def similar_pairs(vectors: Vectors, centre: Float, limit: float, sample: Rows) -> Iterator[Rows]:
    """Yield pairs of rows (M, 2), among them all whose distance is at most the limit, some of them several times.

    Args:
        vectors: (N, D) without their common `centre` (D,); with it their length is one
        centre: near their mean, which makes small differences exact
        limit: at most 1
        sample: some rows, by which is estimated how many vectors get one key

    """
    tables, bytes_of_key, nanoseconds = _fewest_keys(vectors[sample].astype(np.float32) + centre, len(vectors), limit)
    if nanoseconds < len(vectors) / 2 * ONE_BY_ALL:
        yield from _by_key(vectors, centre, limit, tables, bytes_of_key)
    else:
        yield from _by_all(vectors, limit)


def are_near(vectors: Vectors, pairs: Rows, limit: float) -> NDArray[np.bool_]:
    """Tell of pairs of rows (M, 2) whether their distance is at most the limit, or more by no more than rounding."""
    difference = vectors[pairs[:, 0]].astype(np.float32) - vectors[pairs[:, 1]]
    return _half_square(difference) <= (limit + ROUNDING) ** 2 / 2


def _fewest_keys(sample: Float, count: int, limit: float) -> tuple[int, int, float]:
    """Return how many keys of how many bytes take the least time, and what they take for each vector."""
    sample = sample[:: 1 + len(sample) // LARGEST_SAMPLE]
    angles = np.arccos(np.clip(sample @ sample.T, -1, 1))
    same_side = 1 - angles / np.pi
    np.fill_diagonal(same_side, 0)
    same_limit = 1 - _other_side(limit)
    plans = []
    sharing = np.zeros((MOST_BYTES, len(sample)))  # how many vectors probably share a key of so many bytes
    for place in range(MOST_BYTES):
        sharing[place] = count * (same_side ** (8 * (place + 1))).mean(axis=1)
    loose = sharing[-1] < SAME_KEY  # others are in crowds of near-equal ones, which no key divides
    for place, shared in enumerate(sharing):
        tables = math.ceil(math.log(MISSED) / math.log1p(-(same_limit ** (8 * (place + 1)))))
        crowd = shared[loose].mean() if loose.any() else SAME_KEY
        nanoseconds = tables * (KEY + (place + 1) * BYTE_OF_KEY + crowd / 2 * ONE_BY_KEY)
        plans.append((nanoseconds, tables, place + 1))
    nanoseconds, tables, bytes_of_key = min(plans)
    return tables, bytes_of_key, nanoseconds


def _other_side(distance: float) -> float:
    """Return the probability that a hyperplane is between two vectors of length one."""
    return 2 * math.asin(min(distance / 2, 1)) / math.pi


def _by_key(vectors: Vectors, centre: Float, limit: float, tables: int, bytes_of_key: int) -> Iterator[Rows]:
    numbers = np.random.default_rng(0)
    share, count = _other_side(limit + ROUNDING), BYTES_AT_A_TIME * 8
    most = share * count + DOUBTS * math.sqrt(share * (1 - share) * count)
    sides = np.empty((len(vectors), BYTES_AT_A_TIME), np.uint8)
    words = sides.view(np.uint64)
    for start in range(0, tables, BYTES_AT_A_TIME // bytes_of_key):
        planes = numbers.standard_normal((len(centre), count), np.float32)
        for top in range(0, len(vectors), ROWS):
            products = (vectors[top : top + ROWS].astype(np.float32) + centre) @ planes
            sides[top : top + ROWS] = np.packbits(products > 0, axis=1)
        for table in range(min(BYTES_AT_A_TIME // bytes_of_key, tables - start)):
            keys = np.zeros((len(vectors), MOST_BYTES), np.uint8)
            keys[:, :bytes_of_key] = sides[:, table * bytes_of_key : (table + 1) * bytes_of_key]
            for pairs in _of_one_key(keys.view(np.uint64)[:, 0], numbers.permutation(len(vectors))):
                differing = np.bitwise_count(words[pairs[:, 0]] ^ words[pairs[:, 1]]).sum(axis=1)
                yield pairs[differing <= most]


def _of_one_key(keys: NDArray[np.uint64], order: Rows) -> Iterator[Rows]:
    """Yield pairs of equal keys (N,); of those with more than `SAME_KEY` others, such as are near in an order (N,)."""
    order = order[np.argsort(keys[order])]
    ordered = keys[order]
    first = np.arange(len(order))
    for distance in range(1, SAME_KEY + 1):
        first = first[: np.searchsorted(first, len(order) - distance)]
        first = first[ordered[first] == ordered[first + distance]]
        if not len(first):
            return
        yield np.stack([order[first], order[first + distance]], axis=1)


def _by_all(vectors: Vectors, limit: float) -> Iterator[Rows]:
    for top in range(0, len(vectors), ROWS):
        rows = vectors[top : top + ROWS].astype(np.float32)
        own = _half_square(rows)[:, None] - (limit + ROUNDING) ** 2 / 2
        for left in range(top, len(vectors), COLUMNS):
            columns = vectors[left : left + COLUMNS].astype(np.float32)
            excess = rows @ columns.T
            excess -= own
            one, other = np.nonzero(excess >= _half_square(columns))
            pairs = np.stack([one + top, other + left], axis=1)
            yield pairs[pairs[:, 0] < pairs[:, 1]]


def _half_square(vectors: Float) -> Float:
    squares: Float = np.einsum("nd,nd->n", vectors, vectors) / 2
    return squares
