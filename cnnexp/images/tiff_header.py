"""What the header of a TIFF file says, before Pillow opens it.

Bands are never dropped in silence: a file is read if its bands are grey, RGB, CMYK or a palette, with or without
transparency (TIFF 6.0, sections 3 to 6 and 18). Tags that claim more bytes than the file has are refused, because
Pillow reads them all.
"""

import os
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from .errors import UnreadableImageError
from .spec import Size

MOST_TAGS = 4096
MOST_PIECES = 500_000  # strips or tiles

_REDUCED, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _PLANAR, _TILES, _EXTRA, _KIND = 273, 274, 277, 284, 324, 338, 339
_NEEDED = (_REDUCED, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION, _SAMPLES, _PLANAR, _EXTRA, _KIND)
_FORMATS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q"}  # types of whole numbers
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_COLORS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}  # photometric interpretation: bands of it
_TRANSPARENCY = (1, 2, 999)  # extra bands: premultiplied, plain, and as Corel Draw 10 wrote it
_PREMULTIPLIED = 1
_WHITE_IS_ZERO = 0  # photometric interpretation
_JPEG = (6, 7)  # compressions
_NUMBERS = {1: "unsigned", 2: "signed", 3: "floating-point", 4: "undefined", 5: "complex", 6: "complex"}
_DTYPES: dict[tuple[int, int], np.dtype[Any]] = {  # kind, bits: as what a file of one band is read
    (2, 8): np.dtype(np.int8), (2, 16): np.dtype(np.int16), (2, 32): np.dtype(np.int32),
    (1, 16): np.dtype(np.uint16), (1, 32): np.dtype(np.uint32), (3, 32): np.dtype(np.float32),
    (1, 12): np.dtype(np.uint16),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TiffHeader:
    """What the first directory of a file says about its first image."""

    size: Size  # as stored
    orientation: int
    bands: int
    extra: tuple[int, ...]  # meanings of the bands beside the colours
    bits: int  # of each band
    kind: int  # of number: 1 unsigned, 2 signed, 3 floating point
    photometric: int
    reduced: bool  # it is a preview of another image in the file
    is_compressed: bool
    is_planar: bool  # each band is stored by itself

    @property
    def has_deep_colors(self) -> bool:
        """Whether it has 16 bits of red, green and blue, as they are: not multiplied by transparency."""
        return self.bits == 16 and self.photometric == 2 and _PREMULTIPLIED not in self.extra

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Type of the numbers of a file of one band; None: 8 bits or fewer."""
        return _DTYPES.get((self.kind, self.bits)) if self.bands == 1 else None

    @property
    def is_inverted(self) -> bool:
        """Whether 0 is white; Pillow inverts levels of 8 bits, and leaves others as they are."""
        return self.photometric == _WHITE_IS_ZERO and self.bits > 8

    @property
    def largest(self) -> int | None:
        """The largest level that a file of 12 bits declares; None for others."""
        return 4095 if self.bits == 12 else None

    def __str__(self) -> str:
        return f"{self.bands} {'band' if self.bands == 1 else 'bands'} of {self.bits}-bit {_NUMBERS[self.kind]} numbers"


def read_header(file: BinaryIO) -> TiffHeader:
    """Read the header of a file.

    Raises:
        UnreadableImageError: it is damaged, or of a kind that is not read; the message says which.

    """
    try:
        tags = _tags(file)
        header = _header(tags)
    except KeyError as error:
        raise UnreadableImageError(f"the file is damaged or truncated (it has no tag {error}).") from error
    except (struct.error, IndexError, OverflowError) as error:
        raise UnreadableImageError(f"the file is damaged or truncated (its header: {error}).") from error
    _refuse_unread(header)
    return header


def _tags(file: BinaryIO) -> dict[int, tuple[int, ...]]:
    """Return the needed tags of the first directory, and of strips and tiles their number."""
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(16)
    order = "<" if start[:2] == b"II" else ">"
    big = 43 in start[2:4]
    entry, number, inline = ("HHQ8s", "Q", 8) if big else ("HHI4s", "I", 4)
    (offset,) = struct.unpack_from(order + number, start, 8 if big else 4)
    file.seek(offset)
    (count,) = struct.unpack(order + ("Q" if big else "H"), file.read(8 if big else 2))
    if count > MOST_TAGS:
        raise UnreadableImageError(f"it has {count:,} tags; at most {MOST_TAGS:,} are read.")
    step = struct.calcsize(order + entry)
    directory = file.read(count * step)
    tags, claimed = {}, 0
    for tag, kind, values, place in struct.iter_unpack(order + entry, directory[: len(directory) // step * step]):
        size = _SIZES.get(kind, 0) * values
        claimed += size if size > inline else 0
        if tag in (_STRIPS, _TILES):
            _refuse_pieces(values)
        if tag in _NEEDED and kind in _FORMATS and values <= MOST_TAGS:
            content = _read_at(file, struct.unpack(order + number, place)[0], size) if size > inline else place
            tags[tag] = struct.unpack_from(f"{order}{values}{_FORMATS[kind]}", content)
    if claimed > length:
        raise UnreadableImageError(f"its tags claim {claimed:,} bytes; the file has {length:,}.")
    file.seek(0)
    return tags


def _read_at(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)


def _refuse_pieces(count: int) -> None:
    if count > MOST_PIECES:
        raise UnreadableImageError(f"its pixels are in {count:,} strips or tiles; at most {MOST_PIECES:,} are read.")


def _header(tags: dict[int, tuple[int, ...]]) -> TiffHeader:
    photometric = tags.get(_PHOTOMETRIC, (0,))[0]
    compression = tags.get(_COMPRESSION, (1,))[0]
    bands = tags.get(_SAMPLES, (3 if compression in _JPEG and photometric in (2, 6) else 1,))[0]
    bits, kinds = set(tags.get(_BITS, (1,))), set(tags.get(_KIND, (1,)))
    if len(bits) > 1 or len(kinds) > 1 or not kinds <= _NUMBERS.keys():
        raise UnreadableImageError(
            f"its {bands} bands are of different kinds ({', '.join(map(str, sorted(bits)))} bits); all must be alike."
        )
    return TiffHeader(
        size=(tags[_WIDTH][0], tags[_HEIGHT][0]),
        orientation=tags.get(_ORIENTATION, (1,))[0],
        bands=bands,
        extra=tags.get(_EXTRA, ()),
        bits=bits.pop(),
        kind=kinds.pop(),
        photometric=photometric,
        reduced=bool(tags.get(_REDUCED, (0,))[0] & 1),
        is_compressed=compression != 1,
        is_planar=tags.get(_PLANAR, (1,))[0] == 2,
    )


def _refuse_unread(header: TiffHeader) -> None:
    if header.reduced:
        raise UnreadableImageError(
            "its first image is a preview of another one, as in camera raw files (NEF, ARW, DNG): export it as TIFF."
        )
    colors = _COLORS.get(header.photometric)
    if colors is None or header.bands not in (colors, colors + 1) or not _is_explained(header, colors):
        raise UnreadableImageError(
            f"it has {header}; read are files whose bands are grey, RGB or CMYK, with or without transparency. "
            "Choose the bands that count, and write them as images of 1 or 3 bands."
        )
    if header.is_planar and header.bands > 1 and header.bits > 8:
        raise UnreadableImageError(
            f"it has {header}, one after the other; with more than 8 bits they must be stored together. "
            "Convert it, such as by libtiff: tiffcp -p contig in.tif out.tif"
        )
    if header.is_inverted and (header.kind, header.bits) not in ((1, 12), (1, 16)):
        raise UnreadableImageError(
            f"it has {header} of which 0 is white; only unsigned integers of up to 16 bits are read so. "
            "Write them with 0 as black (photometric interpretation 1)."
        )
    if header.bits > 8 and not (_is_grey(header) or (header.kind == 1 and header.bits == 16)):
        raise UnreadableImageError(
            f"it has {header}; with 1 band, integers of 8, 16 and 32 bits and floating point of 32 bits are read, "
            "with more, unsigned integers of 8 and 16 bits. Convert it to one of these."
        )


def _is_explained(header: TiffHeader, colors: int) -> bool:
    """Return whether the band beside the colours, if there is one, is declared to be transparency."""
    if header.bands == colors:
        return True
    undeclared = header.photometric == 2 and not header.extra  # a fourth band of RGB that is not declared at all
    return undeclared or (len(header.extra) == 1 and header.extra[0] in _TRANSPARENCY)


def _is_grey(header: TiffHeader) -> bool:
    return header.dtype is not None
