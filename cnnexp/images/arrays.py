"""Arrays as images: the dtype of an array determines what its numbers mean, or the value range of the spec does."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .decoded_image import DecodedImage
from .errors import UnreadableImageError
from .levels import ValueRange, eight_bit, levels_of


def from_array(pixels: NDArray[Any], value_range: ValueRange | None) -> DecodedImage:
    """Make an 8-bit image of an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4).

    Transparency, the fourth channel, has the range of its type, whatever that of the colours is.

    Raises:
        UnreadableImageError: it has another shape, type or range.

    """
    require_shape(pixels)
    colors = pixels if pixels.ndim == 2 else pixels[..., 0] if pixels.shape[2] == 1 else pixels[..., :3]
    bytes_ = eight_bit(colors, value_range)
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        bytes_ = np.dstack([bytes_, eight_bit(pixels[..., 3], None)])
    image = Image.fromarray(np.ascontiguousarray(bytes_))
    return DecodedImage(image, image.size, (0, 0, *image.size), levels_of(colors, value_range))


def require_shape(pixels: NDArray[Any]) -> None:
    """Refuse an array of another shape than :func:`from_array` takes."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in (1, 3, 4) or pixels.size == 0:
        raise UnreadableImageError(
            f"an image array must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) and not empty; got {pixels.shape}."
        )
