"""Which training images an epoch has, and in which order: a function of the seed and the epoch's number."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Labels


def order_of(labels: Labels, *, sampling: str, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the positions (N,) of training images with `labels` (N,) in the order of an epoch, which counts from 1.

    ``shuffled``: every image once. ``balanced``: as many images, of each class that has any as often as of any other,
    or once more; those of a small class come round again after all of them had their turn, those of a large class are
    another random part in every epoch.
    """
    random = np.random.default_rng((seed, epoch))
    if sampling == "shuffled":
        return random.permutation(len(labels))
    return random.permutation(_balanced(labels, random))


def _balanced(labels: Labels, random: np.random.Generator) -> NDArray[np.int64]:
    classes = random.permutation(np.unique(labels))  # the first ones get one image more where N / K is not whole
    each, more = divmod(len(labels), len(classes))
    drawn = [
        _drawn(np.flatnonzero(labels == label), each + (place < more), random) for place, label in enumerate(classes)
    ]
    return np.concatenate(drawn)


def _drawn(members: NDArray[np.int64], count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return `count` of the members of a class, each as often as any other or once more."""
    rounds = -(-count // len(members))
    return np.concatenate([random.permutation(members) for _ in range(rounds)])[:count] if rounds else members[:0]


def first_places(order: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the place in `order` where each of `positions`, which are all in it, comes first."""
    known, places = np.unique(order, return_index=True)
    return places[np.searchsorted(known, positions)]
