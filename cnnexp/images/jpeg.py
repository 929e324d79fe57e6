"""Plain JPEG files, decoded by libjpeg-turbo directly instead of through Pillow: the same pixels, faster.

Most files are plain: grey or YCbCr, stored upright, and decoded without a warning. Pillow decodes every other file, and
all files where simplejpeg is not installed, to the same pixels, because it uses libjpeg-turbo too. Nothing here reports
what is wrong with a file; Pillow does that.
"""

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

try:
    import simplejpeg
except ImportError:  # an export may be used where it is not installed
    simplejpeg = None

_BEGINNING = b"\xff\xd8\xff"
_SCAN, _APP1 = 0xDA, 0xE1  # markers: the image begins; Exif or XMP
_SEGMENT = struct.Struct(">BBH")  # 255, marker, length of what follows the marker
_LARGEST = 256 * 2**20  # bytes of a file that are read into memory at once
_SMALLEST = 16  # pixels per side from which the resulting size identifies the fraction
_COLORS = {"Gray": "GRAY", "YCbCr": "RGB"}  # how a plain file is stored: what it is decoded to

# The entry that means "upright", in either byte order: tag, type, count, value (Exif 2.32, 4.6.2 and 4.6.4).
_UPRIGHT = {b"II": b"\x12\x01\x03\x00\x01\x00\x00\x00\x01\x00", b"MM": b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x01"}


@dataclass(slots=True)
class PlainJpeg:
    """The content of a plain file, its header read."""

    content: bytes
    size: tuple[int, int]  # (width, height), pixels
    color: str  # RGB | GRAY

    def decode(self, divisor: int) -> NDArray[np.uint8] | None:
        """Decode at 1/1, 1/2, 1/4 or 1/8 of the size, rounded up.

        Returns:
            (H, W, 3) RGB or (H, W) grey; None where the file turns out not to be plain

        """
        width, height = self.size
        if divisor > 1:
            if min(width, height) < _SMALLEST:
                return None
            width, height = -(-width // divisor), -(-height // divisor)
        try:
            pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(
                self.content, self.color, min_height=height, min_width=width
            )
        except ValueError:  # an error, or a warning
            return None
        if pixels.shape[:2] != (height, width):
            return None
        return pixels[..., 0] if self.color == "GRAY" else pixels


def plain_jpeg(source: str | Path | bytes) -> PlainJpeg | None:
    """Read the header of a plain JPEG; None where the file is not one, or cannot be read."""
    content = _content(source) if simplejpeg else None
    if content is None or not _is_upright(content):
        return None
    try:
        height, width, color, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    return PlainJpeg(content, (width, height), _COLORS[color]) if color in _COLORS else None


def _content(source: str | Path | bytes) -> bytes | None:
    if isinstance(source, bytes):
        return source if source.startswith(_BEGINNING) else None
    try:
        file = os.open(source, os.O_RDONLY)  # half the time of Python's file objects, which matters for small images
    except (OSError, ValueError):  # a null byte is a ValueError
        return None
    try:
        if os.read(file, len(_BEGINNING)) != _BEGINNING or (size := os.fstat(file).st_size) > _LARGEST:
            return None
        return _BEGINNING + os.read(file, size)
    except OSError:
        return None
    finally:
        os.close(file)


def _is_upright(content: bytes) -> bool:
    """Return whether a file certainly needs no rotation; False also where its segments cannot be parsed."""
    at = len(_BEGINNING) - 1
    try:
        while (segment := _SEGMENT.unpack_from(content, at))[:2] != (0xFF, _SCAN):
            beginning, marker, length = segment
            if beginning != 0xFF or (marker == _APP1 and _may_rotate(content[at + 4 : at + 2 + length])):
                return False
            at += 2 + length
    except struct.error:  # the file ends before the image begins
        return False
    return True


def _may_rotate(segment: bytes) -> bool:
    if segment.startswith(b"Exif\0\0"):
        return not _is_upright_exif(segment[6:])
    return b"tiff:Orientation" in segment  # in XMP, which Pillow follows where Exif has no orientation


def _is_upright_exif(exif: bytes) -> bool:
    """Read the first directory of Exif, which has the format of a TIFF file's."""
    order = exif[:2]
    if order not in _UPRIGHT:
        return False
    endian: Literal["little", "big"] = "little" if order == b"II" else "big"
    first = int.from_bytes(exif[4:8], endian)
    count = int.from_bytes(exif[first : first + 2], endian)
    entries = (exif[at : at + 10] for at in range(first + 2, first + 2 + 12 * count, 12))
    return {entry for entry in entries if entry[:2] == _UPRIGHT[order][:2]} <= {_UPRIGHT[order]}
