"""A network from input to probabilities: scaling, hidden layers, head.

Every model begins with a scaling layer, so it takes uint8 pixels. It ends in a layer named ``logits``, which training
uses, followed by a softmax in float32, which everything else uses.

Keras casts what a bare model file is given to uint8 before any layer sees it, so only the name of its input can say
that pixels must not be scaled.
"""

import keras
from keras import layers

from cnnexp.config import Extended, ModelConfig
from cnnexp.models.backbones.build import backbone_layers
from cnnexp.models.extended import build_extended_model
from cnnexp.models.names import DROPOUT, LOGITS, PROBABILITIES, RAW, SCALING_LAYER
from cnnexp.models.regularization import Regularization
from cnnexp.models.zoo import zoo_layers
from cnnexp.records import PretrainedNetwork, Scaling


def build_model(
    config: ModelConfig,
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    scaling: Scaling | None,
    regularization: Regularization,
    precision: str,
    pretrained: PretrainedNetwork | None = None,
) -> keras.Model:
    """Return an untrained model: uint8 (N, *input_shape) in, float32 probabilities (N, num_classes) out.

    Without `scaling` it takes float32 that the caller has scaled. `precision`, ``float32`` or ``bfloat16``, is what the
    hidden layers compute in; weights are always float32. `pretrained` is the network that a run starts from, whose
    weights `set_pretrained_weights` sets.

    Raises:
        ConfigError: the architecture is unknown.
        ModelError: the network of an earlier run cannot be loaded.

    """
    if isinstance(config, Extended) and scaling is not None:
        return build_extended_model(
            config,
            input_shape=input_shape,
            num_classes=num_classes,
            scaling=scaling,
            regularization=regularization,
            precision=precision,
        )
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    inputs = keras.Input(input_shape, dtype="uint8" if scaling else "float32", name=RAW if scaling else "scaled_pixels")
    x = inputs
    if scaling:
        x = layers.Rescaling(list(scaling.scale), list(scaling.offset), dtype=policy, name=SCALING_LAYER)(x)
    x = _hidden(config, x, pretrained=pretrained, regularization=regularization, policy=policy)
    if regularization.dropout:
        x = layers.Dropout(regularization.dropout, dtype=policy, name=DROPOUT)(x)
    x = layers.Dense(num_classes, dtype="float32", name=LOGITS)(x)
    return keras.Model(inputs, layers.Softmax(dtype="float32", name=PROBABILITIES)(x), name=config.name)


def _hidden(
    config: ModelConfig,
    x: keras.KerasTensor,
    *,
    pretrained: PretrainedNetwork | None,
    regularization: Regularization,
    policy: keras.DTypePolicy,
) -> keras.KerasTensor:
    if pretrained is not None:
        return backbone_layers(config, x, pretrained=pretrained, regularization=regularization, policy=policy)
    return zoo_layers(config, x, regularization=regularization, policy=policy)
