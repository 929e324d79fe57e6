"""Arrays as images: the dtype of an array determines what its numbers mean."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .decoded_image import UnreadableImageError


def from_array(pixels: NDArray[Any]) -> Image.Image:
    """Make an 8-bit image of an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    Raises:
        UnreadableImageError: it has another shape, type or range.

    """
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in (1, 3, 4) or pixels.size == 0:
        raise UnreadableImageError(
            f"an image array must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) and not empty; got {pixels.shape}."
        )
    bytes_ = np.ascontiguousarray(_eight_bit(pixels))
    return Image.fromarray(bytes_[..., 0] if pixels.ndim == 3 and channels == 1 else bytes_)


def _eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating):
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 1):  # also true of NaN
            raise UnreadableImageError(
                f"floating-point pixels must lie in 0..1; got {low:g}..{high:g}. Divide by their largest possible "
                "value, or pass 0..255 as uint8."
            )
        return np.rint(pixels * np.float64(255)).astype(np.uint8)
    raise UnreadableImageError(
        f"pixels must be uint8, uint16, floating point in 0..1, or bool; got {pixels.dtype}. "
        "Pass 0..255 as uint8: array.astype(numpy.uint8)."
    )
