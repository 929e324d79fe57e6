"""What HTML pages share: their templates, and pictures that stand inside the page."""

import base64
import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnexp.system.text import printable

if TYPE_CHECKING:
    from jinja2 import Template


def template(name: str) -> "Template":
    """Return a template of this package."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # most commands write no page

    environment = Environment(
        loader=PackageLoader("cnnexp.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_without_control_characters,
    )
    return environment.get_template(name)


def _without_control_characters(value: object) -> object:
    """Leave markup and numbers as they are; a line break is a space to HTML."""
    return printable(value, keep="\n") if type(value) is str else value


def picture(pixels: NDArray[np.uint8]) -> str:
    """Return the address of a picture that is inside the page; `pixels` is (H, W, 1 or 3)."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
