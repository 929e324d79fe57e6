"""Flat networks of new layers: no model inside a model, and names that do not depend on what was built before."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import keras

Penalty = Callable[[], keras.regularizers.Regularizer | None]  # makes the regularizer of one kernel

_PENALTIES = ("kernel_regularizer", "depthwise_regularizer", "pointwise_regularizer")


@contextmanager
def layers_of(policy: str) -> Iterator[None]:
    """Have layers that do not say otherwise compute by `policy`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def without_nested(model: keras.Model) -> keras.Model:
    """Return a model of the same layers without models among them."""

    def inlined(layer: Any, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 - tensors, as Keras hands them on
        return layer.call(*arguments) if is_functional(layer) else layer(*arguments, **settings)

    while any(map(is_functional, model.layers)):
        model = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=inlined)
    return model


def renewed(
    model: keras.Model,
    make: Callable[[Any], Any],
    *,
    inputs: keras.KerasTensor | None = None,
    begin_with: keras.KerasTensor | None = None,
    left_out: Collection[str] = (),
) -> keras.Model:
    """Return a model of new layers with the weights of the old ones.

    Args:
        model: Without models among its layers.
        make: Returns a new layer, or operation of keras.ops, for one of the model's.
        inputs: What the new model begins with, as `keras.Input` makes it; None: an input like the model's.
        begin_with: What the layers get instead of `inputs`, and is made of them; None: `inputs`.
        left_out: Names of layers that pass on what they get.

    """
    pairs: list[tuple[Any, Any]] = []

    def renew(layer: Any) -> Any:  # noqa: ANN401 - a layer, or an operation
        pairs.append((layer, layer if layer.name in left_out else make(layer)))
        return pairs[-1][1]

    def call(layer: Any, *arguments: Any, **settings: Any) -> Any:  # noqa: ANN401 - tensors
        if begin_with is not None:
            arguments = keras.tree.map_structure(lambda one: begin_with if one is inputs else one, arguments)
        converts = type(layer).__name__ == "ConvertToTensor"  # what is left of the inputs of a model that was inlined
        return arguments[0] if converts or layer.name in left_out else layer(*arguments, **settings)

    beginning = None if inputs is None else keras.tree.map_structure(lambda _: inputs, model.input)
    new = keras.models.clone_model(model, input_tensors=beginning, clone_function=renew, call_function=call)
    for old, made in pairs:
        if isinstance(old, keras.Layer) and made is not old:
            made.set_weights(old.get_weights())
    return new


def penalized(layer: Any, penalty: Penalty) -> dict[str, Any]:  # noqa: ANN401 - a layer, or an operation
    """Return the description of a layer with the penalty on each of its kernels, whatever it had."""
    settings: dict[str, Any] = layer.get_config()
    return settings | {name: penalty() for name in _PENALTIES if name in settings}


def is_functional(layer: object) -> bool:
    """Tell whether a model is a graph of layers; a class with a `call` of its own is none."""
    return isinstance(layer, keras.Sequential | _functional_class())


@cache
def _functional_class() -> type:
    """Return the class that Keras makes of inputs and outputs; it has no public name."""
    empty = keras.Input(())
    return type(keras.Model(empty, empty))


def name_of(layer: Any, counts: Counter[str]) -> str:  # noqa: ANN401
    """Return the name of a layer; one that Keras made, such as conv2d_17, is numbered from 1 in each model."""
    if not is_automatic(layer):
        return str(layer.name)
    kind = _snake_case(type(layer).__name__)
    counts[kind] += 1
    return f"{kind}_{counts[kind]}"


def is_automatic(layer: Any) -> bool:  # noqa: ANN401
    """Tell whether Keras has named a layer, by its class and by how many it has made."""
    return re.fullmatch(rf"{_snake_case(type(layer).__name__)}(_\d+)?", layer.name) is not None


def _snake_case(name: str) -> str:
    """Return the name that Keras gives the first layer of a class."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
