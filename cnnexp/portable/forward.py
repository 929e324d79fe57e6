"""The one forward pass: of the validation while training, of a run's evaluation, and of a saved model."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .card import UnfitModelError
from .reference import Features, Probabilities, normalized

if TYPE_CHECKING:
    import keras

Asked = Callable[[NDArray[np.uint8]], tuple[Any, Any, Any]]
Forward = Callable[[NDArray[np.uint8]], tuple[Probabilities, Features]]


def traced(model: "keras.Model") -> Asked:
    """Return a function from images (N, H, W, C) uint8 to three tensors, in inference mode.

    The model's output (N, K), and of its last dense layer, which takes features to logits, the input (N, F) and the
    output (N, K). One graph serves every N; which weights it uses is decided when it is called.
    """
    import tensorflow as tf
    from keras import Model

    last = _last_dense(model)
    whole = Model(model.inputs, [model.outputs[0], last.input, last.output])
    signature = [tf.TensorSpec(model.inputs[0].shape, tf.uint8)]
    asked: Asked = tf.function(
        lambda pixels: whole(pixels, training=False), input_signature=signature, jit_compile=False, autograph=False
    )
    return asked


def forward_of(model: "keras.Model") -> Forward:
    """Return a function that asks a Keras model for probabilities and the normalized input of its last dense layer."""
    return forward_by(traced(model))


def forward_by(asked: Asked) -> Forward:
    """Return the same for a model that is traced already."""

    def forward(pixels: NDArray[np.uint8]) -> tuple[Probabilities, Features]:
        probabilities, features, _ = asked(pixels)
        return probabilities.numpy(), normalized(features.numpy())

    return forward


def _last_dense(model: "keras.Model") -> "keras.layers.Dense":
    from keras.layers import Dense

    found = [layer for layer in model.layers if isinstance(layer, Dense)]
    if not found:
        raise UnfitModelError("A model must end in a dense layer and a softmax; this one has no dense layer.")
    return found[-1]
