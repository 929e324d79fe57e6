"""Any image file or array in, uint8 pixels at the network's input size out: the only place that reads or resizes.

Training, evaluation and single images all come through :func:`read_image`, so a single image can meet no other code
than the training images met. This file needs nothing but NumPy, Pillow and ``jpeg.py`` beside it: the two are copied
as they stand into every logged model and every export.

The steps, in this order: open (by content, never by name) → first frame, a JPEG that is to be shrunk at 1/2, 1/4 or
1/8 of its size → EXIF rotation → 8 bit → transparency composited → colour mode → resize.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL import __version__ as _pillow

from .jpeg import plain_jpeg

# What decoded pixels depend on besides the file and its ImageSpec: raise the first number when a rule below changes.
READER = f"2 (Pillow {_pillow})"

# File name endings of the formats below, lower case.
ENDINGS = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp"})

# Pixels above which a file is refused before it is decoded: a quarter of a gigabyte of RGB, and where Pillow warns.
PIXEL_LIMIT = 89_478_485

# Pixels a side, for each one wanted, that a JPEG decoded at a fraction of its size still has, for an antialiased resize
# to average: decoded in half the time, and hardly another result. At 1 it would be two or three times as far off.
GAP = 2

# An allow-list, because Pillow would hand PostScript to Ghostscript, which executes it.
_FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP")

COLORS = ("rgb", "grey")
RESIZES = ("stretch", "pad", "crop")
_KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_ORIENTATION, _TURNED = ExifTags.Base.Orientation, (5, 6, 7, 8)  # those that exchange width and height
_FROM_RIGHT, _FROM_BOTTOM = (2, 3, 6, 7), (3, 4, 7, 8)  # those whose left, or top, was stored as right or bottom
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")

Source = str | Path | bytes | NDArray[Any]
Size = tuple[int, int]  # (width, height), as Pillow has it
Box = tuple[float, float, float, float]  # left, upper, right, lower; pixels of the image it is cut from


class UnreadableImageError(ValueError):
    """No image could be made of a file or array; the message says why."""


@dataclass(frozen=True, slots=True)
class ImageSpec:
    """How any image becomes network input: the one description of size, colour and resize rule."""

    height: int  # pixels
    width: int  # pixels
    color: str  # rgb | grey
    resize: str  # stretch | pad | crop
    kernel: str  # nearest | bilinear | bicubic | lanczos
    antialias: bool  # widen the kernel when shrinking
    background: int  # grey level 0..255 under transparency and around padding

    def __post_init__(self) -> None:
        for name, allowed in (("color", COLORS), ("resize", RESIZES), ("kernel", tuple(_KERNELS))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")
        if min(self.height, self.width) < 1:
            raise ValueError(f"height and width must be at least 1 pixel; got {self.height} × {self.width}.")
        if not 0 <= self.background <= 255:
            raise ValueError(f"background must be a grey level from 0 to 255; got {self.background}.")
        if self.kernel == "lanczos" and not self.antialias:
            raise ValueError("kernel lanczos exists with antialias only; take antialias=true or another kernel.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, 3 if self.color == "rgb" else 1)


@dataclass(frozen=True, slots=True)
class Picture:
    """One decoded image: upright, 8 bit, and a JPEG perhaps at a fraction of its size."""

    decoded: Image.Image | NDArray[np.uint8]  # an array is (H, W) grey or (H, W, 3) RGB
    size: Size  # its own, upright, whatever `decoded` has
    box: Box  # where in `decoded` it lies: at a fraction, the last pixels reach beyond its edge

    @property
    def image(self) -> Image.Image:
        """What was decoded, for Pillow."""
        return Image.fromarray(self.decoded) if isinstance(self.decoded, np.ndarray) else self.decoded

    @property
    def mode(self) -> str:
        """Pillow's name of the colour mode."""
        if isinstance(self.decoded, np.ndarray):
            return "L" if self.decoded.ndim == 2 else "RGB"
        return self.decoded.mode

    @property
    def is_whole(self) -> bool:
        """Whether all the pixels it has were decoded."""
        return self.box == (0, 0, *self.size)


def read_image(source: Source, spec: ImageSpec) -> NDArray[np.uint8]:
    """Read one image as the network wants it.

    Args:
        source: path of a JPEG, PNG, BMP, GIF, TIFF or WebP file, or its bytes, or an array (H, W), (H, W, 1),
            (H, W, 3: RGB) or (H, W, 4: RGBA) of uint8, uint16 (0..65535), floating point (0..1) or bool. Of an
            animation the first frame counts.
        spec: size, colour and resize rule

    Returns:
        uint8 of ``spec.shape``, red first. An array that already is uint8 of that shape comes back unchanged.

    Raises:
        UnreadableImageError: the file is missing, truncated, no image, of another format, or larger than
            ``PIXEL_LIMIT``; the array has another shape, type or range.

    """
    return fit(decode(source, spec), spec)


def decode(source: Source, spec: ImageSpec) -> Picture:
    """Read one image upright, 8 bit, in the colour mode of the spec, with pixels enough for its size.

    Raises:
        UnreadableImageError: as :func:`read_image` says.

    """
    return in_color(upright(source, spec), spec)


def decode_whole(source: Source, spec: ImageSpec) -> Picture:
    """Read one image like :func:`decode`, with all the pixels it has.

    Raises:
        UnreadableImageError: as :func:`read_image` says.

    """
    return in_color(upright(source, None), spec)


def upright(source: Source, spec: ImageSpec | None) -> Picture:
    """Read one image upright, in its own colour mode, of 8 bit, with pixels enough for the spec (None: all it has).

    Sixteen bits become eight by their upper byte, which maps the full range (12,000 → 46).

    Raises:
        UnreadableImageError: as :func:`read_image` says.

    """
    if isinstance(source, np.ndarray):
        image = _from_array(source)
        return Picture(image, image.size, (0, 0, *image.size))
    return _from_file(source, spec)


def in_color(picture: Picture, spec: ImageSpec) -> Picture:
    """Bring a picture to the colour mode of the spec.

    Transparency is composited on the spec's background. Colour becomes grey by ITU-R 601-2 luma. Colour profiles are
    not applied.

    Raises:
        UnreadableImageError: its pixels are of a kind that has no colour or grey level.

    """
    mode = "RGB" if spec.color == "rgb" else "L"
    if isinstance(picture.decoded, np.ndarray) and picture.mode == mode:
        return picture
    image = picture.image
    try:
        if image.has_transparency_data:
            image = _on_background(image.convert("RGBA"), spec.background)
        return replace(picture, decoded=image if image.mode == mode else image.convert(mode))
    except ValueError as error:  # such as LAB
        raise UnreadableImageError(f"pixels of the kind {image.mode} cannot become {spec.color} ({error}).") from error


def upright_size(source: Source) -> tuple[int, int]:
    """Read (height, width) after EXIF rotation, of a file from its header alone.

    Raises:
        UnreadableImageError: as :func:`read_image` says; damage behind the header is not noticed.

    """
    if isinstance(source, np.ndarray):
        return source.shape[0], source.shape[1]
    with _opened(source) as image:
        width, height = _turned(image.size, _orientation(image))
        return height, width


def fit(picture: Picture, spec: ImageSpec) -> NDArray[np.uint8]:
    """Resize a decoded picture by the rule of the spec.

    ``stretch`` fills the target and changes the aspect ratio; ``crop`` keeps it and cuts what stands over, from the
    centre; ``pad`` keeps it and fills what is missing with the background, the image in the centre.

    Returns:
        uint8 of ``spec.shape``

    """
    fitting = picture.decoded
    if picture.size != (spec.width, spec.height):
        fitting = {"stretch": _stretched, "pad": _padded, "crop": _cropped}[spec.resize](picture, spec)
    return np.asarray(fitting).reshape(spec.shape)


def _stretched(picture: Picture, spec: ImageSpec) -> Image.Image:
    return _resample(picture.image, (spec.width, spec.height), picture.box, spec)


def _cropped(picture: Picture, spec: ImageSpec) -> Image.Image:
    left, upper, right, lower = picture.box
    width, height = right - left, lower - upper
    scale = max(spec.width / width, spec.height / height)
    # never below zero, not even by a rounding error, which Pillow refuses
    cut_x, cut_y = max(0.0, (width - spec.width / scale) / 2), max(0.0, (height - spec.height / scale) / 2)
    box = (left + cut_x, upper + cut_y, right - cut_x, lower - cut_y)
    return _resample(picture.image, (spec.width, spec.height), box, spec)


def _padded(picture: Picture, spec: ImageSpec) -> Image.Image:
    image, inner = picture.image, _inside(picture.size, spec)
    canvas = Image.new(image.mode, (spec.width, spec.height), (spec.background,) * len(image.getbands()))
    place = ((spec.width - inner[0]) // 2, (spec.height - inner[1]) // 2)
    canvas.paste(_resample(image, inner, picture.box, spec), place)
    return canvas


def _inside(size: Size, spec: ImageSpec) -> Size:
    """Give the size of a padded image without its padding."""
    width, height = size
    scale = min(spec.width / width, spec.height / height)
    return min(spec.width, max(1, round(width * scale))), min(spec.height, max(1, round(height * scale)))


def _resample(image: Image.Image, size: Size, box: Box, spec: ImageSpec) -> Image.Image:
    kernel = _KERNELS[spec.kernel]
    if spec.antialias:
        return image.resize(size, kernel, box=box)
    # Pillow's resize always widens the kernel when it shrinks; its affine transform never does.
    left, upper, right, lower = box
    step_x, step_y = (right - left) / size[0], (lower - upper) / size[1]
    return image.transform(size, Image.Transform.AFFINE, (step_x, 0, left, 0, step_y, upper), resample=kernel)


def _on_background(image: Image.Image, level: int) -> Image.Image:
    canvas = Image.new("RGB", image.size, (level, level, level))
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _from_file(source: str | Path | bytes, spec: ImageSpec | None) -> Picture:
    """Decode the first frame, upright; 16 bit and floating-point pixels become 8 bit."""
    return _by_turbo(source, spec) or _by_pillow(source, spec)


def _by_turbo(source: str | Path | bytes, spec: ImageSpec | None) -> Picture | None:
    """Decode a plain JPEG; None where it is no such file."""
    plain = plain_jpeg(source)
    if plain is None or _is_bomb(plain.size):
        return None
    divisor = _divisor(plain.size, _enough(plain.size, spec))
    pixels = plain.decode(divisor)
    if pixels is None:
        return None
    width, height = plain.size
    return Picture(pixels, plain.size, (0, 0, width / divisor, height / divisor))


def _by_pillow(source: str | Path | bytes, spec: ImageSpec | None) -> Picture:
    with _opened(source) as image:
        orientation = _orientation(image)
        size = _turned(image.size, orientation)
        scale = _drafted(image, _turned(_enough(size, spec), orientation))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    box = _box(image.size, (size[0] / scale, size[1] / scale), orientation)
    if image.mode in _SIXTEEN_BIT:
        return Picture(_from_array(np.asarray(image).astype(np.uint16)), size, box)
    return Picture(_from_array(np.asarray(image)) if image.mode in ("F", "I") else image, size, box)


def _orientation(image: Image.Image) -> int:
    """Read how EXIF says that a file is stored: 1 for upright, and for TIFF, which Pillow turns itself."""
    return 1 if image.format == "TIFF" else image.getexif().get(_ORIENTATION, 1)


def _turned(size: Size, orientation: int) -> Size:
    return (size[1], size[0]) if orientation in _TURNED else size


def _enough(size: Size, spec: ImageSpec | None) -> Size:
    """Give the size, upright, that an image has to be decoded at, at least."""
    if spec is None or not spec.antialias or spec.kernel == "nearest":  # nothing is averaged, single pixels count
        return size
    width, height = _inside(size, spec) if spec.resize == "pad" else (spec.width, spec.height)
    return GAP * width, GAP * height


def _divisor(size: Size, enough: Size) -> int:
    """Give by what the sides of a JPEG are divided at the smallest fraction that is enough: 1, 2, 4 or 8."""
    largest = min(size[0] // enough[0], size[1] // enough[1])
    return 1 if largest < 2 else 2 if largest < 4 else 4 if largest < 8 else 8


def _drafted(image: Image.Image, enough: Size) -> float:
    """Have Pillow decode a JPEG at the fraction that is enough; return by what its sides are divided, as it says."""
    width = image.width
    drafted = image.draft(None, enough)  # None: no other format can; Pillow's first None: keep the colour mode
    return width / drafted[1][2] if drafted else 1


def _box(size: Size, covered: tuple[float, float], orientation: int) -> Box:
    """Say where in an upright image of `size` the `covered` part lies: what is over was right and below when stored."""
    over_x, over_y = size[0] - covered[0], size[1] - covered[1]
    left = over_x if orientation in _FROM_RIGHT else 0
    upper = over_y if orientation in _FROM_BOTTOM else 0
    return left, upper, left + covered[0], upper + covered[1]


@contextmanager
def _opened(source: str | Path | bytes) -> Iterator[Image.Image]:
    """Open a file by what is in it, and say of any error that happens with it why the file is unreadable."""
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


def _reason(source: str | Path | bytes, error: Exception) -> str:
    """Say in words why a file could not be read."""
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it has more than the {PIXEL_LIMIT:,} pixels that are read; make the image smaller."
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror.lower()}."
    if isinstance(error, UnidentifiedImageError):
        size = len(source) if isinstance(source, bytes) else Path(source).stat().st_size
        return "the file is empty." if size == 0 else f"it is no {', '.join(_FORMATS)} image."
    return f"the file is damaged or truncated ({str(error) or type(error).__name__})."


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    """Make an 8-bit image of an array whose type says what its numbers mean."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    if pixels.ndim not in (2, 3) or channels not in (1, 3, 4) or pixels.size == 0:
        raise UnreadableImageError(
            f"an image array must be (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) and not empty; got {pixels.shape}."
        )
    bytes_ = np.ascontiguousarray(_eight_bit(pixels))
    return Image.fromarray(bytes_[..., 0] if pixels.ndim == 3 and channels == 1 else bytes_)


def _eight_bit(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    if pixels.dtype == np.uint8:
        return pixels
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    if pixels.dtype == np.bool_:
        return pixels.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(pixels.dtype, np.floating):
        low, high = pixels.min(), pixels.max()
        if not (low >= 0 and high <= 1):  # also true of NaN
            raise UnreadableImageError(
                f"floating-point pixels must lie in 0..1; got {low:g}..{high:g}. Divide by their largest possible "
                "value, or pass 0..255 as uint8."
            )
        return np.rint(pixels * np.float64(255)).astype(np.uint8)
    raise UnreadableImageError(
        f"pixels must be uint8, uint16, floating point in 0..1, or bool; got {pixels.dtype}. "
        "Pass 0..255 as uint8: array.astype(numpy.uint8)."
    )
