"""The layers of a backbone, and the weights that it starts from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from cnnexp.config import ModelConfig, PretrainedConfig
from cnnexp.config.backbones import BACKBONES
from cnnexp.errors import ModelError
from cnnexp.models.backbones.efficientnet_lite import efficientnet_lite
from cnnexp.models.backbones.keras_applications import application_weights, keras_application
from cnnexp.models.backbones.lite_weights import lite_weights
from cnnexp.models.names import LOGITS
from cnnexp.models.regularization import Regularization
from cnnexp.records import PretrainedNetwork

LayerWeights = Mapping[str, list[NDArray[Any]]]  # name of a layer -> its weights in the order of Keras


def backbone_layers(
    backbone: str, x: keras.KerasTensor, *, regularization: Regularization, policy: keras.DTypePolicy
) -> keras.KerasTensor:
    """Return the pooled features (N, F) of images (N, H, W, 3), scaled as the backbone was trained."""
    build = efficientnet_lite if BACKBONES[backbone].builder is None else keras_application
    return build(x, backbone, policy=policy, penalty=regularization.kernel)


def set_pretrained_weights(model: keras.Model, config: ModelConfig, pretrained: PretrainedNetwork | None) -> None:
    """Set the weights of all layers before the head, in place; none where a run starts from random ones.

    Raises:
        ModelError: the file holds other weights, or the network answers wrong with them.

    """
    if pretrained is None or pretrained.weights is None or pretrained.digest is None:
        return
    assert isinstance(config, PretrainedConfig)
    known = _weights(config, pretrained.weights, digest=pretrained.digest)
    for layer in model.layers:
        if layer.weights and layer.name != LOGITS:
            _set(layer, known)


def _weights(config: PretrainedConfig, file: Path, *, digest: str) -> LayerWeights:
    if BACKBONES[config.backbone].builder is None:
        return lite_weights(config.backbone, file, digest=digest)
    return application_weights(config.backbone, file, digest=digest, is_published=config.weights is None)


def _set(layer: keras.Layer, known: LayerWeights) -> None:
    shapes = [tuple(weight.shape) for weight in layer.weights]
    found = known.get(layer.name)
    if found is None or [values.shape for values in found] != shapes:
        raise ModelError(f"The weights do not fit the backbone: its layer {layer.name} needs arrays of shape {shapes}.")
    layer.set_weights(found)
