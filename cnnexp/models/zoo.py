"""The architectures, each adapted to its input: from 8×8 to 224×224 pixels, one channel or three.

Names of layers, such as ``convolution_1``, are part of saved model files and never change.
"""

from collections import Counter
from typing import Any

import keras
from keras import layers

from cnnexp.config import AirbenchConfig, AlexNetConfig, ModelConfig, PlainModelConfig, ResNetConfig, VggConfig
from cnnexp.errors import ConfigError
from cnnexp.models.names import WHITENING
from cnnexp.models.regularization import Regularization
from cnnexp.models.whitening import begin_as_identity

# Of the stored statistics of batch normalization, in each step, as in PyTorch. With the 0.99 of Keras two fifths of
# their first values are left after ninety steps; experiments/transfer has what that cost with few images.
STATISTICS_KEPT = 0.9


def zoo_layers(
    config: ModelConfig, x: keras.KerasTensor, *, regularization: Regularization, policy: keras.DTypePolicy
) -> keras.KerasTensor:
    """Return the features (N, F) of scaled images (N, H, W, C).

    Raises:
        ConfigError: the architecture is unknown.

    """
    make = _LayerMaker(regularization, policy)
    match config:
        case PlainModelConfig():
            return _plain(make, config, x)
        case AlexNetConfig():
            return _alexnet(make, config, x)
        case VggConfig():
            return _vgg(make, config, x)
        case ResNetConfig():
            return _resnet(make, config, x)
        case AirbenchConfig():
            return _airbench(make, config, x)
        case _:
            raise ConfigError(f"model must be one of the options under conf/model; got {config.name!r}.")


def _plain(make: "_LayerMaker", config: PlainModelConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    """The reference network: 3×3 convolutions, twice the filters in each block, max pooling; then one dense layer."""
    for block in range(config.depth):
        x = make.max_pool(make.conv(x, config.width * 2**block))
    return make.dense(make.flatten(x), config.dense)


def _alexnet(make: "_LayerMaker", config: AlexNetConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    """Filters in the proportions 96:256:384:384:256, pooling after the first, second and last."""
    side = min(x.shape[1:3])
    kernel, stride = (11, 4) if side >= 128 else (7, 2) if side >= 64 else (5, 1)
    x = make.max_pool(make.conv(x, config.width, kernel=kernel, stride=stride))
    proportions = (256 / 96, 384 / 96, 384 / 96, 256 / 96)
    for index in range(1, config.depth):
        filters = round(config.width * proportions[min(index - 1, 3)])
        x = make.conv(x, filters, kernel=5 if index == 1 else 3)
        if index == 1 or index == config.depth - 1:
            x = make.max_pool(x)
    return make.dense(make.dense(make.flatten(x), config.dense), config.dense)


def _vgg(make: "_LayerMaker", config: VggConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    for block in range(config.depth):
        for _ in range(config.convolutions):
            x = make.conv(x, config.width * min(2**block, 8))
        x = make.max_pool(x)
    return make.dense(make.flatten(x), config.dense)


def _resnet(make: "_LayerMaker", config: ResNetConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    if min(x.shape[1:3]) >= 128:  # the original stem; smaller images would lose too many pixels
        x = make.max_pool(make.conv(x, config.width, kernel=7, stride=2, normalized=True))
    else:
        x = make.conv(x, config.width, normalized=True)
    for stage in range(config.depth):
        filters = config.width * 2**stage
        for unit in range(config.units):
            x = _residual(make, x, filters, stride=2 if stage and not unit and min(x.shape[1:3]) > 1 else 1)
    return layers.GlobalAveragePooling2D(dtype=make.policy, name="average")(x)


def _residual(make: "_LayerMaker", x: keras.KerasTensor, filters: int, *, stride: int) -> keras.KerasTensor:
    """Two normalized convolutions and a shortcut, which is projected where the shape changes."""
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = make.conv(make.subsample(x, stride), filters, kernel=1, normalized=True, activation=None)
    y = make.conv(x, filters, stride=stride, normalized=True)
    y = make.conv(y, filters, normalized=True, activation=None)
    return make.add(y, shortcut)


def _airbench(make: "_LayerMaker", config: AirbenchConfig, x: keras.KerasTensor) -> keras.KerasTensor:
    """A whitening convolution, see `whitening`, then blocks: a convolution, pooling, and another convolution.

    Features are the largest value of each map. They are divided by √F, so that the first answers are near 1/K.
    """
    x = make.gelu(make.whitening(x, config.whitening))
    for block in range(config.depth):
        filters = config.width * (4 if block else 1)
        x = make.normalized_gelu(make.max_pool(make.identity_conv(x, filters)))
        x = make.normalized_gelu(make.identity_conv(x, filters))
    x = layers.GlobalMaxPooling2D(dtype=make.policy, name="largest")(x)
    return layers.Rescaling(x.shape[-1] ** -0.5, dtype=make.policy, name="features")(x)


class _LayerMaker:
    """Makes layers with one penalty and one precision, named by kind and number, such as ``dense_2``."""

    def __init__(self, regularization: Regularization, policy: keras.DTypePolicy) -> None:
        self.policy = policy
        self._regularization = regularization
        self._counts: Counter[str] = Counter()

    def _common(self, kind: str) -> dict[str, Any]:
        self._counts[kind] += 1
        return {"name": f"{kind}_{self._counts[kind]}", "dtype": self.policy}

    def conv(
        self,
        x: keras.KerasTensor,
        filters: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        normalized: bool = False,
        activation: str | None = "relu",
    ) -> keras.KerasTensor:
        """A convolution with same padding; with `normalized`, batch normalization replaces the bias."""
        x = layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=not normalized,
            activation=None if normalized else activation,
            kernel_initializer="he_normal" if normalized else "glorot_uniform",
            kernel_regularizer=self._regularization.kernel(),
            **self._common("convolution"),
        )(x)
        if not normalized:
            return x
        x = layers.BatchNormalization(momentum=STATISTICS_KEPT, **self._common("normalization"))(x)
        return layers.Activation(activation, **self._common("activation"))(x) if activation else x

    def whitening(self, x: keras.KerasTensor, side: int) -> keras.KerasTensor:
        """A convolution whose kernel is no weight that is trained; its bias is."""
        filters = 2 * side * side * x.shape[-1]
        layer = layers.Conv2D(filters, side, dtype=self.policy, name=WHITENING)
        x = layer(x)
        layer.kernel.trainable = False
        return x

    def identity_conv(self, x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        """A 3×3 convolution without a bias that begins by handing its channels on."""
        layer = layers.Conv2D(
            filters,
            3,
            padding="same",
            use_bias=False,
            kernel_initializer=keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform"),
            kernel_regularizer=self._regularization.kernel(),
            **self._common("convolution"),
        )
        x = layer(x)
        begin_as_identity(layer)
        return x

    def normalized_gelu(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Batch normalization without a scale, whose statistics follow within a few steps, and GELU."""
        common = self._common("normalization")
        return self.gelu(layers.BatchNormalization(momentum=0.6, epsilon=1e-5, scale=False, **common)(x))

    def gelu(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """The activation x · Φ(x)."""
        return layers.Activation("gelu", **self._common("activation"))(x)

    def max_pool(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Halve the image, unless a side is already a single pixel."""
        return layers.MaxPooling2D(2, **self._common("pooling"))(x) if min(x.shape[1:3]) >= 2 else x

    def subsample(self, x: keras.KerasTensor, stride: int) -> keras.KerasTensor:
        """Keep every `stride`-th pixel, as a strided 1×1 convolution would.

        The gradient of a strided 1×1 convolution is wrong in oneDNN up to 3.12, and written out of bounds (oneDNN issue
        6035): with fewer than 8 channels on processors with AVX2, fewer than 16 with AVX-512.
        """
        return layers.MaxPooling2D(1, strides=stride, **self._common("thinning"))(x) if stride > 1 else x

    def flatten(self, x: keras.KerasTensor) -> keras.KerasTensor:
        """Feature maps as vectors."""
        return layers.Flatten(**self._common("flat"))(x)

    def dense(self, x: keras.KerasTensor, units: int) -> keras.KerasTensor:
        """A hidden dense layer."""
        regularizer = self._regularization.kernel()
        return layers.Dense(units, activation="relu", kernel_regularizer=regularizer, **self._common("dense"))(x)

    def add(self, x: keras.KerasTensor, shortcut: keras.KerasTensor) -> keras.KerasTensor:
        """The end of a residual unit."""
        return layers.ReLU(**self._common("relu"))(layers.Add(**self._common("sum"))([x, shortcut]))
