"""The network of an earlier run as a backbone: its layers up to the features, made anew, and their weights."""

from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from cnnexp.errors import ModelError
from cnnexp.models.flat import Penalty, penalized, renewed, without_nested
from cnnexp.models.names import LOGITS
from cnnexp.portable.card import UnfitModelError
from cnnexp.portable.classifier import load_keras


def earlier_layers(
    x: keras.KerasTensor,
    file: Path,
    *,
    policy: keras.DTypePolicy,
    penalty: Penalty,
) -> keras.KerasTensor:
    """Return the features (N, F) of the images that `x` are the scaled ones of; the earlier network scales alike.

    Raises:
        ModelError: the file needs code of its own, or has no head.

    """
    earlier = _loaded(file)
    features = earlier.get_layer(LOGITS).input
    if (dropout := [layer for layer in earlier.layers if layer.name == "dropout"]) != []:
        features = dropout[0].input

    def make(layer: Any) -> Any:  # noqa: ANN401 - a layer, or an operation of keras.ops
        settings = penalized(layer, penalty)
        return type(layer).from_config(settings | ({"dtype": policy} if "dtype" in settings else {}))

    (pixels,) = keras.utils.get_source_inputs(x)
    return renewed(without_nested(keras.Model(earlier.inputs[0], features)), make, inputs=pixels).outputs[0]


def earlier_weights(file: Path) -> dict[str, list[NDArray[Any]]]:
    """Return the weights of each layer by its name, the head included.

    Raises:
        ModelError: as for `earlier_layers`.

    """
    return {layer.name: layer.get_weights() for layer in _loaded(file).layers if layer.weights}


def _loaded(file: Path) -> keras.Model:
    try:
        network = load_keras(file)
        network.get_layer(LOGITS)
    except (UnfitModelError, ValueError) as error:
        raise ModelError(
            f"A run can continue from a network that can be loaded and ends in {LOGITS}. {error}"
        ) from error
    return network
