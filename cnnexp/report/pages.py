"""What HTML pages share: their frame and style, and pictures that stand inside the page."""

import base64
import io
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnexp.system.text import plural, printable

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_EXACT = 64  # pixels of the shorter side, up to which every pixel of a picture is kept that is shown at its size
_QUALITY = 85  # of the JPEG of a larger picture
_ORANGE = (255, 120, 0)
_STRONGEST = 0.85  # opacity of the hottest place


@cache
def template(name: str) -> "Template":
    """Return a template of this package, compiled once a process."""
    return _environment().get_template(name)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined  # most commands write no page

    environment = Environment(
        loader=PackageLoader("cnnexp.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_without_control_characters,
    )
    environment.filters["plural"] = plural
    return environment


def _without_control_characters(value: object) -> object:
    """Leave markup and numbers as they are; a line break is a space to HTML."""
    return printable(value, keep="\n") if type(value) is str else value


def picture(pixels: NDArray[np.uint8], *, side: int | None = None) -> str:
    """Return the address of a picture that is inside the page.

    Args:
        pixels: (H, W, 1, 3 or 4) grey, colour, or colour with opacity.
        side: It is shown at this many CSS pixels: a larger picture becomes a JPEG of at most that size. None: every
            pixel is kept.

    """
    from PIL import Image

    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    file = io.BytesIO()
    if side is None or (min(image.size) <= _EXACT and max(image.size) <= side):
        image.save(file, "PNG")
        return _data_uri("image/png", file)
    image.thumbnail((side, side), reducing_gap=2.0)
    image.save(file, "JPEG", quality=_QUALITY)
    return _data_uri("image/jpeg", file)


def overlaid(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return an image (H, W, C) in grey with orange over it, (H, W, 3), the more the closer `heat` (H, W) is to 1."""
    grey = pixels.mean(axis=2, keepdims=True)
    strength = _STRONGEST * heat[..., None]
    covered: NDArray[np.uint8] = np.rint((1 - strength) * grey + strength * np.array(_ORANGE)).astype(np.uint8)
    return covered


def tiled(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return rows of images (rows, n, H, W, C) as one picture, with grey between them."""
    gap = max(1, images.shape[3] // 16)
    framed = np.pad(images, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=128)
    rows = [np.concatenate(list(row), axis=1) for row in framed]
    return np.concatenate(rows)[:-gap, :-gap]


def _data_uri(kind: str, file: io.BytesIO) -> str:
    return f"data:{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
