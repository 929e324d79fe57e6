"""A trained network made into another one with the same weights: for images of another size, for several views of one.

Both are flat, of layers and operations of Keras, and end in the same head: they are saved, calibrated, exported and
continued from like any other.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from cnnexp.errors import ConfigError
from cnnexp.models.flat import renewed, without_nested
from cnnexp.models.head import split
from cnnexp.models.names import PROBABILITIES, RAW
from cnnexp.portable.variant import View


def at_size(model: keras.Model, size: tuple[int, int]) -> keras.Model:
    """Return the network for images of another size, (height, width); batch normalization keeps its statistics.

    Raises:
        ConfigError: the network has weights for each position in an image, or the size is too small for it.

    """
    inputs = keras.Input((*size, model.input_shape[-1]), dtype="uint8", name=RAW)
    try:
        return renewed(without_nested(model), _copy, inputs=inputs)
    except ValueError as error:
        height, width = model.input_shape[1:3]
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            "A network takes images of another size if it averages its feature maps over all positions, as resnet and "
            f"pretrained ones do; {model.name}, trained at {height} × {width}, cannot take {size[0]} × {size[1]}: "
            f"{reason} Train at that size instead: data.size=[{size[0]},{size[1]}]."
        ) from error


def with_views(model: keras.Model, views: Sequence[View]) -> keras.Model:
    """Return a network whose logits are the mean of those for all `views` of an image.

    The features, of which the last layer makes logits, are averaged: that layer is linear, so its output is the mean of
    the logits, and softmax makes of them the geometric mean of the probabilities. All views of all images are one batch
    within the network.
    """
    inputs = keras.Input(model.input_shape[1:], dtype="uint8", name=RAW)
    parts = split(without_nested(model))
    batch = ops.concatenate([_seen(inputs, view) for view in views], axis=0)
    features = renewed(parts.features, _copy, inputs=inputs, begin_with=batch).outputs[0]
    x = ops.mean(ops.reshape(features, (len(views), -1, features.shape[-1])), axis=0)
    for layer in (*parts.head, model.get_layer(PROBABILITIES)):
        copy = _copy(layer)
        x = copy(x)
        copy.set_weights(layer.get_weights())
    return keras.Model(inputs, x, name=model.name)


def _copy(layer: Any) -> Any:  # noqa: ANN401 - a layer, or an operation of keras.ops
    return type(layer).from_config(layer.get_config())


def _seen(pixels: keras.KerasTensor, view: View) -> keras.KerasTensor:
    """Return pixels (N, H, W, C) as a view has them: every one is a pixel of the image, so they stay uint8."""
    height, width = pixels.shape[1:3]
    rows = [min(max(row - view.down, 0), height - 1) for row in range(height)]
    columns = [min(max(column - view.right, 0), width - 1) for column in range(width)]
    if view.mirrored:
        columns = [width - 1 - column for column in columns]
    moved = pixels if rows == list(range(height)) else ops.take(pixels, rows, axis=1)
    return moved if columns == list(range(width)) else ops.take(moved, columns, axis=2)
