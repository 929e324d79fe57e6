"""PNG files: what says nothing about the pixels is passed over, whatever its size; all bits of 16-bit colours.

Pillow reads texts and colour profiles of a file before its pixels, and refuses it where one is large. Of 16-bit colours
it keeps the upper bytes; its decoder gives the lower ones where it is told that the bytes are in the other order.
"""

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from .errors import UnreadableImageError
from .levels import joined

MOST_CHUNKS = 500_000  # a file of 89 million pixels has some ten thousand
_SIGNATURE = 8  # bytes

# Beside the critical chunks, whose names begin with a capital: transparency, Exif, and texts that may hold Exif or XMP.
_KEPT = (b"tRNS", b"eXIf")
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_ABOUT_ORIENTATION = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")

_COLOR_TYPE, _BITS = 25, 24  # places in a file
_WITH_COLOR_OR_ALPHA = (2, 4, 6)

Chunk = tuple[bytes, int, int]  # name, where it starts, where it ends


def open_png(content: bytes) -> PngImagePlugin.PngImageFile:
    """Open a file by what is essential of it; texts that may say how it is turned are, where Pillow can read them.

    Raises:
        UnreadableImageError: it has too many chunks; Pillow raises other errors.

    """
    try:
        return PngImagePlugin.PngImageFile(io.BytesIO(_essential(content, (*_KEPT, *_TEXTS))))
    except ValueError:  # such as a text that unpacks to more than Pillow reads
        return PngImagePlugin.PngImageFile(io.BytesIO(_essential(content, _KEPT)))


def _essential(content: bytes, kept: tuple[bytes, ...]) -> bytes:
    """Return the file with its critical chunks and the first of each that is `kept`, also from behind the pixels."""
    before, pixels, seen = [content[:_SIGNATURE]], list[bytes](), set[bytes]()
    for name, start, end in _chunks(content):
        if name[:1].isupper():
            (pixels if pixels or name == b"IDAT" else before).append(content[start:end])
        elif name in kept and name not in seen and (name in _KEPT or _is_about_orientation(content, start)):
            before.append(content[start:end])
            seen.add(name)
    return b"".join((*before, *pixels))


def _is_about_orientation(content: bytes, start: int) -> bool:
    return content.startswith(_ABOUT_ORIENTATION, start + 8)


def _chunks(content: bytes) -> Iterator[Chunk]:
    """Yield the chunks; of a file that ends within one, the last one is short."""
    at = _SIGNATURE
    for _ in range(MOST_CHUNKS):
        if at >= len(content):
            return
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8], at, end
        at = end
    raise UnreadableImageError(f"it has more than {MOST_CHUNKS:,} chunks.")


class _LowerBytes(PngImagePlugin.PngImageFile):
    """A file of 16-bit colours, of which the lower bytes are decoded."""

    def _open(self) -> None:
        super()._open()
        rawmode = str(self.tile[0].args)
        if rawmode.startswith("LA"):  # four bytes a pixel: two of grey, two of transparency
            rawmode = self._mode = "RGBA"
        self.tile = [tile._replace(args=rawmode.replace(";16B", ";16L")) for tile in self.tile]


def values_of(image: Image.Image, content: bytes) -> NDArray[np.uint16] | None:
    """Return the levels (H, W) or (H, W, C) of a decoded file, as it is stored; None: it has 8 bits or fewer.

    Those of transparency are not among them.
    """
    if content[_BITS] != 16:
        return None
    pixels = np.asarray(image)
    if content[_COLOR_TYPE] not in _WITH_COLOR_OR_ALPHA:
        return pixels.astype(np.uint16)
    with _LowerBytes(io.BytesIO(_essential(content, _KEPT))) as decoded:
        lower = np.asarray(decoded)
    return (
        joined(pixels[..., 0], lower[..., 1]) if content[_COLOR_TYPE] == 4 else joined(pixels[..., :3], lower[..., :3])
    )
