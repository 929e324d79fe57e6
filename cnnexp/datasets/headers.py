"""What an image is before it is made to fit: its own size and colour mode, noted down while decoding."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.images import Picture

# One image: its own pixels, upright, and Pillow's name of the mode; zero and empty where it cannot be read.
HEADER = np.dtype([("height", "<u4"), ("width", "<u4"), ("mode", "S8")])

Headers = NDArray[np.void]  # (N,) of HEADER


def header(own: Picture) -> tuple[int, int, str]:
    """Note down one upright image, its colour mode not yet changed."""
    width, height = own.size
    return height, width, own.mode


def headers_of_arrays(pixels: NDArray[np.uint8]) -> Headers:
    """Note down arrays (N, H, W) or (N, H, W, C), which all share one size and mode."""
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    channels = pixels.shape[3] if pixels.ndim == 4 else 1
    return np.full(len(pixels), np.array((*pixels.shape[1:3], modes[channels]), HEADER))
