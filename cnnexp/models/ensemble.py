"""Several networks as one, whose logits are the mean of theirs."""

from collections.abc import Sequence

import keras
import numpy as np

from cnnexp.models.flat import renewed
from cnnexp.models.head import split
from cnnexp.models.names import LOGITS, PROBABILITIES, RAW


def mean_of(models: Sequence[keras.Model], *, temperatures: Sequence[float]) -> keras.Model:
    """Return a flat model whose logits are the mean of those of `models`, before these were calibrated.

    Its features are those of all of them, one after another, and its head is one dense layer on them: the mean of dense
    layers is one, so that it is a network like any other. Softmax makes of the mean of logits the geometric mean of
    probabilities. Every model takes the same images and tells the same classes apart; its logits were divided by its
    temperature.
    """
    inputs = keras.Input(models[0].input_shape[1:], dtype="uint8", name=RAW)
    features = [_on(inputs, split(model).features, prefix=f"fold{number}") for number, model in enumerate(models, 1)]
    x = keras.layers.Concatenate(name="features")(features)
    logits = keras.layers.Dense(models[0].output_shape[-1], name=LOGITS)
    x = logits(x)
    last = models[0].get_layer(PROBABILITIES)
    mean = keras.Model(inputs, type(last).from_config(last.get_config())(x))
    heads = [model.get_layer(LOGITS).get_weights() for model in models]
    shares = [temperature / len(models) for temperature in temperatures]
    kernel = np.concatenate([share * kernel for share, (kernel, _) in zip(shares, heads, strict=True)])
    bias = sum(share * bias for share, (_, bias) in zip(shares, heads, strict=True))
    logits.set_weights([kernel, bias])
    return mean


def _on(inputs: keras.KerasTensor, backbone: keras.Model, *, prefix: str) -> keras.KerasTensor:
    """Return the features of `inputs` by copies of the layers of a backbone, whose names get a prefix."""

    def copy(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "name": f"{prefix}_{layer.name}"})

    return renewed(backbone, copy, inputs=inputs).outputs[0]
