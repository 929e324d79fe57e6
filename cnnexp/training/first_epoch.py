"""The images of the first epoch again, as the network saw them: for a person to look at."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation import Batch, augment_one
from cnnexp.datasets import Split
from cnnexp.records import Augmentation, Images, Labels
from cnnexp.training.epoch_order import first_places, order_of

Positions = NDArray[np.int64]


def first_of_each_class(labels: Labels, *, classes: int, each: int, sampling: str, seed: int) -> Positions:
    """Return the positions of the first training images of the first classes, in the order of the first epoch.

    They are sorted by class; a class with fewer than `each` images has fewer.
    """
    order = order_of(labels, sampling=sampling, seed=seed, epoch=1)
    order = order[np.sort(np.unique(order, return_index=True)[1])]  # an image that comes again counts once
    ordered = labels[order]
    return np.concatenate([order[np.flatnonzero(ordered == label)[:each]] for label in range(classes)])


def as_seen(
    train: Split, positions: Positions, *, batch_size: int, sampling: str, augmentation: Augmentation, seed: int
) -> Images:
    """Return training images (n, H, W, C) augmented exactly as in the first epoch."""
    if not augmentation:
        return train.images[train.rows[positions]]
    order = order_of(train.labels, sampling=sampling, seed=seed, epoch=1)
    size = augmentation.size or train.images.shape[1:3]
    seen = np.empty((len(positions), *size, train.images.shape[-1]), np.uint8)
    for place, (number, index) in enumerate(zip(*np.divmod(first_places(order, positions), batch_size), strict=True)):
        members = order[number * batch_size : (number + 1) * batch_size]
        batch = Batch(seed=seed, epoch=1, number=int(number), count=len(members), positions=members)
        seen[place] = augment_one(train.images, train.rows[members], int(index), augmentation, batch)
    return seen
