"""One decoded image, between the file it came from and the network it goes into."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .levels import Levels
from .spec import Size

Box = tuple[float, float, float, float]  # left, upper, right, lower; pixels of the image it is cut from


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One decoded image: upright, 8 bit; a JPEG possibly at a fraction of its size."""

    pixels: Image.Image | NDArray[np.uint8]  # an array is (H, W) grey or (H, W, 3) RGB
    size: Size  # of the whole image, upright, whatever the size of `pixels`
    box: Box  # where in `pixels` the image lies: at a fraction, the last pixels extend beyond its edge
    levels: Levels | None = None  # of the colours before they became 8 bits; None: they said no more than these do

    @property
    def as_pillow(self) -> Image.Image:
        """The pixels as an image of Pillow."""
        return Image.fromarray(self.pixels) if isinstance(self.pixels, np.ndarray) else self.pixels

    @property
    def mode(self) -> str:
        """Pillow's name of the colour mode."""
        if isinstance(self.pixels, np.ndarray):
            return "L" if self.pixels.ndim == 2 else "RGB"
        return self.pixels.mode

    @property
    def is_whole(self) -> bool:
        """Whether it was decoded at its full size."""
        return self.box == (0, 0, *self.size)
