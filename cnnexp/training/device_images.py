"""Training images that stay in the memory of a GPU: batches are gathered, and moved, there.

What crosses to the device is where a batch takes its images from, and how each is moved. The numbers are bit for bit
those of `batches`: see `augmentation.resampling`, whose operations are those of the one that moves images here.
"""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from cnnexp.records import Augmentation
from cnnexp.training.batches import Examples

_SHARE = 0.3  # of a GPU's memory that images may take: the rest is the network's


def fits_device(train: Examples, augmentation: Augmentation, *, memory: int | None) -> bool:
    """Return whether images fit into the memory of a device, in bytes, and it can make the batches of them.

    `memory` is None where it is unknown. Other changes than moves are made by the processor.
    """
    if memory is None or train.images.ndim != 4 or train.images.dtype != np.uint8 or not augmentation.only_moves:
        return False
    return len(train) * int(np.prod(train.images.shape[1:])) <= _SHARE * memory


class DeviceImages:
    """The images of a training on its device, which is TensorFlow's first one."""

    def __init__(self, train: Examples, *, size: Sequence[int], moves: bool) -> None:
        """Load images; batches of them have `size`, height and width, and `moves` says whether they are moved."""
        self._size = tuple(size)
        self._moves = moves
        self._images = tf.Variable(
            train.images[train.rows], shape=(None, *train.images.shape[1:]), trainable=False, name="images"
        )
        self._labels = tf.Variable(train.labels, shape=(None,), trainable=False, name="labels")

    def is_like(self, train: Examples, *, size: Sequence[int], moves: bool) -> bool:
        """Return whether batches of other images are made by the same operations."""
        return (self._images.shape[1:], self._size, self._moves) == (train.images.shape[1:], tuple(size), moves)

    def load(self, train: Examples) -> None:
        """Take other images in place of those that are there."""
        self._images.assign(train.images[train.rows])
        self._labels.assign(train.labels)

    def clear(self) -> None:
        """Give the memory back."""
        self._images.assign(np.zeros((0, *self._images.shape[1:]), np.uint8))

    def batch(self, positions: tf.Tensor, maps: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return images uint8 (B, H, W, C) and labels int64 (B,) at `positions` (B,), moved by `maps` (B, 8) float32.

        The rows of a map, and of the line that projects, are one after another, as TensorFlow has it.
        """
        images = tf.gather(self._images, positions)  # of a variable: for tensors of bytes a GPU has no such operation
        if self._moves:
            images = tf.raw_ops.ImageProjectiveTransformV3(
                images=images,
                transforms=maps,
                output_shape=self._size,
                fill_value=0.0,
                interpolation="BILINEAR",
                fill_mode="NEAREST",
            )
        return images, tf.gather(self._labels, positions)
