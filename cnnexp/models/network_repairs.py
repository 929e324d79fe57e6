"""Repairs of an untrained network, in place, that a short training tells to help or not."""

import keras
import numpy as np

from cnnexp.models.names import LOGITS

SATURATING = ("sigmoid", "hard_sigmoid", "tanh", "hard_tanh", "softsign")


def with_activations(model: keras.Model, *, names: tuple[str, ...]) -> None:
    """Give layers without an activation a ReLU."""
    for name in names:
        model.get_layer(name).activation = keras.activations.relu


def without_saturation(model: keras.Model) -> None:
    """Give layers whose activation levels off on both sides a ReLU; the softmax at the end stays."""
    for layer in model.layers:
        if getattr(getattr(layer, "activation", None), "__name__", "") in SATURATING:
            layer.activation = keras.activations.relu


def trainable_again(model: keras.Model) -> None:
    """Let training change all weights."""
    for layer in model.layers:
        layer.trainable = True


def drawn_again(model: keras.Model, *, seed: int) -> None:
    """Draw all kernels by Glorot & Bengio 2010, as Keras does by default; biases begin at 0."""
    for number, layer in enumerate(model.layers):
        for variable in layer.weights:
            kind = variable.path.rpartition("/")[2]
            if kind.endswith("kernel"):
                draw = keras.initializers.GlorotUniform(seed=seed + number)
                variable.assign(draw(variable.shape, dtype=variable.dtype))
            elif kind == "bias" or layer.name == LOGITS:
                variable.assign(np.zeros(variable.shape))
