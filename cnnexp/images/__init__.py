"""Any image file or array in, uint8 pixels at the network's input size out: the only place that reads or resizes.

Training, evaluation and single images all come through :func:`read_image`, so a single image can meet no other code
than the training images met. The package needs nothing but NumPy, Pillow and, where it is installed, simplejpeg: it is
copied as it stands into every logged model and every export.

The steps, in this order: open (by content, never by name) → first frame, a JPEG that is to be shrunk at 1/2, 1/4 or
1/8 of its size → EXIF rotation → 8 bit → transparency composited → colour mode → resize.
"""

from .files import ENDINGS, GAP, PIXEL_LIMIT
from .fitting import fit, in_color
from .picture import Picture, UnreadableImageError
from .reading import READER, Source, decode, decode_whole, read_image, upright, upright_size
from .spec import ImageSpec, Size

__all__ = [
    "ENDINGS", "GAP", "PIXEL_LIMIT", "READER", "ImageSpec", "Picture", "Size", "Source", "UnreadableImageError",
    "decode", "decode_whole", "fit", "in_color", "read_image", "upright", "upright_size",
]  # fmt: skip
