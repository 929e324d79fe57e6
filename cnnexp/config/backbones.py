"""The pretrained backbones there are, and what is known of each before it is built.

A table, because a command line is checked, a sweep hashes its runs and data are read without Keras.
"""

from dataclasses import dataclass

_IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in 0..1
_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
_CAFFE_MEAN = (123.68, 116.779, 103.939)  # of red, green and blue in 0..255


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What a network was trained to see: pixel * scale + offset, of red, green and blue."""

    scale: tuple[float, float, float]
    offset: tuple[float, float, float]


_PLUS_MINUS_1 = Preprocessing((1 / 127.5,) * 3, (-1.0,) * 3)
_PLUS_MINUS_128 = Preprocessing((1 / 128,) * 3, (-1.0,) * 3)
_LITE = Preprocessing((1 / 128,) * 3, (-127 / 128,) * 3)
_CAFFE = Preprocessing((1.0,) * 3, (-_CAFFE_MEAN[0], -_CAFFE_MEAN[1], -_CAFFE_MEAN[2]))
_TORCH = Preprocessing(
    (1 / 255 / _IMAGENET_DEVIATION[0], 1 / 255 / _IMAGENET_DEVIATION[1], 1 / 255 / _IMAGENET_DEVIATION[2]),
    (
        -_IMAGENET_MEAN[0] / _IMAGENET_DEVIATION[0],
        -_IMAGENET_MEAN[1] / _IMAGENET_DEVIATION[1],
        -_IMAGENET_MEAN[2] / _IMAGENET_DEVIATION[2],
    ),
)


@dataclass(frozen=True, slots=True)
class Backbone:
    """One network that was trained on the 1,000 classes of ImageNet."""

    side: int  # pixels of the square images that it was trained on
    smallest: int  # pixels of the shorter side of the smallest images that it takes
    # Values of its largest feature map, by pixels of the image: what decides whether more threads are worth it.
    values_per_pixel: float
    preprocessing: Preprocessing
    builder: str | None = None  # in keras.applications; None: built here


BACKBONES: dict[str, Backbone] = {
    "efficientnet_lite0": Backbone(224, 8, 24, _LITE),
    "efficientnet_lite1": Backbone(240, 8, 24, _LITE),
    "efficientnet_lite2": Backbone(260, 8, 24, _LITE),
}
