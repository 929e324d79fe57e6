"""Muon for convolutional networks: Keras's orthogonalizes dense kernels alone."""

import math
from typing import Any

import keras
import tensorflow as tf


class Muon(keras.optimizers.Muon):  # type: ignore[misc] # Keras has no types
    """Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon) that takes convolution kernels as matrices.

    A kernel (height, width, channels, filters) is a matrix with a column a filter, as in its author's programs. AdamW
    updates all else: biases, normalization, depthwise kernels, and layers that `exclude_layers` names.

    With `fixed_norm`, every matrix gets the norm √columns before its step, and the step has about the size of the
    learning rate in each direction: as Jordan's programs train networks whose convolutions are normalized after.
    """

    def __init__(self, *, fixed_norm: bool = False, **settings: Any) -> None:  # noqa: ANN401 - those of Keras
        super().__init__(**settings)
        self.fixed_norm = fixed_norm

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
        """Update a variable, see `keras.optimizers.Optimizer`."""
        if self.fixed_norm and self.adam_velocities[self._get_variable_index(variable)] is None:
            variable.assign(variable * (math.sqrt(variable.shape[-1]) / tf.norm(variable)))
        super().update_step(gradient, variable, learning_rate)

    def _should_use_adamw(self, variable: keras.Variable) -> bool:  # not public, but Keras's own rule has no setting
        shape = variable.shape
        is_convolution = len(shape) == 4 and shape[-1] > 1
        return not is_convolution and bool(super()._should_use_adamw(variable))

    def zeropower_via_newtonschulz5(self, x: tf.Tensor, steps: int) -> tf.Tensor:
        """Return the nearly orthogonal matrix next to `x`, in its shape."""
        update = super().zeropower_via_newtonschulz5(keras.ops.reshape(x, _as_matrix(x)), steps)
        return keras.ops.reshape(update, x.shape)

    def lr_adjust(self, x: tf.Tensor) -> tf.Tensor:
        """Give an update the size that Adam's has (Liu et al. 2025, arXiv:2502.16982), unless norms are fixed."""
        return x if self.fixed_norm else x * math.sqrt(max(_as_matrix(x))) * self.rms_rate

    def get_config(self) -> dict[str, Any]:
        """Return the settings."""
        return {**super().get_config(), "fixed_norm": self.fixed_norm}


def _as_matrix(kernel: tf.Tensor) -> tuple[int, int]:
    return math.prod(kernel.shape[:-1]), kernel.shape[-1]
