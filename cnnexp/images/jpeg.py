"""JPEG files, at the fraction of their size that is enough.

Most files are plain: grey or YCbCr, stored upright, and decoded without a warning. libjpeg-turbo decodes them directly,
through simplejpeg. Pillow decodes every other file, and all files where simplejpeg is not installed, to the same
pixels, because it uses libjpeg-turbo too.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin

from . import jpeg_segments
from .decoded_image import DecodedImage
from .limits import refuse_large
from .orientation import UPRIGHT, covered_box, orientation_of, turned_upright, upright_size
from .spec import ImageSpec, Size

try:
    import simplejpeg
except ImportError:  # an export may be used where it is not installed
    simplejpeg = None

# A file is decoded at a fraction of its size that still has at least this many pixels per output pixel and side, for an
# antialiased resize to average: half the decoding time, and hardly another result. At 1 it would deviate two or three
# times as far. Pillow's `reducing_gap` means the same.
REDUCING_GAP = 2

_SMALLEST = 16  # pixels per side from which the resulting size identifies the fraction
_COLORS = {"Gray": "GRAY", "YCbCr": "RGB"}  # how a plain file is stored: what it is decoded to


def decode_jpeg(content: bytes, spec: ImageSpec, *, whole: bool) -> DecodedImage:
    """Decode a file with enough pixels for the spec, or the `whole` of it.

    Raises:
        UnreadableImageError: it is too large; Pillow raises other errors.

    """
    return decode_by_simplejpeg(content, spec, whole=whole) or decode_by_pillow(content, spec, whole=whole)


def jpeg_size(content: bytes, *, max_pixels: int) -> Size:
    """Read the size, upright."""
    segments = jpeg_segments.read(content)
    with _opened(segments, max_pixels) as image:
        return upright_size(image.size, orientation_of(segments.metadata))


def decode_by_simplejpeg(content: bytes, spec: ImageSpec, *, whole: bool) -> DecodedImage | None:
    """Decode a plain file; None for any other, and where something is wrong, which Pillow then says."""
    if simplejpeg is None:
        return None
    segments = jpeg_segments.read(content)
    if orientation_of(segments.metadata) != UPRIGHT:
        return None
    try:
        height, width, color, _ = simplejpeg.decode_jpeg_header(content)
    except ValueError:
        return None
    if color not in _COLORS:
        return None
    size = width, height
    refuse_large(size, spec.max_pixels)
    segments.refuse_many_scans(width * height)
    divisor = 1 if whole else _divisor(size, _enough(size, spec))
    pixels = _decoded(content, _COLORS[color], size, divisor)
    return None if pixels is None else DecodedImage(pixels, size, (0, 0, width / divisor, height / divisor))


def _decoded(content: bytes, color: str, size: Size, divisor: int) -> NDArray[np.uint8] | None:
    """Decode at 1/1, 1/2, 1/4 or 1/8 of the size, rounded up.

    Returns:
        (H, W, 3) RGB or (H, W) grey; None where the file turns out not to be plain

    """
    width, height = size
    if divisor > 1:
        if min(size) < _SMALLEST:
            return None
        width, height = -(-width // divisor), -(-height // divisor)
    try:
        pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(content, color, min_height=height, min_width=width)
    except ValueError:  # an error, or a warning
        return None
    if pixels.shape[:2] != (height, width):
        return None
    return pixels[..., 0] if color == "GRAY" else pixels


def decode_by_pillow(content: bytes, spec: ImageSpec, *, whole: bool) -> DecodedImage:
    """Decode any file."""
    segments = jpeg_segments.read(content)
    orientation = orientation_of(segments.metadata)
    with _opened(segments, spec.max_pixels) as image:
        segments.refuse_many_scans(image.width * image.height)
        size = upright_size(image.size, orientation)
        enough = size if whole else _enough(size, spec)
        scale = _drafted(image, upright_size(enough, orientation))
        image.load()
    upright = turned_upright(image, orientation)
    box = covered_box(upright.size, (size[0] / scale, size[1] / scale), orientation)
    return DecodedImage(upright, size, box)


def _opened(segments: jpeg_segments.Segments, max_pixels: int) -> JpegImagePlugin.JpegImageFile:
    image = JpegImagePlugin.JpegImageFile(io.BytesIO(segments.essential()))
    refuse_large(image.size, max_pixels)
    return image


def _enough(size: Size, spec: ImageSpec) -> Size:
    """Return the smallest size, upright, that an image may be decoded at."""
    if not spec.antialias or spec.kernel == "nearest":  # nothing is averaged, single pixels count
        return size
    width, height = spec.inside(size) if spec.resize == "pad" else (spec.width, spec.height)
    return REDUCING_GAP * width, REDUCING_GAP * height


def _divisor(size: Size, enough: Size) -> int:
    """Return by what the sides are divided at the smallest fraction that is enough: 1, 2, 4 or 8."""
    largest = min(size[0] // enough[0], size[1] // enough[1])
    return 1 if largest < 2 else 2 if largest < 4 else 4 if largest < 8 else 8


def _drafted(image: Image.Image, enough: Size) -> float:
    """Let Pillow decode at the fraction that is enough; return by what it divides the sides."""
    width = image.width
    drafted = image.draft(None, enough)  # the argument None: keep the colour mode
    return width / drafted[1][2] if drafted else 1
