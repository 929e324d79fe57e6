"""Networks, losses and an optimizer as people bring them along, each with a switch for one fault.

Given to cnnexp by ``--extend``. The network is a plain one of three convolutions, a deeper one in the manner of VGG, or
a residual one, so that faults of networks exist in architectures that are held out.
"""

from dataclasses import dataclass

import keras
import numpy as np

from cnnexp.extend import loss, model, optimizer, schedule


@dataclass
class BroughtSettings:
    style: str = "plain"  # plain | vgg | residual
    width: int = 8
    factor: float = 1.0  # by which the input, 0..1, is multiplied
    rescaled: bool = False  # whether it divides by the factor again, as its first layer
    activation: str = "relu"  # relu | linear_convolutions: only the dense layer has one | linear: none has
    initializer: str = "sound"  # sound | large | constant | zeros
    normalization: float | None = None  # momentum of batch normalization; None: there is none
    frozen: int = 0  # of the layers with weights, from the first


@model("brought", BroughtSettings)
def brought(settings, input_shape, num_classes):
    """Return a network up to its logits."""
    pixels = keras.Input(input_shape)
    x = pixels if settings.factor == 1 else keras.ops.multiply(pixels, settings.factor)
    x = keras.ops.multiply(x, 1 / settings.factor) if settings.rescaled else x
    for block in range(3 if min(input_shape[:2]) >= 8 else 2):
        x = _block(settings, x, settings.width * 2**block)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Flatten()(x)
    x = keras.layers.Dense(32, kernel_initializer=_initializer(settings))(x)
    x = x if settings.activation == "linear" else keras.layers.ReLU()(x)
    network = keras.Model(pixels, keras.layers.Dense(num_classes, kernel_initializer=_initializer(settings))(x))
    weighted = [layer for layer in network.layers if layer.weights]
    for layer in weighted[: settings.frozen]:
        layer.trainable = False
    return network


def _block(settings, x, filters):
    shortcut = x
    for _ in range(1 if settings.style == "plain" else 2):
        x = _convolution(settings, x, filters)
    if settings.style == "residual":
        shortcut = keras.layers.Conv2D(filters, 1)(shortcut)
        x = keras.layers.Add()([x, shortcut])
    return x


def _convolution(settings, x, filters):
    x = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=_initializer(settings))(x)
    if settings.normalization is not None:
        x = keras.layers.BatchNormalization(momentum=settings.normalization)(x)
    return keras.layers.ReLU()(x) if settings.activation == "relu" else x


def _initializer(settings):
    match settings.initializer:
        case "large":
            return keras.initializers.RandomNormal(stddev=3.0, seed=7)
        case "constant":
            return keras.initializers.Constant(0.02)
        case "zeros":
            return keras.initializers.Zeros()
        case _:
            return keras.initializers.GlorotUniform(seed=7)


@loss("twice_softmax")
def twice_softmax(settings, logits, labels):
    """Return cross-entropy of a softmax of probabilities, as a network with a softmax and `from_logits=True` has it."""
    return keras.losses.sparse_categorical_crossentropy(labels, keras.ops.softmax(logits), from_logits=True)


@loss("squared_logits")
def squared_logits(settings, logits, labels):
    """Return the squared difference of logits, taken for probabilities, and one-hot labels scaled to 0..100."""
    wanted = 100 * keras.ops.one_hot(labels, logits.shape[1])
    return keras.ops.mean((logits - wanted) ** 2, axis=1)


@loss("rectified")
def rectified(settings, logits, labels):
    """Return cross-entropy of logits behind a ReLU, which has no gradient below zero."""
    return keras.losses.sparse_categorical_crossentropy(labels, keras.ops.relu(logits - 1), from_logits=True)


@loss("next_class")
def next_class(settings, logits, labels):
    """Return cross-entropy with the labels of the next class, as after an index that begins at one."""
    return keras.losses.sparse_categorical_crossentropy((labels + 1) % logits.shape[1], logits, from_logits=True)


@dataclass
class SharpSettings:
    factor: float = 1.0


@loss("sharp", SharpSettings)
def sharp(settings, logits, labels):
    """Return cross-entropy of flattened logits: what is then answered is `factor` times as sure as it was trained."""
    return keras.losses.sparse_categorical_crossentropy(labels, logits / settings.factor, from_logits=True)


@dataclass
class ClimbingSettings:
    share: float = 0.0  # of the variables, of which each step climbs


@keras.saving.register_keras_serializable()
class Climbing(keras.optimizers.Adam):
    """Adam that goes up instead of down on some of the variables, chosen anew in each step."""

    def __init__(self, share=0.0, seed=11, **settings):
        super().__init__(**settings)
        self.share = share
        self.random = keras.random.SeedGenerator(seed)

    def update_step(self, gradient, variable, learning_rate):
        climbs = keras.random.uniform((), seed=self.random) < self.share
        sign = keras.ops.where(climbs, -1.0, 1.0)
        super().update_step(keras.ops.cast(sign, gradient.dtype) * gradient, variable, learning_rate)

    def get_config(self):
        return {**super().get_config(), "share": self.share}


@optimizer("climbing", ClimbingSettings)
def climbing(settings, learning_rate):
    return Climbing(share=settings.share, learning_rate=learning_rate)


@schedule("spike")
def spike(settings, epoch, epochs):
    """Return a constant rate with one epoch of ten times as much, in the middle."""
    return np.where(np.floor(epoch) == epochs // 2, 10.0, 1.0)


@dataclass
class SquashedSettings:
    how: str = "softmax"  # softmax: in front of the last layer | cropped: half of the input


@model("squashed", SquashedSettings)
def squashed(settings, input_shape, num_classes):
    """Return a plain network that passes less on than it got."""
    pixels = keras.Input(input_shape)
    x = keras.layers.Cropping2D(((0, 0), (0, input_shape[1] // 2)))(pixels) if settings.how == "cropped" else pixels
    for filters in (8, 16):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D()(x)
    x = keras.layers.Dense(32, activation="relu")(keras.layers.Flatten()(x))
    if settings.how == "softmax":
        x = keras.layers.Dense(num_classes, activation="softmax")(x)
    return keras.Model(pixels, keras.layers.Dense(num_classes)(x))


@model("unresponsive")
def unresponsive(settings, input_shape, num_classes):
    """Return a plain network whose biases begin so far below zero that no ReLU lets anything through."""
    pixels = x = keras.Input(input_shape)
    for filters in (8, 16):
        x = keras.layers.Conv2D(
            filters, 3, padding="same", activation="relu", bias_initializer=keras.initializers.Constant(-10.0)
        )(x)
        x = keras.layers.MaxPooling2D()(x)
    return keras.Model(pixels, keras.layers.Dense(num_classes)(keras.layers.Flatten()(x)))
