"""A user's own network: what its function returns, checked, made flat, and given our scaling and our head.

Built as ours are: uint8 pixels, the scaling layer, the user's layers, dropout, ``logits``, a softmax in float32. Layers
are made anew from their own description, which is all that a saved model has of them, and take over their weights. So
what trains here is what can be loaded again, and automatic names do not depend on the models that were made before.
"""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import layers

from cnnexp.config import Extended, ModelConfig
from cnnexp.models.flat import is_automatic, is_functional, layers_of, name_of, renewed, without_nested
from cnnexp.models.names import DROPOUT, LOGITS, PROBABILITIES, RAW, SCALING_LAYER
from cnnexp.models.regularization import Regularization
from cnnexp.portable.user_code import unregistered_objects
from cnnexp.records import Scaling
from cnnexp.system.text import one_line

_OURS = (SCALING_LAYER, DROPOUT, LOGITS, PROBABILITIES)  # names of the layers that are added
_OWN_LOGITS = "own_logits"  # the user's last layer, in whose place ours stands
_PIXELS = 0.02  # a Rescaling by less is made for pixels from 0 to 255


def build_extended_model(
    config: ModelConfig,
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    scaling: Scaling,
    regularization: Regularization,
    precision: str,
) -> keras.Model:
    """Return an untrained model; see `network.build_model`.

    Raises:
        ExtensionError: the user's function failed, or did not return what its contract says.

    """
    assert isinstance(config, Extended)
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    with layers_of(policy):
        own = config.call(input_shape, num_classes)
        _require_contract(config, own, input_shape=input_shape, num_classes=num_classes)
        pixels = keras.Input(input_shape, dtype="uint8", name=RAW)
        scaled = layers.Rescaling(list(scaling.scale), list(scaling.offset), name=SCALING_LAYER)(pixels)
        flat = without_nested(keras.Model(pixels, own.call(scaled)))
    last = _require_logits(config, flat.operations[-1])
    flat = _renewed(config, flat, regularization)
    x = flat.layers[-1].input
    if regularization.dropout:
        x = layers.Dropout(regularization.dropout, dtype=policy, name=DROPOUT)(x)
    logits = layers.Dense.from_config(last.get_config() | {"name": LOGITS, "dtype": "float32"})
    x = layers.Softmax(dtype="float32", name=PROBABILITIES)(logits(x))
    logits.set_weights(last.get_weights())
    return keras.Model(flat.input, x, name=config.name)


def _require_contract(config: Extended, own: Any, *, input_shape: tuple[int, int, int], num_classes: int) -> None:  # noqa: ANN401
    """Refuse what is no functional model from scaled pixels to the logits of the classes."""
    if isinstance(own, keras.Sequential) and not own.built:
        own.build((None, *input_shape))
    if not is_functional(own):
        raise config.refusal(
            f"its function must return a keras.Model(inputs, outputs) or a keras.Sequential; got {type(own).__name__}. "
            "A class with a call method is a layer: call it between keras.Input and keras.layers.Dense."
        )
    _require_shape(config, "input", own.inputs, input_shape, "Begin with keras.Input(input_shape).")
    _require_shape(config, "output", own.outputs, (num_classes,), "End with keras.layers.Dense(num_classes).")
    for layer in _all_layers(own):
        _require_saveable(config, layer)
        if layer.name in _OURS and layer is not own.layers[-1] and not is_automatic(layer):
            raise config.refusal(
                f"layers named {', '.join(_OURS)} are added; its model has a {layer.name} already. Rename it."
            )
    with _described(config, "the model"):
        description = json.loads(own.to_json())
    if unknown := unregistered_objects(description):
        raise config.refusal(
            f"classes and functions of its model must be registered, or no program could load it; not registered: "
            f"{', '.join(unknown)}. Write @keras.saving.register_keras_serializable() above each."
        )


def _require_shape(config: Extended, name: str, tensors: Any, shape: tuple[int, ...], repair: str) -> None:  # noqa: ANN401
    if len(tensors) != 1:
        raise config.refusal(f"its model must have one {name}; it has {len(tensors)}. {repair}")
    if not _fits(tensors[0].shape, (None, *shape)):
        raise config.refusal(
            f"the {name} of its model must have the shape {(None, *shape)}; it has {tuple(tensors[0].shape)}. {repair}"
        )


@contextmanager
def _described(config: Extended, what: str) -> Iterator[None]:
    """Refuse a layer that cannot be made again from its own description."""
    try:
        yield
    except Exception as error:  # whatever the user's layers raise
        raise config.refusal(
            f"{what} must be able to describe itself, or it could not be saved: {type(error).__name__}: "
            f"{one_line(error)} Write get_config in its class, and let __init__ take **kwargs."
        ) from error


def _fits(shape: tuple[int | None, ...], expected: tuple[int | None, ...]) -> bool:
    """Tell whether a symbolic shape allows for another; None stands for any length."""
    return len(shape) == len(expected) and all(
        mine is None or mine == wanted for mine, wanted in zip(shape, expected, strict=True)
    )


def _require_saveable(config: Extended, layer: keras.Layer) -> None:
    if isinstance(layer, layers.Lambda):
        raise config.refusal(
            f"its model must not have a Lambda layer, which could not be loaded safely; {layer.name} is one. Write it "
            "with keras.ops, or as a class of its own, registered by keras.saving.register_keras_serializable."
        )
    if isinstance(layer, layers.Rescaling) and _scale_of(layer) < _PIXELS:
        raise config.refusal(
            f"pixels are scaled already, by data.scaling; its layer {layer.name} would scale them again. Leave it out."
        )


def _scale_of(layer: layers.Rescaling) -> float:
    scale = layer.scale
    return max(map(abs, scale)) if isinstance(scale, list | tuple) else abs(float(scale))


def _all_layers(model: keras.Model) -> Iterator[keras.Layer]:
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)


def _require_logits(config: Extended, last: keras.Operation) -> layers.Dense:
    """Return the last layer, which must be a dense layer without an activation: ours takes its place."""
    if isinstance(last, layers.Dense) and keras.activations.serialize(last.activation) == "linear":
        return last
    activation = getattr(getattr(last, "activation", None), "__name__", None)
    described = f"{type(last).__name__}({activation})" if activation else type(last).__name__
    raise config.refusal(
        f"its model must end at the logits, in keras.layers.Dense(num_classes) without an activation; it ends in "
        f"{described}. Leave the activation out: the softmax is added."
    )


def _renewed(config: Extended, model: keras.Model, regularization: Regularization) -> keras.Model:
    """Return the model with new layers, made from descriptions, with names and penalties as our models have them."""
    counts: Counter[str] = Counter()
    last = model.layers[-1]

    def renew(layer: Any) -> Any:  # noqa: ANN401 - a layer, or an operation of keras.ops
        with _described(config, f"its layer {layer.name}"):
            settings = layer.get_config() | {"name": _OWN_LOGITS if layer is last else name_of(layer, counts)}
            if settings.get("kernel_regularizer", "") is None:
                settings["kernel_regularizer"] = regularization.kernel()
            return type(layer).from_config(settings)

    return renewed(model, renew)
