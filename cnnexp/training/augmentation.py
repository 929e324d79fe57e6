"""Random changes of training images: one affine map per image, drawn from (seed, epoch, batch)."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.records import Augmentation


def transforms(
    augmentation: Augmentation, *, count: int, height: int, width: int, seed: int, epoch: int, batch: int
) -> NDArray[np.float32]:
    """Return `count` projective maps from output to input pixels, shape (count, 8).

    The layout is that of TensorFlow's ``ImageProjectiveTransformV3``: (x, y) of the output reads
    (a0 x + a1 y + a2, b0 x + b1 y + b2) of the input. The last two values, the perspective, are zero.
    """
    random = np.random.default_rng((seed, epoch, batch))
    scale = 1 + random.uniform(-augmentation.zoom, augmentation.zoom, count)
    direction = np.where(random.random(count) < 0.5, -1.0, 1.0) if augmentation.flip else np.ones(count)
    move = random.uniform(-augmentation.shift, augmentation.shift, (count, 2)) * (width, height)
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    maps = np.zeros((count, 8), dtype=np.float32)
    maps[:, 0] = scale * direction
    maps[:, 2] = center_x - scale * direction * center_x + move[:, 0]
    maps[:, 4] = scale
    maps[:, 5] = center_y - scale * center_y + move[:, 1]
    return maps


def apply_transforms(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Return images (B, H, W, C) uint8 under the maps (B, 8) of `transforms`; bilinear, edges repeated."""
    transformed = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=maps,
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(transformed, images.shape)
