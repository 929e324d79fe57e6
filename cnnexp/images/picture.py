"""One decoded image, between the file it came from and the network it goes into."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .spec import Size

Box = tuple[float, float, float, float]  # left, upper, right, lower; pixels of the image it is cut from


class UnreadableImageError(ValueError):
    """No image could be made of a file or array; the message says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded image: upright, 8 bit, and a JPEG perhaps at a fraction of its size."""

    decoded: Image.Image | NDArray[np.uint8]  # an array is (H, W) grey or (H, W, 3) RGB
    size: Size  # its own, upright, whatever `decoded` has
    box: Box  # where in `decoded` it lies: at a fraction, the last pixels reach beyond its edge

    @property
    def image(self) -> Image.Image:
        """What was decoded, for Pillow."""
        return Image.fromarray(self.decoded) if isinstance(self.decoded, np.ndarray) else self.decoded

    @property
    def mode(self) -> str:
        """Pillow's name of the colour mode."""
        if isinstance(self.decoded, np.ndarray):
            return "L" if self.decoded.ndim == 2 else "RGB"
        return self.decoded.mode

    @property
    def is_whole(self) -> bool:
        """Whether all the pixels it has were decoded."""
        return self.box == (0, 0, *self.size)
