"""A backbone as it trains: the same layers, some of which compute by faster operations of TensorFlow on the processor.

Keras normalizes a batch by some ten operations, each of which reads and writes all values of it. TensorFlow has one
operation for that, and one for its gradient. Where the stored statistics are used, as in fine-tuning, normalization
multiplies and adds constants, which the convolution before it can do: they go into its kernel and its bias. Smooth
activations are made of fewer operations, see `fast_activations`.

Fast layers read the variables of Keras's own layers, and no others exist: what trains here is what is saved.
"""

from typing import Any

import keras
import tensorflow as tf

from cnnexp.models.fast_activations import faster
from cnnexp.models.fast_depthwise import depthwise
from cnnexp.portable.fast_groups import FastLayer, has_fast_groups


def with_fast_layers(model: keras.Model, *, training: bool) -> keras.Model:
    """Return a model that computes the same up to rounding, for one value of `training`; it shares all variables.

    `model` has no models among its layers. For another device than the processor it is returned as it is.
    """
    if tf.config.list_logical_devices("GPU") or not any(map(_is_slow, model.layers)):
        return model
    made: dict[int, tuple[Any, Any, Any]] = {}  # by id of a tensor: the tensor, the layer that it is of, its input

    def call(layer: Any, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 - tensors, as Keras hands them on
        if not arguments:  # called by name, as few write it
            return layer(**settings)
        x = arguments[0]
        _, before, before_x = made.get(id(x), (None, None, None))
        if not training and _is_usual_normalization(layer) and _is_usual_convolution(before):
            output = FoldedConvolution(before, layer)(before_x)
        else:
            output = _faster(layer)(*arguments, **settings)
        made[id(output)] = (output, layer, x)
        return output

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _is_slow(layer: keras.layers.Layer) -> bool:
    return _is_usual_normalization(layer) or _is_slow_convolution(layer) or _has_slow_activation(layer)


def _faster(layer: Any) -> Any:  # noqa: ANN401 - a layer, or an operation of keras.ops
    if _is_usual_normalization(layer):
        return FusedNormalization(layer)
    if _is_slow_convolution(layer):
        return FastConvolution(layer)
    return _ACTIVATING[type(layer)](layer) if _has_slow_activation(layer) else layer


def _is_usual_normalization(layer: Any) -> bool:  # noqa: ANN401
    """Tell whether a layer normalizes the last of four axes, by a batch's statistics or the stored ones alone."""
    return (
        type(layer) is keras.layers.BatchNormalization  # a user's own class may compute otherwise
        and len(layer.input.shape) == 4
        and layer.axis in (-1, 3)
        and not (layer.renorm or layer.synchronized or layer.activity_regularizer)
    )


def _is_slow_convolution(layer: Any) -> bool:  # noqa: ANN401
    return _is_usual_depthwise(layer) or _is_usual_separable(layer) or _is_fast_grouped(layer)


def _is_fast_grouped(layer: Any) -> bool:  # noqa: ANN401
    """Tell whether a layer convolves channels in groups, and this processor can do that fast."""
    return _is_plain_convolution(layer) and layer.groups > 1 and has_fast_groups(layer.compute_dtype)


def _is_plain_convolution(layer: Any) -> bool:  # noqa: ANN401
    return (
        type(layer) is keras.layers.Conv2D
        and layer.data_format == "channels_last"
        and layer.activity_regularizer is None
    )


def _is_usual_depthwise(layer: Any) -> bool:  # noqa: ANN401
    """Tell whether a layer convolves each channel by itself, under whichever name."""
    return (
        type(layer) is keras.layers.DepthwiseConv2D
        or (type(layer) is keras.layers.Conv2D and 1 < layer.groups == layer.input.shape[-1])
    ) and _has_usual_settings(layer)


def _is_usual_separable(layer: Any) -> bool:  # noqa: ANN401
    return type(layer) is keras.layers.SeparableConv2D and _has_usual_settings(layer)


def _has_usual_settings(layer: Any) -> bool:  # noqa: ANN401
    return (
        layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.strides[0] == layer.strides[1]
        and layer.activity_regularizer is None
    )


def _is_usual_convolution(layer: Any) -> bool:  # noqa: ANN401
    """Tell whether a layer is a convolution of which nothing but a sum of its products comes out."""
    usual = _is_plain_convolution(layer) or _is_usual_depthwise(layer) or _is_usual_separable(layer)
    return usual and layer.activation is keras.activations.linear


def _has_slow_activation(layer: Any) -> bool:  # noqa: ANN401
    """Tell whether a layer ends in an activation that has a faster form."""
    return (
        type(layer) in _ACTIVATING
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and layer.activity_regularizer is None
        and faster(layer.activation, layer.compute_dtype) is not layer.activation
    )


class FusedNormalization(FastLayer):
    """Batch normalization of (N, H, W, C) by TensorFlow's one operation."""

    def call(self, x: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Return y (N, H, W, C); in training the stored statistics change, as in Keras."""
        plain = self._plain
        if mask is not None:
            return plain.call(x, training=training, mask=mask)
        x = tf.cast(x, self.compute_dtype)
        if not (training and plain.trainable):
            return self._normalized(x, plain.moving_mean, plain.moving_variance, is_training=False)[0]
        y, mean, sample_variance, *_ = self._normalized(x, [], [], is_training=True)
        count = tf.cast(tf.size(x) / x.shape[-1], tf.float32)
        variance = sample_variance * tf.maximum(count - 1, 1) / count  # of the batch itself, as Keras keeps it
        for stored, new in ((plain.moving_mean, mean), (plain.moving_variance, variance)):
            stored.assign(stored * plain.momentum + new * (1 - plain.momentum))
        return y

    def _normalized(self, x: tf.Tensor, mean: Any, variance: Any, *, is_training: bool) -> Any:  # noqa: ANN401
        """Return the operation's outputs: y, and in training mean and variance of the batch; these in float32."""
        scale, offset = _scale_and_offset(self._plain, x.shape[-1])
        return tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=scale,
            offset=offset,
            mean=mean,
            variance=variance,
            epsilon=self._plain.epsilon,
            is_training=is_training,
        )


class FastActivation(FastLayer):
    """An activation by fewer operations."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return what the layer makes of x (N, ...)."""
        return self._activated(tf.cast(x, self.compute_dtype))

    def _activated(self, y: tf.Tensor) -> tf.Tensor:
        return faster(self._plain.activation, self.compute_dtype)(y)


class FastDense(FastActivation):
    """A dense layer with such an activation."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return what the layer makes of x (N, ..., F)."""
        plain = self._plain
        y = keras.ops.matmul(tf.cast(x, self.compute_dtype), tf.cast(plain.kernel, self.compute_dtype))
        if plain.use_bias:
            y += tf.cast(plain.bias, y.dtype)
        return self._activated(y)


class FastConvolution(FastActivation):
    """A convolution with such an activation; a depthwise or a grouped one has faster gradients, too."""

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return what the layer makes of x (N, H, W, C)."""
        plain = self._plain
        y = _convolved(plain, x, _kernel(plain))
        if plain.use_bias:
            y = tf.nn.bias_add(y, tf.cast(plain.bias, y.dtype))
        return self._activated(y)


class FoldedConvolution(FastLayer):
    """A convolution, and the normalization of what it computes by the stored statistics, as one convolution."""

    def __init__(self, plain: keras.layers.Layer, normalization: keras.layers.BatchNormalization) -> None:
        super().__init__(plain)
        self._normalization = normalization

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return the normalized y (N, H, W, C)."""
        plain, normalization = self._plain, self._normalization
        mean = normalization.moving_mean - (plain.bias if plain.use_bias else 0)
        scale, offset = _scale_and_offset(normalization, mean.shape[0])
        factor = scale * tf.math.rsqrt(normalization.moving_variance + normalization.epsilon)
        outputs = (-1, plain.depth_multiplier) if isinstance(plain, keras.layers.DepthwiseConv2D) else (-1,)
        y = _convolved(plain, x, _kernel(plain) * tf.reshape(factor, outputs))
        y = tf.nn.bias_add(y, tf.cast(offset - mean * factor, y.dtype))
        return tf.cast(y, normalization.compute_dtype)


_ACTIVATING = {
    keras.layers.Activation: FastActivation,
    keras.layers.Conv2D: FastConvolution,
    keras.layers.Dense: FastDense,
}  # a user's own class may compute otherwise


def _scale_and_offset(normalization: keras.layers.BatchNormalization, channels: int) -> tuple[Any, Any]:
    scale = normalization.gamma if normalization.scale else tf.ones(channels)
    return scale, normalization.beta if normalization.center else tf.zeros(channels)


def _kernel(layer: keras.layers.Layer) -> keras.Variable:
    """Return the kernel whose last axes are the outputs."""
    return layer.pointwise_kernel if _is_usual_separable(layer) else layer.kernel


def _convolved(layer: keras.layers.Layer, x: tf.Tensor, kernel: Any) -> tf.Tensor:  # noqa: ANN401 - Keras's or TensorFlow's
    """Return x convolved with another kernel than the layer's, in its precision."""
    x, kernel = tf.cast(x, layer.compute_dtype), tf.cast(kernel, layer.compute_dtype)
    if _is_usual_depthwise(layer):
        kernel = tf.reshape(kernel, (*kernel.shape[:2], x.shape[-1], -1))  # as groups it is (h, w, 1, C · M)
        return depthwise(x, kernel, stride=layer.strides[0], padding=layer.padding)
    if _is_usual_separable(layer):
        each = tf.cast(layer.depthwise_kernel, layer.compute_dtype)
        return tf.nn.conv2d(depthwise(x, each, stride=layer.strides[0], padding=layer.padding), kernel, 1, "VALID")
    if _is_fast_grouped(layer):
        return tf.nn.convolution(x, kernel, layer.strides, layer.padding.upper(), dilations=layer.dilation_rate)
    return keras.ops.conv(
        x, kernel, layer.strides, layer.padding, data_format=layer.data_format, dilation_rate=layer.dilation_rate
    )
