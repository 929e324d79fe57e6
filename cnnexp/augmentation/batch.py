"""A batch as the network gets it, and one image of it as it was in its batch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.changes import augmented, draw_changes
from cnnexp.augmentation.mixing import draw_mixing, mixed, mixed_labels, partners
from cnnexp.augmentation.own import changed_by_user
from cnnexp.augmentation.streams import Batch
from cnnexp.records import Augmentation, Images, Labels


def augment_batch(
    images: Images, labels: Labels, augmentation: Augmentation, batch: Batch
) -> tuple[Images, NDArray[Any]]:
    """Return the images (B, H, W, C) of a batch augmented, and their labels (B,), mixed (B, 3) where images are.

    Images larger than `augmentation.size` become images of that size.
    """
    if not augmentation:
        return images, labels
    source = images.shape[1:3]
    size = augmentation.size or source
    changes = draw_changes(augmentation, batch, source=source, size=size, channels=images.shape[3])
    changed = changed_by_user(augmented(images, changes, size), augmentation.own, batch)
    mixing = draw_mixing(augmentation, batch, size)
    if mixing is None:
        return changed, labels
    return mixed(changed, changed[partners(batch.count)], mixing), mixed_labels(labels, mixing)


def augment_one(
    images: Images, rows: NDArray[np.int64], place: int, augmentation: Augmentation, batch: Batch
) -> NDArray[np.uint8]:
    """Return one image (H, W, C) as it is in its batch.

    Args:
        images: (N, H, W, C) the whole data set.
        rows: (B,) the images of the batch.
        place: In the batch, of the image.
        augmentation: As resolved.
        batch: Whose random numbers are drawn; all of them, as each depends on those before it.

    """
    if augmentation.own is not None:  # it is free to change all images of a batch by the same numbers
        whole: Images = augment_batch(images[rows], np.zeros(len(rows), np.int64), augmentation, batch)[0]
        alone: NDArray[np.uint8] = whole[place]
        return alone
    source = images.shape[1:3]
    size = augmentation.size or source
    pair = np.array([place, partners(batch.count)[place]])
    changes = draw_changes(augmentation, batch, source=source, size=size, channels=images.shape[3])
    mixing = draw_mixing(augmentation, batch, size)
    pair = pair[:1] if mixing is None else pair
    changed = augmented(images[rows[pair]], changes.take(pair), size)
    result = changed if mixing is None else mixed(changed[:1], changed[1:], mixing.take(pair[:1]))
    one: NDArray[np.uint8] = result[0]
    return one
