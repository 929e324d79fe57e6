"""The layers of a backbone, and the weights that it starts from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from cnnexp.config import FromRunConfig, ModelConfig, PretrainedConfig
from cnnexp.config.backbones import BACKBONES
from cnnexp.errors import ConfigError, ModelError
from cnnexp.models.backbones.earlier_network import earlier_layers, earlier_weights
from cnnexp.models.backbones.efficientnet_lite import efficientnet_lite
from cnnexp.models.backbones.keras_applications import application_weights, keras_application
from cnnexp.models.backbones.lite_weights import lite_weights
from cnnexp.models.names import LOGITS
from cnnexp.models.regularization import Regularization
from cnnexp.records import PretrainedNetwork

LayerWeights = Mapping[str, list[NDArray[Any]]]  # name of a layer -> its weights in the order of Keras


def backbone_layers(
    config: ModelConfig,
    x: keras.KerasTensor,
    *,
    pretrained: PretrainedNetwork,
    regularization: Regularization,
    policy: keras.DTypePolicy,
) -> keras.KerasTensor:
    """Return the pooled features (N, F) of images (N, H, W, C), scaled as the network was trained.

    Raises:
        ConfigError: the architecture is unknown.
        ModelError: the network of an earlier run cannot be loaded.

    """
    match config:
        case PretrainedConfig(backbone=backbone) if BACKBONES[backbone].builder is None:
            return efficientnet_lite(x, backbone, policy=policy, penalty=regularization.kernel)
        case PretrainedConfig(backbone=backbone):
            return keras_application(x, backbone, policy=policy, penalty=regularization.kernel)
        case FromRunConfig() if pretrained.weights is not None:
            return earlier_layers(x, pretrained.weights, policy=policy, penalty=regularization.kernel)
        case _:
            raise ConfigError(f"model must be one of the options under conf/model; got {config.name!r}.")


def set_pretrained_weights(
    model: keras.Model, config: ModelConfig, pretrained: PretrainedNetwork | None, *, class_names: tuple[str, ...]
) -> None:
    """Set the weights of all layers before the head, in place; none where a run starts from random ones.

    The head is set too where the classes are those that it was trained on, in the same order.

    Raises:
        ModelError: the file holds other weights, or the network answers wrong with them.

    """
    if pretrained is None or pretrained.weights is None or pretrained.digest is None:
        return
    known = _weights(config, pretrained.weights, digest=pretrained.digest)
    for layer in model.layers:
        if layer.weights and (layer.name != LOGITS or class_names == pretrained.class_names):
            _set(layer, known)


def _weights(config: ModelConfig, file: Path, *, digest: str) -> LayerWeights:
    match config:
        case PretrainedConfig(backbone=backbone) if BACKBONES[backbone].builder is None:
            return lite_weights(backbone, file, digest=digest)
        case PretrainedConfig(backbone=backbone, weights=weights):
            return application_weights(backbone, file, digest=digest, is_published=weights is None)
        case _:
            return earlier_weights(file)


def _set(layer: keras.Layer, known: LayerWeights) -> None:
    shapes = [tuple(weight.shape) for weight in layer.weights]
    found = known.get(layer.name)
    if found is None or [values.shape for values in found] != shapes:
        raise ModelError(f"The weights do not fit the network: its layer {layer.name} needs arrays of shape {shapes}.")
    layer.set_weights(found)
