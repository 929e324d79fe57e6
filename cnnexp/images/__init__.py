"""Any image file or array in, uint8 pixels at the network's input size out: the only place that reads or resizes.

Training, evaluation and single images all use :func:`read_image`, so a single image is processed by the same code as
the training images. The package needs nothing but NumPy, Pillow and, where it is installed, simplejpeg, because it is
copied unchanged into every logged model and every export.

The steps, in this order: open (by content, never by name) → decode the first frame, a JPEG that will be shrunk at 1/2,
1/4 or 1/8 of its size → EXIF rotation → 8 bit, by the value range → transparency composited → colour mode → resize.
"""

from .decoded_image import DecodedImage
from .errors import UnknownRangeError, UnreadableImageError
from .formats import ENDINGS, NAME_OF_ENDING
from .jpeg import REDUCING_GAP
from .levels import Levels
from .quiet import without_warnings
from .reading import READER, ImageInput, decode, decode_whole, read_image, upright, upright_size
from .resizing import convert_color, resize
from .spec import PIXEL_LIMIT, ImageSpec, Size

__all__ = [
    "ENDINGS",
    "NAME_OF_ENDING",
    "PIXEL_LIMIT",
    "READER",
    "REDUCING_GAP",
    "DecodedImage",
    "ImageInput",
    "ImageSpec",
    "Levels",
    "Size",
    "UnknownRangeError",
    "UnreadableImageError",
    "convert_color",
    "decode",
    "decode_whole",
    "read_image",
    "resize",
    "upright",
    "upright_size",
    "without_warnings",
]  # fmt: skip
