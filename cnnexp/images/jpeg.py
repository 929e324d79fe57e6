"""Plain JPEG files, decoded by libjpeg-turbo without the detour through Pillow: the same pixels, sooner.

Plain is what most files are: grey or YCbCr, stored upright, and decoded without a word of warning. Every other file is
Pillow's, and so is every file where simplejpeg is not installed, with the same pixels, as it decodes by libjpeg-turbo
too. Nothing here says what is wrong with a file: Pillow does that.
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
except ImportError:  # an export may be used where it is not
    simplejpeg = None

_BEGINNING = b"\xff\xd8\xff"
_SCAN, _APP1 = 0xDA, 0xE1  # markers: the image begins; Exif or XMP
_SEGMENT = struct.Struct(">BBH")  # 255, marker, length of what follows the marker
_LARGEST = 256 * 2**20  # bytes of a file that are taken into memory at once
_SMALLEST = 16  # pixels a side from which a fraction is known by the size that it gives
_COLORS = {"Gray": "GRAY", "YCbCr": "RGB"}  # how a plain file is stored: what it is decoded to

# The entry that says "upright", in either byte order: tag, type, count, value (Exif 2.32, 4.6.2 and 4.6.4).
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
    """Look whether a file is a plain JPEG; None where it is not, or is none, or cannot be read."""
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
        file = os.open(source, os.O_RDONLY)  # half the time of Python's file objects, which tells for small images
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
    """Say whether a file certainly needs no rotation; False also where its segments are not understood."""
    at = len(_BEGINNING) - 1
    try:
        while (segment := _SEGMENT.unpack_from(content, at))[:2] != (0xFF, _SCAN):
            beginning, marker, length = segment
            if beginning != 0xFF or (marker == _APP1 and _may_turn(content[at + 4 : at + 2 + length])):
                return False
            at += 2 + length
    except struct.error:  # the end, before the image began
        return False
    return True


def _may_turn(segment: bytes) -> bool:
    if segment.startswith(b"Exif\0\0"):
        return not _says_upright(segment[6:])
    return b"tiff:Orientation" in segment  # XMP's, which Pillow heeds where Exif says nothing


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
