"""TIFF files decoded by Pillow: as they are stored, 16-bit colours in all their bits, and without a word of libtiff."""

import sys
from contextlib import nullcontext
from typing import Any, BinaryIO, Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile, TiffImagePlugin

from .errors import UnreadableImageError
from .levels import joined
from .quiet import without_stderr
from .tiff_header import TiffHeader

_WIDTH, _HEIGHT, _SAMPLES = 256, 257, 277  # tags
_LARGEST = np.uint16(65_535)
_MOST_BANDS = 5  # colours and transparency


class TiffImage(TiffImagePlugin.TiffImageFile):
    """A file as it is stored: not turned, and without its further directories, which Pillow would read."""

    def _setup(self) -> None:
        if self.tag_v2.get(_SAMPLES, 1) > _MOST_BANDS:  # Pillow would log it
            raise SyntaxError("too many bands")
        super()._setup()
        self._size = self.tag_v2[_WIDTH], self.tag_v2[_HEIGHT]

    def load_prepare(self) -> None:
        """Make room for the pixels; the limit of their number is that of the reader, not Pillow's."""
        ImageFile.ImageFile.load_prepare(self)

    def load_end(self) -> None:
        """Leave the image as it is stored."""


class _LowerBytes(TiffImage):
    """A file of 16-bit colours, of which the lower bytes are decoded."""

    def _setup(self) -> None:
        super()._setup()
        arguments = [cast(tuple[Any, ...], tile.args) for tile in self.tile]
        self.tile = [
            tile._replace(args=(_swapped(own[0]), *own[1:])) for tile, own in zip(self.tile, arguments, strict=True)
        ]


def _swapped(rawmode: str) -> str:
    """Return the raw mode of the other byte order; N is this machine's own."""
    native = "L" if sys.byteorder == "little" else "B"
    order: Literal["L", "B"] = "L" if rawmode[-1].replace("N", native) == "B" else "B"
    return f"{rawmode[:-1]}{order}"


def open_tiff(file: BinaryIO, header: TiffHeader) -> TiffImage:
    """Open a file.

    Raises:
        UnreadableImageError: Pillow knows no such arrangement of bits and bands.

    """
    try:
        return TiffImage(file)
    except SyntaxError as error:
        if "unknown" not in str(error):
            raise
        raise UnreadableImageError(
            f"it has {header}, stored in a way that is not read. Convert it, such as by ImageMagick: "
            "magick in.tif out.png"
        ) from error


def load(image: TiffImage, header: TiffHeader) -> None:
    """Decode a file; where it is compressed, libtiff prints what is wrong with it."""
    with without_stderr() if header.is_compressed else nullcontext():
        image.load()


def values_of(image: TiffImage, header: TiffHeader, file: BinaryIO) -> NDArray[Any] | None:
    """Return the levels (H, W) or (H, W, 3) of a file, as it is stored; None: its upper bytes alone are known."""
    if header.dtype is not None:
        pixels = np.asarray(image)
        levels = pixels.view(np.int8) if header.dtype == np.int8 else pixels.astype(header.dtype)
        return (header.largest or _LARGEST) - levels if header.is_inverted else levels
    if header.has_deep_colors:
        file.seek(0)
        with _LowerBytes(file) as lower:
            return joined(np.asarray(image)[..., :3], np.asarray(lower)[..., :3])
    return None
