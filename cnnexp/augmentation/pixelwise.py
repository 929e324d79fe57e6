"""Operations of a policy that are no map and no matrix: the pixels of Pillow's, without its loops over 256 levels.

Pillow spends 0.1 ms on an image of any size to compute a table of levels in Python.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

PIXELWISE = ("sharpness", "posterize", "solarize", "autocontrast", "equalize")
_FACTOR = 0.9  # of sharpness: at most 1 ± this
_BITS = 4  # that posterize takes away at most

Pixels = NDArray[np.uint8]  # (H, W, C)
_LEVELS = np.arange(256)


def pixelwise(image: Pixels, name: str, strength: float) -> Pixels:
    """Return an image after one of the operations, with a strength of -1..1; the last two have none."""
    match name:
        case "sharpness":
            return sharpened(image, 1 + _FACTOR * strength)
        case "posterize":
            return posterized(image, 8 - round(_BITS * abs(strength)))
        case "solarize":
            return solarized(image, round(256 * (1 - abs(strength))))
        case "autocontrast":
            return by_channel(image, autocontrast_table)
        case _:
            return by_channel(image, equalize_table)


def sharpened(image: Pixels, factor: float) -> Pixels:
    """Blend an image with its smoothed self: factor 0 is smoothed, 1 unchanged, above 1 sharper."""
    pixels = image if image.shape[-1] == 3 else image[..., 0]
    return np.asarray(ImageEnhance.Sharpness(Image.fromarray(pixels)).enhance(factor)).reshape(image.shape)


def posterized(image: Pixels, bits: int) -> Pixels:
    """Keep so many bits of each level."""
    return image & np.uint8(256 - 2 ** (8 - bits))


def solarized(image: Pixels, threshold: int) -> Pixels:
    """Invert the levels from `threshold` on."""
    return np.where(image >= threshold, 255 - image, image)


def by_channel(image: Pixels, table_of: Callable[[NDArray[np.int64]], Pixels]) -> Pixels:
    """Replace the levels of each channel by a table that follows from its histogram."""
    changed = np.empty_like(image)
    for channel in range(image.shape[-1]):
        plane = np.ascontiguousarray(image[..., channel])
        table = table_of(np.bincount(plane.reshape(-1), minlength=256))
        changed[..., channel] = table[plane]
    return changed


def autocontrast_table(histogram: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Stretch the levels that occur over the whole range."""
    found = np.flatnonzero(histogram)
    low, high = found[0], found[-1]
    if high <= low:
        return _LEVELS.astype(np.uint8)
    scale = 255.0 / (high - low)
    levels: NDArray[np.float64] = np.trunc(_LEVELS * scale - low * scale)
    return levels.clip(0, 255).astype(np.uint8)


def equalize_table(histogram: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Use all levels about equally often."""
    found = np.flatnonzero(histogram)
    step = (histogram.sum() - histogram[found[-1]]) // 255
    if len(found) <= 1 or not step:
        return _LEVELS.astype(np.uint8)
    before = np.cumsum(histogram) - histogram
    levels: NDArray[np.int64] = (step // 2 + before) // step
    return levels.clip(0, 255).astype(np.uint8)
