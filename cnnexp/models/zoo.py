"""The architectures, each scaled to its input: from 8×8 to 224×224 pixels, one channel or three.

Every model begins with its scaling, so that it takes uint8 pixels as they are, and ends in a layer named
``logits`` followed by a softmax in float32, so that training can use the one and everyone else the other.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from cnnexp.config import AlexNetConfig, ModelConfig, PlainModelConfig, ResNetConfig, VggConfig
from cnnexp.errors import ConfigError
from cnnexp.records import Scaling

LOGITS = "logits"
SCALING_LAYER = "scaling"


@dataclass(frozen=True, kw_only=True, slots=True)
class Regularization:
    """What the layers themselves do against over-fitting."""

    dropout: float  # share of units dropped before the logits
    l1: float  # weight of the sum of absolute kernel weights
    l2: float  # weight of the sum of squared kernel weights

    def kernel(self) -> keras.regularizers.Regularizer | None:
        """Return a fresh penalty for one hidden kernel."""
        return keras.regularizers.L1L2(l1=self.l1, l2=self.l2) if self.l1 or self.l2 else None


def build(
    config: ModelConfig,
    *,
    input_shape: tuple[int, int, int],
    num_classes: int,
    scaling: Scaling | None,
    regularization: Regularization,
    precision: str,
) -> keras.Model:
    """Return an untrained model: uint8 (N, *input_shape) in, float32 probabilities (N, num_classes) out.

    Without a `scaling` it takes float32 that the caller has scaled. `precision` is what the hidden layers compute
    in, ``float32`` or ``bfloat16``; weights are always float32.
    """
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    inputs = keras.Input(input_shape, dtype="uint8" if scaling else "float32", name="pixels")
    x = inputs
    if scaling:
        x = layers.Rescaling(list(scaling.scale), list(scaling.offset), dtype=policy, name=SCALING_LAYER)(x)
    x = _hidden(_Maker(regularization, policy), config, x)
    if regularization.dropout:
        x = layers.Dropout(regularization.dropout, dtype=policy, name="dropout")(x)
    x = layers.Dense(num_classes, dtype="float32", name=LOGITS)(x)
    return keras.Model(inputs, layers.Softmax(dtype="float32", name="probabilities")(x), name=config.name)


def _hidden(make: "_Maker", config: ModelConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    match config:
        case PlainModelConfig():
            return _plain(make, config, x)
        case AlexNetConfig():
            return _alexnet(make, config, x)
        case VggConfig():
            return _vgg(make, config, x)
        case ResNetConfig():
            return _resnet(make, config, x)
        case _:
            raise ConfigError(f"model must be one of the options under conf/model; got {config.name!r}.")


def _plain(make: "_Maker", config: PlainModelConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    """The reference network: 3×3 convolutions that double, each followed by pooling, then one dense layer."""
    for block in range(config.depth):
        x = make.pooled(make.convolution(x, config.width * 2**block))
    return make.dense(make.flat(x), config.dense)


def _alexnet(make: "_Maker", config: AlexNetConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    """Filters in the proportions 96:256:384:384:256, pooling after the first, second and last."""
    side = min(x.shape[1:3])
    kernel, stride = (11, 4) if side >= 128 else (7, 2) if side >= 64 else (5, 1)
    x = make.pooled(make.convolution(x, config.width, kernel=kernel, stride=stride))
    proportions = (256 / 96, 384 / 96, 384 / 96, 256 / 96)
    for index in range(1, config.depth):
        filters = round(config.width * proportions[min(index - 1, 3)])
        x = make.convolution(x, filters, kernel=5 if index == 1 else 3)
        if index == 1 or index == config.depth - 1:
            x = make.pooled(x)
    return make.dense(make.dense(make.flat(x), config.dense), config.dense)


def _vgg(make: "_Maker", config: VggConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    for block in range(config.depth):
        for _ in range(config.convolutions):
            x = make.convolution(x, config.width * min(2**block, 8))
        x = make.pooled(x)
    return make.dense(make.flat(x), config.dense)


def _resnet(make: "_Maker", config: ResNetConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    if min(x.shape[1:3]) >= 128:  # the original stem; smaller images cannot spare the pixels
        x = make.pooled(make.convolution(x, config.width, kernel=7, stride=2, normalized=True))
    else:
        x = make.convolution(x, config.width, normalized=True)
    for stage in range(config.depth):
        filters = config.width * 2**stage
        for unit in range(config.units):
            x = _residual(make, x, filters, stride=2 if stage and not unit and min(x.shape[1:3]) > 1 else 1)
    return layers.GlobalAveragePooling2D(dtype=make.policy, name="average")(x)


def _residual(make: "_Maker", x: keras.KerasTensor, filters: int, *, stride: int) -> keras.KerasTensor:
    """Two normalized convolutions beside a shortcut, which is projected where the shape changes."""
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = make.convolution(make.thinned(x, stride), filters, kernel=1, normalized=True, activation=None)
    y = make.convolution(x, filters, stride=stride, normalized=True)
    y = make.convolution(y, filters, normalized=True, activation=None)
    return make.sum(y, shortcut)


class _Maker:
    """Layers that share one penalty and one precision; each kind is counted, so that names do not depend on others."""

    def __init__(self, regularization: Regularization, policy: keras.DTypePolicy) -> None:
        self.policy = policy
        self._regularization = regularization
        self._made: Counter[str] = Counter()

    def _as(self, kind: str) -> dict[str, Any]:
        self._made[kind] += 1
        return {"name": f"{kind}_{self._made[kind]}", "dtype": self.policy}

    def convolution(
        self,
        x: keras.KerasTensor,
        filters: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        normalized: bool = False,
        activation: str | None = "relu",
    ) -> keras.KerasTensor:
        """A convolution with same padding; with `normalized`, batch normalization takes the bias's place."""
        x = layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=not normalized,
            activation=None if normalized else activation,
            kernel_initializer="he_normal" if normalized else "glorot_uniform",
            kernel_regularizer=self._regularization.kernel(),
            **self._as("convolution"),
        )(x)
        if not normalized:
            return x
        x = layers.BatchNormalization(**self._as("normalization"))(x)
        return layers.Activation(activation, **self._as("activation"))(x) if activation else x

    def pooled(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Halve the image, unless a side is already a single pixel."""
        return layers.MaxPooling2D(2, **self._as("pooling"))(x) if min(x.shape[1:3]) >= 2 else x

    def thinned(self, x: keras.KerasTensor, stride: int) -> keras.KerasTensor:
        """Keep every second pixel, or whatever the stride, as a strided 1×1 convolution would.

        The gradient of that one is wrong, and written beyond its memory, in oneDNN up to 3.12 (its issue 6035): with
        fewer than 8 channels on processors with AVX2, than 16 with AVX-512.
        """
        return layers.MaxPooling2D(1, strides=stride, **self._as("thinning"))(x) if stride > 1 else x

    def flat(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Images as vectors."""
        return layers.Flatten(**self._as("flat"))(x)

    def dense(self, x: keras.KerasTensor, units: int) -> keras.KerasTensor:
        """A hidden dense layer."""
        regularizer = self._regularization.kernel()
        return layers.Dense(units, activation="relu", kernel_regularizer=regularizer, **self._as("dense"))(x)

    def sum(self, x: keras.KerasTensor, shortcut: keras.KerasTensor) -> keras.KerasTensor:
        """The end of a residual unit."""
        return layers.ReLU(**self._as("relu"))(layers.Add(**self._as("sum"))([x, shortcut]))
