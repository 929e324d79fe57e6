"""Netpbm files (PBM, PGM, PPM; P1 to P6): a header in ASCII, then levels in binary or as text (netpbm.sourceforge.net).

Pillow reads them, too, but takes minutes for a photograph whose largest level is not 255.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UnreadableImageError
from .spec import Size

LARGEST_TEXT = 2**26  # bytes of a file whose levels are text

_NEITHER_SPACE = re.compile(rb"[^\s]")
_END_OF_LINE = re.compile(rb"[\r\n]")
_NUMBER = re.compile(rb"\d{1,7}(?=\s|#|$)")
_COMMENT = re.compile(rb"#[^\r\n]*")


@dataclass(frozen=True, slots=True)
class NetpbmHeader:
    """What the header says."""

    kind: int  # 1 bits, 2 grey, 3 RGB as text; 4, 5, 6 the same in binary
    size: Size
    largest: int  # level, of white
    start: int  # byte after the header

    @property
    def channels(self) -> int:
        """Levels of a pixel."""
        return 3 if self.kind in (3, 6) else 1


def read_header(content: bytes) -> NetpbmHeader:
    """Read the header of a file.

    Raises:
        UnreadableImageError: it is damaged.

    """
    kind, at, numbers = int(content[1:2]), 2, []
    for _ in range(2 if kind in (1, 4) else 3):
        number, at = _number(content, at)
        numbers.append(number)
    largest = numbers[2] if len(numbers) == 3 else 1
    if min(numbers) < 1 or largest > 65535:
        raise _damaged("a side or the largest level is out of range")
    return NetpbmHeader(kind, (numbers[0], numbers[1]), largest, at + 1)


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Return the next number of the header, and where it ends."""
    while found := _NEITHER_SPACE.search(content, at):
        at = found.start()
        if content[at : at + 1] != b"#":
            break
        line = _END_OF_LINE.search(content, at)
        at = line.end() if line else len(content)
    number = _NUMBER.match(content, at)
    if number is None:
        raise _damaged("a number is missing in the header")
    return int(number[0]), number.end()


def read_levels(content: bytes, header: NetpbmHeader) -> NDArray[Any]:
    """Return the levels (H, W) or (H, W, 3), from 0 to the largest of the header.

    Raises:
        UnreadableImageError: levels are missing, or larger than the header says.

    """
    width, height = header.size
    levels = _of_text(content, header) if header.kind < 4 else _of_bytes(content, header)
    if levels.max(initial=0) > header.largest:
        raise _damaged(f"a level is out of the range 0..{header.largest}")
    if header.kind in (1, 4):
        levels = 1 - levels  # in these files, 1 is black
    shape = (height, width) if header.channels == 1 else (height, width, 3)
    return levels.reshape(shape)


def _of_bytes(content: bytes, header: NetpbmHeader) -> NDArray[Any]:
    width, height = header.size
    if header.kind == 4:
        row = -(-width // 8)
        _require(len(content) - header.start, row * height)
        bits = np.frombuffer(content, np.uint8, row * height, header.start).reshape(height, row)
        return np.unpackbits(bits, axis=1, count=width)
    dtype = np.dtype(np.uint8) if header.largest < 256 else np.dtype(">u2")
    count = width * height * header.channels
    _require(len(content) - header.start, count * dtype.itemsize)
    return np.frombuffer(content, dtype, count, header.start).astype(dtype.newbyteorder("="))


def _of_text(content: bytes, header: NetpbmHeader) -> NDArray[Any]:
    if len(content) > LARGEST_TEXT:
        raise UnreadableImageError(f"it has {len(content):,} bytes of text; at most {LARGEST_TEXT:,} are read.")
    text = _COMMENT.sub(b"", content[header.start - 1 :])
    count = header.size[0] * header.size[1] * header.channels
    if header.kind == 1:  # digits need no space between them
        bits = np.frombuffer(b"".join(text.split()), np.uint8) - np.uint8(48)
        _require(len(bits), count)
        return bits[:count]
    try:
        levels = np.fromstring(text, np.int64, sep=" ")
    except ValueError as error:
        raise _damaged(str(error)) from error
    _require(len(levels), count)
    levels = levels[:count]
    if levels.min(initial=0) < 0 or levels.max(initial=0) > header.largest:
        raise _damaged(f"a level is out of the range 0..{header.largest}")
    return levels.astype(np.uint16 if header.largest > 255 else np.uint8)


def _require(found: int, needed: int) -> None:
    if found < needed:
        raise _damaged(f"it has {found:,} of {needed:,} bytes or levels")


def _damaged(reason: str) -> UnreadableImageError:
    return UnreadableImageError(f"the file is damaged or truncated ({reason}).")
