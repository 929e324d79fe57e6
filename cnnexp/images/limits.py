"""How large an image may be: what is larger is refused before it is decoded."""

from .errors import UnreadableImageError
from .spec import Size

LARGEST_SIDE = 2**18  # pixels; Pillow takes gigabytes and many seconds for an image of one column


def refuse_large(size: Size, max_pixels: int) -> None:
    """Refuse an image of too many pixels, or with a side that is too long.

    Raises:
        UnreadableImageError: it is too large.

    """
    width, height = size
    if width * height > max_pixels:
        raise UnreadableImageError(
            f"{width} × {height} pixels are more than the {max_pixels:,} that are read; make the image smaller, or "
            "train with a higher data.max_pixels."
        )
    if max(size) > LARGEST_SIDE:
        raise UnreadableImageError(
            f"{width} × {height} pixels have a side of more than the {LARGEST_SIDE:,} that are read; cut the image."
        )
