"""Image files decoded: opened by content, never by name; first frame, upright, 8 bit; or the reason why not."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import BmpImagePlugin, GifImagePlugin, Image, WebPImagePlugin

from . import netpbm, png, tiff, tiff_header
from .content import File, open_file, read_content, read_head
from .decoded_image import DecodedImage
from .errors import UnreadableImageError
from .formats import HEAD, READ, recognize
from .jpeg import decode_jpeg, jpeg_size
from .levels import ValueRange, eight_bit, levels_of
from .limits import refuse_large
from .orientation import UPRIGHT, orientation_of, turned_array, turned_upright, upright_size
from .quiet import without_warnings
from .spec import ImageSpec, Size

AT_ONCE = 2**16  # bytes that are read to recognize a format: most files are read whole by that, and opened once
LARGEST_RLE = 2**22  # bytes of a run-length encoded BMP file, which Pillow decodes in Python
_RLE = (1, 2)  # compressions of BMP


def decode_file(source: File, spec: ImageSpec, *, whole: bool) -> DecodedImage:
    """Decode the first frame, upright, with enough pixels for the spec, or the `whole` of it.

    Raises:
        UnreadableImageError: the file is missing, truncated, not an image, of another format, or too large.

    """
    kind, source = _recognized(source)
    with _explained(kind), without_warnings:
        match kind:
            case "JPEG":
                return decode_jpeg(read_content(source), spec, whole=whole)
            case "TIFF":
                return _decode_tiff(source, spec)
            case "PPM":
                return _decode_netpbm(read_content(source), spec)
        return _decode_other(kind, read_content(source), spec)


def file_size(source: File, *, max_pixels: int) -> Size:
    """Read the size, upright, from the header alone; damage behind it is not noticed."""
    kind, source = _recognized(source)
    with _explained(kind), without_warnings:
        match kind:
            case "JPEG":
                return jpeg_size(read_content(source), max_pixels=max_pixels)
            case "TIFF":
                with open_file(source) as file:
                    header = tiff_header.read_header(file)
                size, orientation = header.size, header.orientation
            case "PPM":
                size, orientation = netpbm.read_header(read_content(source)).size, UPRIGHT
            case _:
                with _open_other(kind, read_content(source)) as image:
                    size, orientation = image.size, orientation_of(image.info)
        refuse_large(size, max_pixels)
        return upright_size(size, orientation)


def format_of(source: File) -> str:
    """Return the name of the format of a file, by its first bytes.

    Raises:
        UnreadableImageError: it cannot be opened, or is of a format that is not read.

    """
    return _recognized(source)[0]


def _recognized(source: File) -> tuple[str, File]:
    """Return the name of the format, and the content of a file that is not larger than what was read of it."""
    with _explained("image"):
        beginning = read_head(source, AT_ONCE)
    head = beginning[:HEAD]
    found = recognize(head)
    if found in READ:
        return found.name, beginning if len(beginning) < AT_ONCE else source
    if found is not None:
        raise UnreadableImageError(f"its format is {found.name}, which is not read. {found.repair}")
    if not any(head):
        raise UnreadableImageError("it begins with zeros only, as after a copy that broke off; copy it again.")
    raise UnreadableImageError(f"it is no {', '.join(format_.name for format_ in READ)} image.")


def _decode_tiff(source: File, spec: ImageSpec) -> DecodedImage:
    with open_file(source) as file:
        header = tiff_header.read_header(file)
        refuse_large(header.size, spec.max_pixels)
        with tiff.open_tiff(file, header) as image:
            refuse_large(image.size, spec.max_pixels)
            tiff.load(image, header)
            values = tiff.values_of(image, header, file)
    if values is None and header.bits > 8 and spec.value_range is not None:
        raise UnreadableImageError(f"it has {header}, of which a value range cannot be set; convert it to RGB or grey.")
    return _decoded(image, values, header.orientation, _range(header.largest, spec))


def _decode_netpbm(content: bytes, spec: ImageSpec) -> DecodedImage:
    header = netpbm.read_header(content)
    refuse_large(header.size, spec.max_pixels)
    values = netpbm.read_levels(content, header)
    if header.largest < 255:
        values = eight_bit(values.astype(np.uint16), (0, header.largest))
    value_range = _range(header.largest, spec)
    levels = levels_of(values, value_range)
    return DecodedImage(eight_bit(values, value_range), header.size, (0, 0, *header.size), levels)


def _decode_other(kind: str, content: bytes, spec: ImageSpec) -> DecodedImage:
    with _open_other(kind, content) as image:
        refuse_large(image.size, spec.max_pixels)
        image.load()
    values = png.values_of(image, content) if kind == "PNG" else None
    return _decoded(image, values, orientation_of(image.info), spec.value_range)


def _open_other(kind: str, content: bytes) -> Image.Image:
    """Open a file by its own plugin: ``Image.open`` would try others, and warn of many pixels."""
    match kind:
        case "PNG":
            return png.open_png(content)
        case "GIF":
            return GifImagePlugin.GifImageFile(io.BytesIO(content))
        case "WEBP":
            return WebPImagePlugin.WebPImageFile(io.BytesIO(content))
    if int.from_bytes(content[30:34], "little") in _RLE and len(content) > LARGEST_RLE:
        raise UnreadableImageError(
            f"it has {len(content):,} run-length encoded bytes; at most {LARGEST_RLE:,} are read."
        )
    return BmpImagePlugin.BmpImageFile(io.BytesIO(content))


def _range(largest: int | None, spec: ImageSpec) -> ValueRange | None:
    """Return what becomes 0..255: the range of the spec, else the one that a file declares."""
    return spec.value_range if spec.value_range is not None or largest in (None, 65535) else (0, float(largest))


def _decoded(
    image: Image.Image, values: NDArray[Any] | None, orientation: int, value_range: ValueRange | None
) -> DecodedImage:
    """Return a decoded file upright; `values` are its levels where they have more than 8 bits."""
    upright = turned_upright(image, orientation)
    levels = None
    if values is not None:
        values = turned_array(values, orientation)
        upright = _of_values(values, upright, value_range)
        levels = levels_of(values, value_range)
    return DecodedImage(upright, upright.size, (0, 0, *upright.size), levels)


def _of_values(values: NDArray[Any], decoded: Image.Image, value_range: ValueRange | None) -> Image.Image:
    """Make 8 bits of levels, and of the transparency that Pillow has decoded."""
    if decoded.mode in ("RGB", "RGBA") and value_range is None:
        return decoded  # Pillow has kept the upper bytes
    colors = Image.fromarray(np.ascontiguousarray(eight_bit(values, value_range)))
    if decoded.mode == "RGBA":
        colors = colors.convert("RGB")
        colors.putalpha(decoded.getchannel("A"))
    elif values.ndim == 2 and (transparent := decoded.info.get("transparency")) is not None:
        # the one grey level that a PNG file may declare transparent is compared in all its bits
        colors.putalpha(Image.fromarray((values != transparent).astype(np.uint8) * np.uint8(255)))
    return colors


@contextmanager
def _explained(kind: str) -> Iterator[None]:
    """Turn any error within the block into the reason why the file is unreadable, in one line."""
    try:
        yield
    except UnreadableImageError:
        raise
    except Image.DecompressionBombError as error:  # of WebP and GIF, which Pillow refuses itself
        raise UnreadableImageError(
            f"it has more pixels than Pillow reads of a {kind} file, {2 * (Image.MAX_IMAGE_PIXELS or 0):,}; "
            "convert it to PNG."
        ) from error
    except OSError as error:
        raise UnreadableImageError(f"{error.strerror.lower()}." if error.strerror else _damaged(error)) from error
    except Exception as error:  # Pillow's decoders raise a dozen kinds of exception on damaged files
        raise UnreadableImageError(_damaged(error)) from error


def _damaged(error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return f"the file is damaged or truncated ({reason})."
