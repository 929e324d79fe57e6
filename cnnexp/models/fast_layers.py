"""A backbone as it trains: the same layers, some of which compute by faster operations of TensorFlow on the processor.

Keras normalizes a batch by some ten operations, each of which reads and writes all of its values. TensorFlow has one
operation for it, and one for its gradient. And its depthwise convolutions are faster in float32 than in bfloat16, whose
gradients have slow kernels. The variables are those of the model, so that what trains here is what is saved.
"""

from typing import Any

import keras
import tensorflow as tf


def with_fast_layers(model: keras.Model) -> keras.Model:
    """Return a model that computes the same, up to rounding; it shares all variables with `model`.

    `model` has no models among its layers. On a device other than the processor it is returned as it is.
    """
    if tf.config.list_logical_devices("GPU") or not any(_faster(layer) is not layer for layer in model.layers):
        return model

    def call(layer: Any, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 - tensors, as Keras hands them on
        return _faster(layer)(*arguments, **settings)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


def _faster(layer: Any) -> Any:  # noqa: ANN401 - a layer, or an operation of keras.ops
    """Return the layer, or one that computes the same with its variables."""
    match layer:
        case keras.layers.BatchNormalization() if _is_fusable(layer):
            return FusedNormalization(layer)
        case keras.layers.DepthwiseConv2D() if layer.compute_dtype == "bfloat16" and layer.activity_regularizer is None:
            return InFloat32(layer)
        case _:
            return layer


def _is_fusable(layer: keras.layers.BatchNormalization) -> bool:
    """Tell whether a layer normalizes the last of four axes, by a batch's statistics or the stored ones alone."""
    is_last = len(layer.input.shape) == 4 and layer.axis in (-1, 3)
    return is_last and not (layer.renorm or layer.synchronized or layer.activity_regularizer)


class FusedNormalization(keras.layers.Layer):  # type: ignore[misc]
    """Batch normalization (N, H, W, C) of a Keras layer, with its variables, by TensorFlow's operation."""

    def __init__(self, plain: keras.layers.BatchNormalization) -> None:
        super().__init__(dtype=plain.dtype_policy, name=f"{plain.name}_fused")
        self._plain = plain
        self.supports_masking = True

    def call(self, x: tf.Tensor, training: bool | None = None, mask: tf.Tensor | None = None) -> tf.Tensor:
        """Return y (N, H, W, C) in the dtype of x; in training the stored statistics move, as in Keras."""
        plain = self._plain
        if mask is not None:
            return plain.call(x, training=training, mask=mask)
        mean, variance = plain.moving_mean, plain.moving_variance
        if not (training and plain.trainable):
            return self._normalized(x, mean, variance, is_training=False)[0]
        y, batch_mean, sample_variance, *_ = self._normalized(x, [], [], is_training=True)
        count = tf.cast(tf.size(x) / x.shape[-1], tf.float32)
        batch_variance = sample_variance * tf.maximum(count - 1, 1) / count  # that of the batch itself, as in Keras
        for moving, of_batch in ((mean, batch_mean), (variance, batch_variance)):
            moving.assign(moving * plain.momentum + of_batch * (1 - plain.momentum))
        return y

    def _normalized(self, x: tf.Tensor, mean: Any, variance: Any, *, is_training: bool) -> Any:  # noqa: ANN401
        """Return the operation's outputs: y, and in training mean and variance of the batch; these in float32."""
        plain, channels = self._plain, x.shape[-1]
        return tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=plain.gamma if plain.scale else tf.ones(channels),
            offset=plain.beta if plain.center else tf.zeros(channels),
            mean=mean,
            variance=variance,
            epsilon=plain.epsilon,
            is_training=is_training,
        )


class InFloat32(keras.layers.Layer):  # type: ignore[misc]
    """A Keras layer, with its variables, that computes in float32."""

    def __init__(self, plain: keras.layers.Layer) -> None:
        super().__init__(dtype="float32", name=f"{plain.name}_in_float32")
        self._plain = plain

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Return what the layer makes of x, which Keras has cast to float32."""
        return self._plain.call(x)
