"""The two parts of every network: the backbone, which makes features of pixels, and the head, which classifies them.

The head is what follows the features: a layer named ``dropout`` where there is one, the dense layer ``logits``, and the
softmax ``probabilities``.
"""

from dataclasses import dataclass

import keras

from cnnexp.models.names import DROPOUT, LOGITS, PROBABILITIES


@dataclass(frozen=True, slots=True)
class SplitModel:
    """A model in two parts, which share its layers and so its weights."""

    features: keras.Model  # uint8 (N, H, W, C) -> features (N, F)
    head: tuple[keras.layers.Layer, ...]  # from the features to the logits, in order

    def logits(self, images: object, *, backbone_training: bool) -> object:
        """Return the logits (N, K) float32 of images as training computes them, with dropout in the head.

        Without `backbone_training` the backbone computes as it does after training: batch normalization by its stored
        statistics, which do not change, and no stochastic depth.
        """
        values = self.features(images, training=backbone_training)
        for layer in self.head:
            values = layer(values, training=True)
        return values


def split(model: keras.Model) -> SplitModel:
    """Return the two parts of a model whose last layers are those of a head."""
    last = (model.get_layer(LOGITS),)
    dropout = next((layer for layer in model.layers if layer.name == DROPOUT), None)
    head = last if dropout is None else (dropout, *last)
    return SplitModel(keras.Model(model.input, head[0].input, name="backbone"), head)


def copy_of_head(model: keras.Model) -> keras.Model:
    """Return the head of a model as a model of its own, with weights of its own.

    It takes features (N, F) float32, gives probabilities (N, K), and computes in float32 whatever the model does.
    """
    head = split(model).head
    inputs = keras.Input(head[0].input.shape[1:], dtype="float32", name="features")
    x = inputs
    for layer in (*head, model.get_layer(PROBABILITIES)):
        x = type(layer).from_config({**layer.get_config(), "dtype": "float32"})(x)
    copy = keras.Model(inputs, x, name="head")
    load_head(copy, source=model)
    return copy


def load_head(target: keras.Model, *, source: keras.Model) -> None:
    """Give the head of one model the weights of the head of another."""
    target.get_layer(LOGITS).set_weights(source.get_layer(LOGITS).get_weights())
