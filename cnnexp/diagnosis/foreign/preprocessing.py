"""The usual ways from an image file to the numbers that a network takes, one choice for each step.

Where a model comes without a word about its preprocessing, it is one of these, or close to one.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.images import ImageSpec
from cnnexp.records import Images

Inputs = NDArray[np.float32]  # (N, H, W, C), as the network takes them

_IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB from 0 to 1, as torchvision has them; times 255 those of Caffe
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_MARGIN = 8 / 7  # 256 pixels for 224: what is cut off around the middle in the usual test of ImageNet


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the labelled images, 0..255, red first."""

    mean: tuple[float, ...]  # (C,)
    deviation: tuple[float, ...]  # (C,)


@dataclass(frozen=True, slots=True)
class Values:
    """How levels from 0 to 255 become the numbers of the input."""

    said: str
    of: Callable[[NDArray[np.float32], Statistics], NDArray[Any]]  # levels (N, H, W, C) red first -> numbers


def _standardized(levels: NDArray[np.float32], _: Statistics) -> NDArray[Any]:
    mean = levels.mean(axis=(1, 2, 3), keepdims=True)
    standardized: NDArray[np.float32] = (levels - mean) / np.maximum(levels.std(axis=(1, 2, 3), keepdims=True), 1)
    return standardized


def _less_imagenet_means(levels: NDArray[np.float32], _: Statistics) -> NDArray[Any]:
    return levels - 255 * _of_channels(_IMAGENET_MEAN, levels)


def _imagenet(levels: NDArray[np.float32], _: Statistics) -> NDArray[Any]:
    return (levels / 255 - _of_channels(_IMAGENET_MEAN, levels)) / _of_channels(_IMAGENET_DEVIATION, levels)


def _of_channels(values: tuple[float, ...], levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return one number a channel; grey images have the mean of the three."""
    numbers = np.array(values, np.float32)
    return numbers if levels.shape[-1] == 3 else numbers.mean(keepdims=True)


VALUES: Mapping[str, Values] = {
    "0..255": Values("levels from 0 to 255", lambda x, _: x),
    "0..1": Values("divided by 255, from 0 to 1", lambda x, _: x / 255),
    "-1..1": Values("from -1 to 1", lambda x, _: x / 127.5 - 1),
    "-0.5..0.5": Values("from -0.5 to 0.5", lambda x, _: x / 255 - 0.5),
    "imagenet": Values("less the ImageNet means, divided by their deviations", _imagenet),
    "means": Values("levels minus the ImageNet means", _less_imagenet_means),
    "data": Values(
        "less the mean of the data, divided by its deviation",
        lambda x, known: (x - np.array(known.mean, np.float32)) / np.array(known.deviation, np.float32),
    ),
    "image": Values("less the mean of each image, divided by its deviation", _standardized),
}

CHANNELS: Mapping[str, str] = {"rgb": "RGB", "bgr": "BGR", "grey": "grey"}
POLARITIES: Mapping[str, str] = {"plain": "bright is high", "inverted": "bright is low (255 - x)"}
FITS: Mapping[str, str] = {
    "stretch": "stretched to the input",
    "crop": "resized by its shorter side, the middle cut out",
    "crop-margin": "resized by its shorter side to 8/7 of the input, the middle cut out",
    "stretch-margin": "stretched to 8/7 of the input, the middle cut out",
    "pad": "resized by its longer side, on black",
}
KERNELS: Mapping[str, tuple[str, bool, str]] = {  # kernel and antialiasing of the reader
    "bilinear": ("bilinear", True, "bilinear, as Pillow resizes"),
    "bilinear-tf": ("bilinear", False, "bilinear without antialiasing, as tf.image.resize"),
    "bicubic": ("bicubic", True, "bicubic, as Pillow resizes"),
    "bicubic-tf": ("bicubic", False, "bicubic without antialiasing"),
    "nearest": ("nearest", False, "the nearest pixel"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Preprocessing:
    """One choice of each step; the fields are its `FACTORS`."""

    channels: str
    values: str
    polarity: str
    fit: str
    kernel: str

    def with_(self, factor: str, option: str) -> "Preprocessing":
        """Return the same with another choice of one step."""
        return dataclasses.replace(self, **{factor: option})

    @property
    def said(self) -> str:
        """How pixels become numbers, in a few words: "BGR, levels minus the ImageNet means"."""
        inverted = ", inverted" if self.polarity == "inverted" else ""
        return f"{CHANNELS[self.channels]}{inverted}, {VALUES[self.values].said}"

    def spec(self, height: int, width: int) -> ImageSpec:
        """Return how files become pixels; `inside` cuts the middle out of them."""
        kernel, antialias, _ = KERNELS[self.kernel]
        rule, _, margin = self.fit.partition("-")
        if margin:
            height, width = round(height * _MARGIN), round(width * _MARGIN)
        return ImageSpec(
            height=height,
            width=width,
            color="grey" if self.channels == "grey" else "rgb",
            resize=rule,
            kernel=kernel,
            antialias=antialias,
            background=0,
        )

    def inputs(self, pixels: Images, size: tuple[int, int], statistics: Statistics) -> Inputs:
        """Return what the network takes of pixels (N, H, W, C), as `spec` reads them; `size` is (height, width)."""
        levels = inside(pixels, size).astype(np.float32)
        levels = 255 - levels if self.polarity == "inverted" else levels
        numbers = VALUES[self.values].of(levels, statistics)
        return np.ascontiguousarray(numbers[..., ::-1] if self.channels == "bgr" else numbers, np.float32)


FACTORS: Mapping[str, str] = {
    "channels": "channel order",
    "values": "range of values",
    "polarity": "polarity",
    "fit": "resize and crop",
    "kernel": "resize kernel",
}
OF_PIXELS = ("channels", "values", "polarity")
OF_FILES = ("fit", "kernel")


def options(factor: str, *, grey: bool, whole_numbers: bool) -> tuple[str, ...]:
    """Return the choices of a step, the usual ones first.

    `grey`: the network takes one channel; `whole_numbers`: it takes integers, which nobody scales.
    """
    match factor:
        case "channels":
            return ("grey",) if grey else ("rgb", "bgr")
        case "values":
            return ("0..255",) if whole_numbers else tuple(VALUES)
        case "polarity":
            return tuple(POLARITIES)
        case "fit":
            return tuple(FITS)
        case _:
            return tuple(KERNELS)


def said_of(factor: str, option: str) -> str:
    """Return a choice in words."""
    match factor:
        case "channels":
            return CHANNELS[option]
        case "values":
            return VALUES[option].said
        case "polarity":
            return POLARITIES[option]
        case "fit":
            return FITS[option]
        case _:
            return KERNELS[option][2]


def inside(pixels: Images, size: tuple[int, int]) -> Images:
    """Return the middle (N, height, width, C) of images that may be larger."""
    top, left = (pixels.shape[1] - size[0]) // 2, (pixels.shape[2] - size[1]) // 2
    return pixels[:, top : top + size[0], left : left + size[1]]


def every(*, grey: bool, whole_numbers: bool, like: Preprocessing) -> Iterator[Preprocessing]:
    """Yield all combinations of the steps that change pixels; files are read as in `like`."""
    for channels in options("channels", grey=grey, whole_numbers=whole_numbers):
        for values in options("values", grey=grey, whole_numbers=whole_numbers):
            for polarity in options("polarity", grey=grey, whole_numbers=whole_numbers):
                yield dataclasses.replace(like, channels=channels, values=values, polarity=polarity)
