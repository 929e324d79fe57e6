"""Activations that TensorFlow computes by many operations, each of which reads and writes all values, with fewer.

In bfloat16 each of its operations converts to float32 and back, too; here that is done once. The slope is computed
beside the value, so that the gradient is one multiplication.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

_DENSITY_AT_0 = 0.3989422804014327  # of the normal distribution

Activation = Callable[[Any], Any]
WithGradient = tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]


@tf.custom_gradient  # type: ignore[untyped-decorator]
def gelu(x: tf.Tensor) -> WithGradient:
    """Return x · Φ(x); Φ by the error function, as PyTorch has it, which differs from Keras's by rounding."""
    exact = _exact(x)
    share = 0.5 + 0.5 * tf.math.erf(exact * 0.5**0.5)
    slope = tf.cast(share + exact * (_DENSITY_AT_0 * tf.exp(-0.5 * exact * exact)), x.dtype)
    return tf.cast(exact * share, x.dtype), lambda dy: dy * slope


@tf.custom_gradient  # type: ignore[untyped-decorator]
def silu(x: tf.Tensor) -> WithGradient:
    """Return x · σ(x)."""
    exact = _exact(x)
    share = tf.sigmoid(exact)
    y = exact * share
    slope = tf.cast(share + y * (1 - share), x.dtype)
    return tf.cast(y, x.dtype), lambda dy: dy * slope


def _exact(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32) if x.dtype.size == 2 else x


def faster(activation: Activation, dtype: str) -> Activation:
    """Return what computes the same in a precision up to rounding, or the activation itself."""
    if activation is keras.activations.gelu:
        return gelu  # type: ignore[no-any-return]
    if activation is keras.activations.silu and tf.as_dtype(dtype).size == 2:  # in float32 it is TensorFlow's own
        return silu  # type: ignore[no-any-return]
    return activation
