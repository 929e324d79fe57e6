"""EfficientNet-Lite as a flat Keras network, and its ImageNet weights as PyTorch files hold them.

EfficientNet (Tan & Le 2019, arXiv:1905.11946) without squeeze-and-excitation, with ReLU6, and with stem and last
convolution of the same size in every variant (tensorflow/tpu, models/official/efficientnet/lite). Layers are named by
their block: ``stem_convolution``, ``block_3_depthwise``, ``top_convolution``; the pooled output is ``features``.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from cnnexp.models.flat import Penalty

# (kernel, stride, expansion) of each stage of blocks.
_STAGES = ((3, 1, 1), (3, 2, 6), (5, 2, 6), (3, 2, 6), (5, 1, 6), (5, 2, 6), (3, 1, 6))
# (blocks, filters) of the same stages.
_VARIANTS = {
    "efficientnet_lite0": ((1, 16), (2, 24), (2, 40), (3, 80), (3, 112), (4, 192), (1, 320)),
    "efficientnet_lite1": ((1, 16), (3, 24), (3, 40), (4, 80), (4, 112), (5, 192), (1, 320)),
    "efficientnet_lite2": ((1, 16), (3, 24), (3, 48), (4, 88), (4, 120), (5, 208), (1, 352)),
}
_STEM, _TOP = 32, 1280  # filters
_STATISTICS = ("weight", "bias", "running_mean", "running_var")  # of batch normalization, in the order of Keras

Tensors = Mapping[str, NDArray[Any]]


def efficientnet_lite(
    x: keras.KerasTensor,
    variant: str,
    *,
    policy: keras.DTypePolicy,
    penalty: Penalty,
) -> keras.KerasTensor:
    """Return the pooled features (N, 1280) of scaled images (N, H, W, 3).

    `policy` is what the layers compute in, `penalty` makes the regularizer of one kernel.
    """
    make = _LayerMaker(policy, penalty)
    x = make.conv(x, "stem", "convolution", _STEM, kernel=3, stride=2)
    for number, (kernel, stride, expansion, filters) in enumerate(_blocks(variant), start=1):
        x = _block(make, x, f"block_{number}", filters, kernel=kernel, stride=stride, expansion=expansion)
    x = make.conv(x, "top", "convolution", _TOP)
    return layers.GlobalAveragePooling2D(dtype=policy, name="features")(x)


def _blocks(variant: str) -> Iterator[tuple[int, int, int, int]]:
    """Yield kernel, stride, expansion and filters of each block; only the first of a stage has its stride."""
    for (kernel, stride, expansion), (repeats, filters) in zip(_STAGES, _VARIANTS[variant], strict=True):
        for repeat in range(repeats):
            yield kernel, 1 if repeat else stride, expansion, filters


def _block(
    make: "_LayerMaker", x: keras.KerasTensor, name: str, filters: int, *, kernel: int, stride: int, expansion: int
) -> keras.KerasTensor:
    """Expand, convolve each channel by itself, project; and add the input where the shape is the same."""
    y = make.conv(x, name, "expansion", expansion * x.shape[-1]) if expansion > 1 else x
    y = make.depthwise(y, name, kernel=kernel, stride=stride)
    y = make.conv(y, name, "projection", filters, active=False)
    return layers.Add(dtype=make.policy, name=f"{name}_sum")([x, y]) if stride == 1 and x.shape == y.shape else y


class _LayerMaker:
    """Makes convolutions with batch normalization and ReLU6; padding "same" is TensorFlow's, as in the original."""

    def __init__(self, policy: keras.DTypePolicy, penalty: Penalty) -> None:
        self.policy = policy
        self._penalty = penalty

    def conv(
        self,
        x: keras.KerasTensor,
        block: str,
        kind: str,
        filters: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        active: bool = True,
    ) -> keras.KerasTensor:
        x = layers.Conv2D(
            filters,
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            kernel_initializer="he_normal",
            kernel_regularizer=self._penalty(),
            dtype=self.policy,
            name=f"{block}_{kind}",
        )(x)
        return self._normalized(x, f"{block}_{kind}", active=active)

    def depthwise(self, x: keras.KerasTensor, block: str, *, kernel: int, stride: int) -> keras.KerasTensor:
        x = layers.DepthwiseConv2D(
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            depthwise_initializer="he_normal",
            depthwise_regularizer=self._penalty(),
            dtype=self.policy,
            name=f"{block}_depthwise",
        )(x)
        return self._normalized(x, f"{block}_depthwise", active=True)

    def _normalized(self, x: keras.KerasTensor, name: str, *, active: bool) -> keras.KerasTensor:
        x = layers.BatchNormalization(epsilon=1e-3, dtype=self.policy, name=f"{name}_normalization")(x)
        return layers.ReLU(6.0, dtype=self.policy, name=f"{name}_relu")(x) if active else x


def layer_weights(tensors: Tensors) -> dict[str, list[NDArray[np.float32]]]:
    """Return the weights of each layer by its name here, in Keras's order of axes, the 1000-way ``logits`` included.

    Raises:
        KeyError: a tensor is missing.

    """
    weights = {"logits": [tensors["_fc.weight"].T, tensors["_fc.bias"]]}
    weights |= _unit(tensors, "stem_convolution", "_conv_stem", "_bn0")
    blocks = {int(name.split(".")[1]) for name in tensors if name.startswith("_blocks.")}
    for number in blocks:
        theirs, mine = f"_blocks.{number}", f"block_{number + 1}"
        if f"{theirs}._expand_conv.weight" in tensors:
            weights |= _unit(tensors, f"{mine}_expansion", f"{theirs}._expand_conv", f"{theirs}._bn0")
        weights |= _unit(tensors, f"{mine}_depthwise", f"{theirs}._depthwise_conv", f"{theirs}._bn1")
        weights |= _unit(tensors, f"{mine}_projection", f"{theirs}._project_conv", f"{theirs}._bn2")
    return weights | _unit(tensors, "top_convolution", "_conv_head", "_bn1")


def _unit(tensors: Tensors, mine: str, convolution: str, normalization: str) -> dict[str, list[NDArray[np.float32]]]:
    """Return the weights of a convolution, whose kernel is (out, in, height, width) in PyTorch, and of what follows."""
    kernel = tensors[f"{convolution}.weight"]
    axes = (2, 3, 0, 1) if mine.endswith("_depthwise") else (2, 3, 1, 0)
    return {
        mine: [kernel.transpose(axes)],
        f"{mine}_normalization": [tensors[f"{normalization}.{name}"] for name in _STATISTICS],
    }
