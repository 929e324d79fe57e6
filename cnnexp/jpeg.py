"""Plain JPEG files, decoded by libjpeg-turbo without the detour through Pillow: the same pixels in a third of the time.

Plain is what most files are: grey or YCbCr, stored upright, and decoded without a word of warning. Every other file is
Pillow's, and so is every file where simplejpeg is not installed, with the same pixels, as it decodes by libjpeg-turbo
too. Nothing here says what is wrong with a file: Pillow does that.

Copied as it stands, with ``images.py``, into every logged model and every export.
"""

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

try:
    import simplejpeg
except ImportError:  # an export may be used where it is not
    simplejpeg = None

_BEGINNING = b"\xff\xd8\xff"
_SCAN, _APP1 = 0xDA, 0xE1  # markers: the image begins; Exif or XMP
_LARGEST = 256 * 2**20  # bytes of a file that are taken into memory at once
_SMALLEST = 16  # pixels a side from which a fraction is known by the size that it gives

# The entry that says "upright", in either byte order: tag, type, count, value (Exif 2.32, 4.6.2 and 4.6.4).
_UPRIGHT = {b"II": b"\x12\x01\x03\x00\x01\x00\x00\x00\x01\x00", b"MM": b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x01"}


class PlainJpeg:
    """The content of a plain file, its header read."""

    def __init__(self, content: bytes, *, height: int, width: int, color: str) -> None:
        self.size = (width, height)
        self._content = content
        self._color = color

    def decode(self, fraction: int) -> NDArray[np.uint8] | None:
        """Decode at 1/1, 1/2, 1/4 or 1/8 of the size, rounded up.

        Returns:
            (H, W, 3) RGB or (H, W) grey; None where the file turns out not to be plain

        """
        width, height = (-(-side // fraction) for side in self.size)
        if fraction > 1 and min(self.size) < _SMALLEST:
            return None
        try:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                self._content, self._color, min_height=height, min_width=width
            )
        except ValueError:  # an error, or a warning
            return None
        if pixels.shape[:2] != (height, width):
            return None
        return pixels[..., 0] if self._color == "GRAY" else pixels


def plain_jpeg(source: str | Path | bytes) -> PlainJpeg | None:
    """Look whether a file is a plain JPEG; None where it is not, or is none, or cannot be read."""
    content = _content(source) if simplejpeg else None
    if content is None or not _is_upright(content):
        return None
    try:
        height, width, color, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    kind = {"Gray": "GRAY", "YCbCr": "RGB"}.get(color)
    return PlainJpeg(content, height=height, width=width, color=kind) if kind else None


def _content(source: str | Path | bytes) -> bytes | None:
    if isinstance(source, bytes):
        return source if source.startswith(_BEGINNING) else None
    try:
        with io.FileIO(source) as file:
            if file.read(len(_BEGINNING)) != _BEGINNING or os.fstat(file.fileno()).st_size > _LARGEST:
                return None
            return _BEGINNING + file.readall()
    except OSError:
        return None


def _is_upright(content: bytes) -> bool:
    """Say whether a file certainly needs no rotation; False also where its segments are not understood."""
    for segment in _app1(content):
        if segment is None or b"tiff:Orientation" in segment:  # XMP's, which Pillow heeds
            return False
        if segment.startswith(b"Exif\0\0") and not _says_upright(segment[6:]):
            return False
    return True


def _says_upright(exif: bytes) -> bool:
    """Look into the first directory of Exif, which is written like a TIFF file's."""
    order = exif[:2]
    if order not in _UPRIGHT:
        return False
    endian: Literal["little", "big"] = "little" if order == b"II" else "big"
    first = int.from_bytes(exif[4:8], endian)
    count = int.from_bytes(exif[first : first + 2], endian)
    entries = (exif[at : at + 10] for at in range(first + 2, first + 2 + 12 * count, 12))
    return {entry for entry in entries if entry[:2] == _UPRIGHT[order][:2]} <= {_UPRIGHT[order]}


def _app1(content: bytes) -> Iterator[bytes | None]:
    """Walk over the segments before the image and yield those that may say how it is turned; None: no way on."""
    at = 2
    while content[at : at + 1] == b"\xff" and content[at + 1 : at + 2] != bytes([_SCAN]):
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4])
        if content[at + 1 : at + 2] == bytes([_APP1]):
            yield content[at + 4 : end]
        at = end
    if content[at : at + 1] != b"\xff":
        yield None
