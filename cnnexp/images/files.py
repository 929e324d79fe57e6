"""Image files decoded: opened by content, never by name; first frame, upright, 8 bit; or the reason why not."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from .arrays import from_array
from .decoded_image import Box, DecodedImage, UnreadableImageError
from .jpeg import plain_jpeg
from .spec import ImageSpec, Size

# File name endings of the formats below, lower case.
ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})

# Pixels above which a file is refused before it is decoded: a quarter of a gigabyte of RGB, and where Pillow warns.
PIXEL_LIMIT = 89_478_485

# A JPEG is decoded at a fraction of its size that still has at least this many pixels per output pixel and side, for an
# antialiased resize to average: half the decoding time, and hardly another result. At 1 it would deviate two or three
# times as far. Pillow's `reducing_gap` means the same.
REDUCING_GAP = 2

# An allow-list, because Pillow would hand PostScript to Ghostscript, which executes it.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")

_ORIENTATION, _TURNED = ExifTags.Base.Orientation, (5, 6, 7, 8)  # those that swap width and height
_FROM_RIGHT, _FROM_BOTTOM = (2, 3, 6, 7), (3, 4, 7, 8)  # those whose left, or top, was stored as right, or bottom
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")

File = str | Path | bytes


def decode_file(source: File, spec: ImageSpec | None) -> DecodedImage:
    """Decode the first frame, upright, with enough pixels for the spec (None: all it has).

    Raises:
        UnreadableImageError: the file is missing, truncated, not an image, of another format, or too large.

    """
    return decode_by_simplejpeg(source, spec) or decode_by_pillow(source, spec)


def decode_by_simplejpeg(source: File, spec: ImageSpec | None) -> DecodedImage | None:
    """Decode a plain JPEG; None for any other file."""
    plain = plain_jpeg(source)
    if plain is None or _is_bomb(plain.size):
        return None
    divisor = _divisor(plain.size, _enough(plain.size, spec))
    pixels = plain.decode(divisor)
    if pixels is None:
        return None
    width, height = plain.size
    return DecodedImage(pixels, plain.size, (0, 0, width / divisor, height / divisor))


def decode_by_pillow(source: File, spec: ImageSpec | None) -> DecodedImage:
    """Decode any file; 16 bit and floating-point pixels become 8 bit."""
    with _opened(source) as image:
        orientation = _orientation(image)
        size = _turned(image.size, orientation)
        scale = _drafted(image, _turned(_enough(size, spec), orientation))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    box = _box(image.size, (size[0] / scale, size[1] / scale), orientation)
    if image.mode in _SIXTEEN_BIT:
        return DecodedImage(_of_sixteen_bit(image), size, box)
    return DecodedImage(from_array(np.asarray(image)) if image.mode in ("F", "I") else image, size, box)


def _of_sixteen_bit(image: Image.Image) -> Image.Image:
    """Make 8 bit of 16; the one grey level that a PNG file may declare transparent is compared in all its bits."""
    levels = np.asarray(image).astype(np.uint16)
    grey = from_array(levels)
    transparent = image.info.get("transparency")
    return grey if transparent is None else Image.merge("LA", (grey, from_array(levels != transparent)))


def file_size(source: File) -> Size:
    """Read the size, upright, from the header alone; damage behind it is not noticed."""
    with _opened(source) as image:
        return _turned(image.size, _orientation(image))


def _orientation(image: Image.Image) -> int:
    """Read how EXIF says that a file is stored: 1 for upright, and for TIFF, which Pillow turns itself."""
    return 1 if image.format == "TIFF" else image.getexif().get(_ORIENTATION, 1)


def _turned(size: Size, orientation: int) -> Size:
    return (size[1], size[0]) if orientation in _TURNED else size


def _enough(size: Size, spec: ImageSpec | None) -> Size:
    """Return the smallest size, upright, that an image may be decoded at."""
    if spec is None or not spec.antialias or spec.kernel == "nearest":  # nothing is averaged, single pixels count
        return size
    width, height = spec.inside(size) if spec.resize == "pad" else (spec.width, spec.height)
    return REDUCING_GAP * width, REDUCING_GAP * height


def _divisor(size: Size, enough: Size) -> int:
    """Return by what the sides of a JPEG are divided at the smallest fraction that is enough: 1, 2, 4 or 8."""
    largest = min(size[0] // enough[0], size[1] // enough[1])
    return 1 if largest < 2 else 2 if largest < 4 else 4 if largest < 8 else 8


def _drafted(image: Image.Image, enough: Size) -> float:
    """Let Pillow decode a JPEG at the fraction that is enough; return by what it divides the sides."""
    width = image.width
    drafted = image.draft(None, enough)  # None for other formats; the argument None: keep the colour mode
    return width / drafted[1][2] if drafted else 1


def _box(size: Size, covered: tuple[float, float], orientation: int) -> Box:
    """Return where in an upright image of `size` the `covered` part lies; the excess was stored right and below."""
    over_x, over_y = size[0] - covered[0], size[1] - covered[1]
    left = over_x if orientation in _FROM_RIGHT else 0
    upper = over_y if orientation in _FROM_BOTTOM else 0
    return left, upper, left + covered[0], upper + covered[1]


@contextmanager
def _opened(source: File) -> Iterator[Image.Image]:
    """Open a file by its content; any error inside becomes the reason why the file is unreadable."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=_FORMATS) as image:
            _refuse_bomb(image)
            yield image
    except UnreadableImageError:
        raise
    except Exception as error:  # Pillow's decoders raise a dozen kinds of exception on damaged files
        raise UnreadableImageError(_reason(source, error)) from error


def _refuse_bomb(image: Image.Image) -> None:
    if _is_bomb(image.size):
        width, height = image.size
        raise UnreadableImageError(
            f"{width} × {height} pixels are more than the {PIXEL_LIMIT:,} that are read; make the image smaller."
        )


def _is_bomb(size: Size) -> bool:
    return size[0] * size[1] > PIXEL_LIMIT


def _reason(source: File, error: Exception) -> str:
    """Return why a file could not be read."""
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it has more than the {PIXEL_LIMIT:,} pixels that are read; make the image smaller."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}."
    if isinstance(error, UnidentifiedImageError):
        size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
        return "the file is empty." if size == 0 else f"it is no {', '.join(_FORMATS)} image."
    return f"the file is damaged or truncated ({str(error) or type(error).__name__})."
