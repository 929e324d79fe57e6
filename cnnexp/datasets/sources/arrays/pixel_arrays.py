"""Arrays of images as people save them, made (N, H, W) or (N, H, W, C) of a type that the reader of images takes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import DataError

_CHANNELS = (1, 3, 4)
_BLOCK = 1024  # images that are looked at at once


def as_images(images: NDArray[Any], *, narrow: bool, origin: object) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return images with their channels last, and 8-bit levels of another type as uint8; and a note for each change.

    Args:
        images: (N, H, W), (N, H, W, C) or (N, C, H, W) of C in 1, 3, 4
        narrow: make uint8 of whole numbers in 0..255 of any other type
        origin: the archive, for messages

    Raises:
        DataError: they have another shape, or there are none.

    """
    if images.ndim not in (3, 4) or (images.ndim == 4 and _channel_axis(images) is None):
        raise DataError(
            f"{origin}: images must be (N, H, W) or (N, H, W, C), C being {', '.join(map(str, _CHANNELS))}; "
            f"got {images.shape}.{_reshape(images)}"
        )
    if not images.size:
        raise DataError(f"{origin}: images must hold an image; it is empty, {images.shape}.")
    notes = []
    if images.ndim == 4 and _channel_axis(images) == 1:
        images = images.transpose(0, 2, 3, 1)
        notes.append(f"Images were saved with their channels first, and are read as {images.shape}.")
    if narrow and _is_eight_bit(images):
        notes.append(f"Images are whole numbers in 0..255, saved as {images.dtype}, and are read as uint8.")
        images = images.astype(np.uint8)
    return images, tuple(notes)


def _channel_axis(images: NDArray[Any]) -> int | None:
    return next((axis for axis in (3, 1) if images.shape[axis] in _CHANNELS), None)


def _reshape(images: NDArray[Any]) -> str:
    """Return a sentence about flat images of square shape; empty for others."""
    length = images.shape[1] if images.ndim == 2 else 0
    for channels in _CHANNELS:
        side = round((length / channels) ** 0.5)
        if side > 1 and side * side * channels == length:
            shape = ", ".join(map(str, (-1, side, side, *((channels,) if channels > 1 else ()))))
            return f" If they are flat, save images.reshape({shape})."
    return ""


def _is_eight_bit(images: NDArray[Any]) -> bool:
    """Return whether numbers of a wider type are those of 8 bits: whole, in 0..255, and not of 0..1."""
    if images.dtype.kind not in "iuf" or images.dtype in (np.uint8, np.uint16):
        return False
    if not (images.min() >= 0 and 1 < images.max() <= 255):
        return False
    blocks = (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))
    return images.dtype.kind != "f" or all((block == np.rint(block)).all() for block in blocks)
