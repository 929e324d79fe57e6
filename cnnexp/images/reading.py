"""Any image file or array in, uint8 pixels at the network's input size out."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import __version__ as _pillow

from .arrays import from_array, require_shape
from .content import File
from .decoded_image import DecodedImage
from .files import decode_file, file_size
from .resizing import convert_color, resize
from .spec import PIXEL_LIMIT, ImageSpec

# What decoded pixels depend on besides the file and its ImageSpec: raise the first number when a rule below changes.
READER = f"5 (Pillow {_pillow})"

ImageInput = File | NDArray[Any]


def read_image(source: ImageInput, spec: ImageSpec) -> NDArray[np.uint8]:
    """Read one image as the network takes it.

    Args:
        source: path of a JPEG, PNG, BMP, GIF, TIFF, WebP or Netpbm file, or its bytes, or an array (H, W), (H, W, 1),
            (H, W, 3: RGB) or (H, W, 4: RGBA) of uint8, uint16 (0..65535), floating point (0..1) or bool, or of any
            numbers where the spec has a value range. Of an animation the first frame is used.
        spec: size, colour, resize rule, and the range of levels of more than 8 bits

    Returns:
        uint8 of ``spec.shape``, red first. An array that already is uint8 of that shape comes back unchanged.

    Raises:
        UnreadableImageError: the file is missing, truncated, not an image, of another format, or larger than the
            spec allows; the array has another shape, type or range.

    """
    return resize(decode(source, spec), spec)


def decode(source: ImageInput, spec: ImageSpec) -> DecodedImage:
    """Read one image upright, 8 bit, in the colour mode of the spec, with enough pixels for its size.

    Raises:
        UnreadableImageError: as :func:`read_image`.

    """
    return convert_color(upright(source, spec), spec)


def decode_whole(source: ImageInput, spec: ImageSpec) -> DecodedImage:
    """Read one image like :func:`decode`, with all the pixels it has.

    Raises:
        UnreadableImageError: as :func:`read_image`.

    """
    return convert_color(upright(source, spec, whole=True), spec)


def upright(source: ImageInput, spec: ImageSpec, *, whole: bool = False) -> DecodedImage:
    """Read one image upright, in its own colour mode, of 8 bit, with enough pixels for the spec, or the `whole` of it.

    Raises:
        UnreadableImageError: as :func:`read_image`.

    """
    if isinstance(source, np.ndarray):
        return from_array(source, spec.value_range)
    return decode_file(source, spec, whole=whole)


def upright_size(source: ImageInput, *, max_pixels: int = PIXEL_LIMIT) -> tuple[int, int]:
    """Read (height, width) after EXIF rotation, of a file from its header alone.

    Raises:
        UnreadableImageError: as :func:`read_image`; damage behind the header is not noticed.

    """
    if isinstance(source, np.ndarray):
        require_shape(source)
        return source.shape[0], source.shape[1]
    width, height = file_size(source, max_pixels=max_pixels)
    return height, width
