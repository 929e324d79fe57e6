"""Faults: one wrong step between a file and a saved model, made on purpose to measure its effect.

They cannot happen to a saved model of this package, because reading, scaling and class names travel with it. They do
happen to models that are moved to other programs by hand.

============  ========================================================================================================
scaled_twice  the pixels are scaled before the model, which scales them again
unscaled      the network gets 0..255 instead of the scaled range
swapped       blue first: the channel order of another library
inverted      black on white instead of white on black, 255 - x
turned        a quarter turn: the EXIF rotation is not applied
squeezed      padded with black to an aspect ratio of 4:3, while the model was trained on stretched images
nearest       resized with another kernel: the nearest pixel, without antialiasing
class_order   the class names are in another order than the outputs: each answer becomes the next class
============  ========================================================================================================
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnnexp.diagnosis.image import changes
from cnnexp.errors import ConfigError
from cnnexp.images import ImageSpec
from cnnexp.records import Images, Probabilities, Scaling

NAMES = ("scaled_twice", "unscaled", "swapped", "inverted", "turned", "squeezed", "nearest", "class_order")
_SQUEEZE = 3 / 4  # height of a 4:3 image within its square
_UNUSED = np.random.default_rng(0)  # none of these changes is random


@dataclass(frozen=True, slots=True)
class Fault:
    """One of the wrong steps above."""

    name: str

    @classmethod
    def parse(cls, name: str) -> "Fault":
        """Return the fault of that name; raises ConfigError if it is unknown."""
        if name not in NAMES:
            raise ConfigError(f"fault must be one of none, {', '.join(NAMES)}; got {name!r}.")
        return cls(name)

    def __str__(self) -> str:
        return self.name

    def reading(self, spec: ImageSpec) -> ImageSpec:
        """Return the rule by which the files are read."""
        if self.name != "nearest":
            return spec
        return dataclasses.replace(spec, kernel="nearest", antialias=False)

    def pixels(self, images: Images) -> Images:
        """Return images (N, H, W, C) as the model gets them.

        Raises:
            ConfigError: the fault is impossible with such images.

        """
        match self.name:
            case "swapped":
                if images.shape[-1] != 3:
                    raise ConfigError("fault=swapped needs colour images; these are grey.")
                return changes.swap_channels(images, _UNUSED)
            case "inverted":
                return changes.invert(images, _UNUSED)
            case "turned":
                if images.shape[1] != images.shape[2]:
                    raise ConfigError(f"fault=turned needs square images; these are {images.shape[1:3]}.")
                return changes.turn(1)(images, _UNUSED)
            case "squeezed":
                return changes.pad(_SQUEEZE, 1.0, 0, Image.Resampling.BICUBIC)(images, _UNUSED)
            case _:
                return images

    def scaling(self, scaling: Scaling) -> Scaling:
        """Return the scaling that is applied in all."""
        match self.name:
            case "scaled_twice":
                pairs = list(zip(scaling.scale, scaling.offset, strict=True))
                return Scaling(scaling.rule, tuple(s * s for s, _ in pairs), tuple(s * o + o for s, o in pairs))
            case "unscaled":
                return Scaling(scaling.rule, (1.0,) * len(scaling.scale), (0.0,) * len(scaling.offset))
            case _:
                return scaling

    def answers(self, probabilities: Probabilities) -> Probabilities:
        """Return the probabilities (N, K) as they are assigned to classes."""
        return np.roll(probabilities, 1, axis=1) if self.name == "class_order" else probabilities
