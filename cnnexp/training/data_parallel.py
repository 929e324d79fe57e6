"""The gradient of a batch, computed in parts on several devices at once: the same numbers up to rounding.

The weights are those of the first device, which every other one reads at each step; the gradients come back to it and
are averaged there. So optimizers, averages of weights, clipping and saved states are the same as with one device.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from cnnexp.training.accumulation import Gradients


def on_devices(gradients: Gradients, statistics: Sequence[keras.Variable], *, devices: Sequence[str]) -> Gradients:
    """Return a function like `gradients` that computes an equal part of its batch on each of `devices`.

    Each part counts by its images. Batch normalization is the exception to "the same numbers": it normalizes each part
    by itself, and its `statistics` move by the mean of what the parts make of them; and dropout draws for each part.

    Args:
        gradients: Of a batch of at least one image.
        statistics: What `gradients` changes beside random states.
        devices: Their names, such as ``GPU:0``.

    """
    count = len(devices)

    def whole(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        size = tf.shape(labels)[0]
        before = _values(statistics)
        shares, losses, right, parts, moved = [], [], [], [], []
        for number, device in enumerate(devices):
            first, end = number * size // count, (number + 1) * size // count
            begin = tf.minimum(first, size - 1)  # where a batch has fewer images than there are devices
            chunk = slice(begin, tf.maximum(end, begin + 1))
            with tf.device(device):
                loss, correct, own = gradients(images[chunk], labels[chunk])
            shares.append(tf.cast(end - first, tf.float32) / tf.cast(size, tf.float32))
            losses.append(shares[-1] * loss)
            right.append(tf.where(end > first, correct, 0.0))
            parts.append([shares[-1] * one for one in own])
            moved.append(_values(statistics))
            _assign(statistics, before)
        _assign(statistics, [_weighted(shares, values) for values in zip(*moved, strict=True)])
        summed = [tf.add_n(list(of_variable)) for of_variable in zip(*parts, strict=True)]
        return tf.add_n(losses), tf.add_n(right), summed

    return whole


def _values(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    return [tf.identity(variable.value) for variable in variables]


def _assign(variables: Sequence[keras.Variable], values: Sequence[tf.Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _weighted(shares: Sequence[tf.Tensor], values: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([share * tf.cast(value, tf.float32) for share, value in zip(shares, values, strict=True)])
