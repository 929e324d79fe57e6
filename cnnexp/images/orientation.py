"""How a file says that its pixels are stored turned or mirrored: Exif, else XMP; and what undoes it.

Only the first directory of Exif is looked at. Pillow would read all of it, whatever sizes it claims, and warn.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from numpy.typing import NDArray
from PIL import Image

from .spec import Size

UPRIGHT = 1
_TURNED = (5, 6, 7, 8)  # those that swap width and height
_FROM_RIGHT, _FROM_BOTTOM = (2, 3, 6, 7), (3, 4, 7, 8)  # those whose left, or top, was stored as right, or bottom
_UNDONE_BY = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_TAG = 0x0112  # Exif 2.32, 4.6.4 A
_SIZES = {1: 1, 3: 2, 4: 4}  # bytes of a whole number of a type: byte, short, long
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')


def orientation_of(info: Mapping[Any, Any]) -> int:
    """Return the orientation, 1 to 8, that Pillow's `info` of a file declares; 1 is upright."""
    exif = info.get("exif")
    if exif is None:
        exif = _from_text(info.get("Raw profile type exif"))
    found = None if exif is None else orientation_in_exif(exif)
    if found is None and (xmp := info.get("XML:com.adobe.xmp") or info.get("xmp")):
        match = _IN_XMP.search(xmp.encode() if isinstance(xmp, str) else xmp)
        found = int(match[1]) if match else None
    return UPRIGHT if found is None else found


def orientation_in_exif(exif: bytes) -> int | None:
    """Return the orientation in the first directory of Exif, which has the format of a TIFF file's; None: it has none.

    A value that the standard does not know means upright.
    """
    while exif.startswith(b"Exif\0\0"):
        exif = exif[6:]
    endians: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
    if (endian := endians.get(exif[:2])) is None:
        return None

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], endian)

    first = number(4, 4)
    found = None
    end = min(len(exif), first + 2 + 12 * number(first, 2))
    tag = _TAG.to_bytes(2, endian)
    for at in range(first + 2, end, 12):
        if exif[at : at + 2] == tag and (size := _SIZES.get(number(at + 2, 2))) and number(at + 4, 4) == 1:
            found = number(at + 8, size)
    return found if found is None or found in _UNDONE_BY else UPRIGHT


def _from_text(profile: object) -> bytes | None:
    """Return the Exif in a text of a PNG file, as ImageMagick writes it: three lines, then hexadecimal digits."""
    if not isinstance(profile, str):
        return None
    try:
        return bytes.fromhex("".join(profile.split("\n")[3:]))
    except ValueError:
        return None


def upright_size(size: Size, orientation: int) -> Size:
    """Return the size that an image of `size` has when it is upright, and the other way round."""
    return (size[1], size[0]) if orientation in _TURNED else size


def turned_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return an image as it is meant to be seen."""
    method = _UNDONE_BY.get(orientation)
    return image if method is None else image.transpose(method)


def covered_box(size: Size, covered: tuple[float, float], orientation: int) -> tuple[float, float, float, float]:
    """Return where in an upright image of `size` the `covered` part lies; the excess was stored right and below."""
    over_x, over_y = size[0] - covered[0], size[1] - covered[1]
    left = over_x if orientation in _FROM_RIGHT else 0
    upper = over_y if orientation in _FROM_BOTTOM else 0
    return left, upper, left + covered[0], upper + covered[1]


def turned_array(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return an array (H, W) or (H, W, C) as it is meant to be seen."""
    if orientation in _TURNED:
        pixels = pixels.swapaxes(0, 1)
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return pixels[::down, ::across]
