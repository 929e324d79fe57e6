"""The images of the first epoch again, as the network saw them: for a person to look at."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.datasets import Split
from cnnexp.records import Augmentation, Images, Labels
from cnnexp.training.augmentation import apply_transforms, transforms
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
    images = train.images[train.rows[positions]]
    if not augmentation:
        return images
    maps = _maps(train, positions, batch_size=batch_size, sampling=sampling, augmentation=augmentation, seed=seed)
    seen: Images = apply_transforms(tf.constant(images), tf.constant(maps)).numpy()
    return seen


def _maps(
    train: Split, positions: Positions, *, batch_size: int, sampling: str, augmentation: Augmentation, seed: int
) -> NDArray[np.float32]:
    """Return the map (n, 8) of each image, drawn together with those of the other images of its batch."""
    steps = first_places(order_of(train.labels, sampling=sampling, seed=seed, epoch=1), positions)
    height, width = train.images.shape[1:3]
    maps = np.empty((len(positions), 8), np.float32)
    for place, (batch, index) in enumerate(zip(*np.divmod(steps, batch_size), strict=True)):
        count = min(batch_size, len(train) - int(batch) * batch_size)
        drawn = transforms(augmentation, count=count, height=height, width=width, seed=seed, epoch=1, batch=int(batch))
        maps[place] = drawn[index]
    return maps
