"""Convolutions in groups, as in ResNeXt and ConvNeXt, by operations of TensorFlow that are fast on the processor.

Keras compiles each of them by XLA, since TensorFlow's own kernels compute no gradients of groups. With oneDNN a step of
them is some hundred times faster (3.12, AVX-512), an answer several times: `benchmarks/groups.py` measures both. Where
a group is one channel there is an operation for it, with oneDNN or without.
"""

import functools
from typing import Any

import keras
import tensorflow as tf


def with_fast_groups(model: keras.Model) -> keras.Model:
    """Return a model that answers the same up to rounding; it shares all variables, and is Keras's where none is slow.

    Layers of models among its layers stay as they are, and for another device than the processor all do.
    """
    if not any(map(_is_slow, model.layers)) or tf.config.list_logical_devices("GPU"):
        return model

    def call(layer: Any, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 - tensors, as Keras hands them on
        return (FastGroups(layer) if _is_slow(layer) else layer)(*arguments, **settings)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


@functools.cache
def has_fast_groups(dtype: str) -> bool:
    """Tell whether TensorFlow computes grouped convolutions of a precision, and their gradients, on this processor."""

    @tf.function(jit_compile=False, autograph=False)  # type: ignore[untyped-decorator]
    def gradients() -> Any:  # noqa: ANN401
        x, kernel = tf.ones((1, 4, 4, 4), dtype), tf.ones((3, 3, 2, 4), dtype)
        return tf.gradients(tf.nn.convolution(x, kernel, 1, "SAME"), [x, kernel])

    try:
        with tf.init_scope():  # asked while a graph is made, it is tried at once, and no tape records
            gradients()
    except tf.errors.OpError:  # no oneDNN, or none for this precision
        return False
    return True


class FastLayer(keras.layers.Layer):  # type: ignore[misc]
    """A layer that computes what a Keras layer does, with its variables and in its precision."""

    def __init__(self, plain: keras.layers.Conv2D) -> None:
        super().__init__(dtype=plain.dtype_policy, autocast=False)
        self._plain = plain
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> Any:  # noqa: ANN401 - as Keras hands shapes on
        """Return the shape of the output, which Keras would trace the layer for."""
        return self._plain.compute_output_shape(input_shape)


class FastGroups(FastLayer):
    """A convolution in groups."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return what the layer makes of x (N, H, W, C)."""
        plain = self._plain
        x, kernel = (tf.cast(values, plain.compute_dtype) for values in (x, plain.kernel))
        padding = plain.padding.upper()
        if _is_depthwise(plain):
            each = tf.reshape(kernel, (*kernel.shape[:2], x.shape[-1], -1))  # from (h, w, 1, C · M)
            y = tf.nn.depthwise_conv2d(x, each, (1, *plain.strides, 1), padding)
        else:
            y = tf.nn.convolution(x, kernel, plain.strides, padding, dilations=plain.dilation_rate)
        if plain.use_bias:
            y = tf.nn.bias_add(y, tf.cast(plain.bias, y.dtype))
        return plain.activation(y)


def _is_slow(layer: keras.layers.Layer) -> bool:
    """Tell whether a layer convolves in groups, and this processor can do that faster."""
    return (
        type(layer) is keras.layers.Conv2D  # a user's own class may compute otherwise
        and layer.groups > 1
        and layer.data_format == "channels_last"
        and (_is_depthwise(layer) or has_fast_groups(layer.compute_dtype))
    )


def _is_depthwise(layer: keras.layers.Conv2D) -> bool:
    return (
        layer.groups == layer.input.shape[-1]
        and layer.strides[0] == layer.strides[1]
        and tuple(layer.dilation_rate) == (1, 1)
    )
