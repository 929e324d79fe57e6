"""Weights of EfficientNet-Lite as a Keras network needs them, proven once a process by a photograph."""

from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from cnnexp.config.backbones import BACKBONES
from cnnexp.errors import ModelError
from cnnexp.models.backbones.efficientnet_lite import efficientnet_lite, layer_weights
from cnnexp.models.backbones.photograph import middle_of
from cnnexp.models.backbones.torch_file import read_tensors

_PALACE = 698  # class of ImageNet
_PROBABILITY = {"efficientnet_lite0": 0.301, "efficientnet_lite1": 0.524, "efficientnet_lite2": 0.316}
_TOLERANCE = 0.02


@cache
def lite_weights(variant: str, path: Path, *, digest: str) -> dict[str, list[NDArray[Any]]]:
    """Return the weights of each layer by its name, those of the 1000-way ``logits`` included.

    `digest` is that of the file: one that changes is read again.

    Raises:
        ModelError: the file holds something else, or the network does not recognise a palace with them.

    """
    tensors = read_tensors(path)
    try:
        weights = layer_weights(tensors)
        probability = _palace(variant, weights)
    except (KeyError, ValueError) as error:
        raise ModelError(f"{path} does not hold the weights of {variant}: {error}.") from error
    if abs(probability - _PROBABILITY[variant]) > _TOLERANCE:
        raise ModelError(
            f"{variant} must recognise the palace in scikit-learn's china.jpg with a probability of "
            f"{_PROBABILITY[variant]:.2f}; with the weights of {path} it is {probability:.2f}, so they were read wrong."
        )
    return weights


def _palace(variant: str, weights: dict[str, list[NDArray[Any]]]) -> float:
    """Return the probability that the whole network gives the class palace for a photograph of one."""
    backbone, policy = BACKBONES[variant], keras.DTypePolicy("float32")
    inputs = keras.Input((backbone.side, backbone.side, 3))
    features = efficientnet_lite(inputs, variant, policy=policy, penalty=lambda: None)
    network = keras.Model(inputs, layers.Dense(1000, activation="softmax", name="logits", dtype=policy)(features))
    for layer in network.layers:
        if layer.weights:
            layer.set_weights(weights[layer.name])
    scaling = backbone.preprocessing
    pixels = middle_of("china.jpg", side=backbone.side) * np.array(scaling.scale) + np.array(scaling.offset)
    return float(network(pixels[None].astype(np.float32), training=False)[0, _PALACE])
