"""Muon for convolutional networks: Keras's orthogonalizes dense kernels alone."""

import math

import keras
import tensorflow as tf


class Muon(keras.optimizers.Muon):  # type: ignore[misc] # Keras has no types
    """Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon) that takes convolution kernels as matrices.

    A kernel (height, width, channels, filters) is a matrix with a column a filter, as in its author's programs. AdamW
    updates all else: biases, normalization, depthwise kernels, and layers that `exclude_layers` names.
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:  # not public, but Keras's own rule has no setting
        shape = variable.shape
        is_convolution = len(shape) == 4 and shape[-1] > 1
        return not is_convolution and bool(super()._should_use_adamw(variable))

    def zeropower_via_newtonschulz5(self, x: tf.Tensor, steps: int) -> tf.Tensor:
        """Return the nearly orthogonal matrix next to `x`, in its shape."""
        update = super().zeropower_via_newtonschulz5(keras.ops.reshape(x, _as_matrix(x)), steps)
        return keras.ops.reshape(update, x.shape)

    def lr_adjust(self, x: tf.Tensor) -> tf.Tensor:
        """Give an update the size that Adam's would have (Liu et al. 2025, arXiv:2502.16982)."""
        return x * math.sqrt(max(_as_matrix(x))) * self.rms_rate


def _as_matrix(kernel: tf.Tensor) -> tuple[int, int]:
    return math.prod(kernel.shape[:-1]), kernel.shape[-1]
