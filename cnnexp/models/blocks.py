"""The blocks of a backbone, from the pixels to the features: what is frozen first, and how learning rates fall.

A block has one step at which a pixel of the output depends on several of the input (a convolution larger than 1×1, or a
dense layer), or one residual unit or module, whose branches are never separated. Between two such steps the network is
divided where the fewest values pass: VGG before each convolution, ResNet, MobileNet, EfficientNet and ConvNeXt between
their residual units and bottlenecks. The rule reads the graph and no name of a layer, so it holds for any network of
layers that are called once.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras

from cnnexp.errors import ConfigError
from cnnexp.models.head import split
from cnnexp.system.text import plural

Layers = tuple[keras.layers.Layer, ...]


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Layers between two neighbouring places at which a single tensor connects all before with all after."""

    layers: Layers
    values: int  # of the tensor at its end, for one image

    @property
    def is_step(self) -> bool:
        return any(_mixes(layer) for layer in self.layers)


def backbone_blocks(model: keras.Model) -> tuple[Layers, ...]:
    """Return the layers of the backbone of a model, block by block; at least one block, whatever the network."""
    stretches = list(_stretches(split(model).features))
    steps = [place for place, stretch in enumerate(stretches) if stretch.is_step]
    ends = [_narrowest(stretches, first, last) for first, last in itertools.pairwise(steps)]
    bounds = [0, *(end + 1 for end in ends), len(stretches)]
    return tuple(
        tuple(layer for stretch in stretches[first:last] for layer in stretch.layers)
        for first, last in itertools.pairwise(bounds)
    )


def trained_variables(model: keras.Model, *, freeze: str | int) -> list[keras.Variable]:
    """Return the variables that training changes, in the order of the model.

    `freeze` is ``none``, ``backbone``, or how many of the first blocks keep their weights.

    Raises:
        ConfigError: the network has no more blocks than are to be frozen.

    """
    if freeze == "none":
        return list(model.trainable_variables)
    require_blocks(model, freeze=freeze)
    own = backbone_blocks(model)
    kept = own if freeze == "backbone" else own[: int(freeze)]
    frozen = {id(variable) for block in kept for layer in block for variable in layer.trainable_variables}
    return [variable for variable in model.trainable_variables if id(variable) not in frozen]


def require_blocks(model: keras.Model, *, freeze: str | int) -> None:
    """Raise ConfigError where more blocks are to be frozen than the network has."""
    if isinstance(freeze, int) and freeze >= (count := len(backbone_blocks(model))):
        raise ConfigError(
            f"training.freeze must be less than the number of blocks of the network; {model.name} has "
            f"{plural(count, 'block')}, got {freeze}. To train the head alone: training.freeze=backbone."
        )


def rate_factors(model: keras.Model, *, decay: float) -> dict[str, float]:
    """Return the factor of the learning rate of each variable, by path: 1 for the head, less by `decay` a block."""
    own = backbone_blocks(model)
    factors = {variable.path: 1.0 for variable in model.trainable_variables}
    for number, block in enumerate(own):
        factors |= {
            variable.path: decay ** (len(own) - number) for layer in block for variable in layer.trainable_variables
        }
    return factors


def _stretches(features: keras.Model) -> Iterator[_Stretch]:
    unread = Counter(id(tensor) for operation in features.operations for tensor in _inputs(operation))
    unread.update(id(tensor) for tensor in features.outputs)
    passing: set[int] = set()  # tensors that later operations read
    layers: list[keras.layers.Layer] = []
    for operation in features.operations:  # each comes after those that it reads; not every one is a layer
        layers += [operation] if isinstance(operation, keras.layers.Layer) else []
        unread.subtract(id(tensor) for tensor in _inputs(operation))
        passing = {tensor for tensor in (*passing, id(operation.output)) if unread[tensor]}
        if len(passing) == 1:
            yield _Stretch(tuple(layers), math.prod(operation.output.shape[1:]))
            layers = []


def _inputs(operation: keras.Operation) -> list[keras.KerasTensor]:
    return [] if isinstance(operation, keras.layers.InputLayer) else list(keras.tree.flatten(operation.input))


def _narrowest(stretches: Sequence[_Stretch], first: int, last: int) -> int:
    """Return which of the stretches from `first` to before `last` ends with the fewest values, the last such one."""
    return min(range(first, last), key=lambda place: (stretches[place].values, -place))


def _mixes(layer: keras.layers.Layer) -> bool:
    """Return whether a layer has weights by which an output depends on several positions, or is a vector's matrix."""
    if isinstance(layer, keras.layers.Dense):
        return len(layer.input.shape) == 2
    return bool(layer.weights) and any(side > 1 for side in getattr(layer, "kernel_size", ()))
