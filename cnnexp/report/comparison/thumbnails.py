"""Small pictures of the images of a run's data set, inside the page."""

import base64
import io
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnexp.errors import CnnexpError
from cnnexp.records import RunSummary

if TYPE_CHECKING:
    from PIL import Image

_THUMBNAIL = 56  # pixels of the longer side, at most
_IN_MEMORY = "index-"  # begins the name of an image of a data set that is one array, such as the digits


class Thumbnails:
    """The images of a run's data set, as far as their files are on this machine."""

    def __init__(self, run: RunSummary) -> None:
        self._run = run

    def __call__(self, file: str) -> str | None:
        """Return an image as a data URI; None where it is missing or cannot be read."""
        try:
            image = self._array_image(file) if file.startswith(_IN_MEMORY) else self._file_image(file)
            return None if image is None else _data_uri(image)
        except (OSError, IndexError, ValueError):  # only its name is shown
            return None

    def _file_image(self, file: str) -> "Image.Image | None":
        from PIL import Image  # most comparisons write no page

        source = self._run.data_source
        path = Path(source or "") / file
        return Image.open(path) if source is not None and path.is_file() else None

    def _array_image(self, file: str) -> "Image.Image | None":
        from PIL import Image

        if self._pixels is None:
            return None
        pixels = np.asarray(self._pixels(int(file.removeprefix(_IN_MEMORY))))
        return Image.fromarray(pixels.squeeze())

    @cached_property
    def _pixels(self) -> Callable[[int], object] | None:
        """Reads an image of a built-in data set by its number; nothing is downloaded for it."""
        from cnnexp.datasets.sources.builtin import CLASS_NAMES, builtin_source

        name = self._run.settings.get("data", "none recorded")
        if name != "digits" and (name not in CLASS_NAMES or self._run.data_source is None):
            return None
        try:
            _, pictures = builtin_source(name, None if name == "digits" else self._run.data_source).open()
        except CnnexpError:  # it was moved
            return None
        return pictures.__getitem__


def _data_uri(image: "Image.Image") -> str:
    encoded = io.BytesIO()
    with image:
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        image.convert("RGB").save(encoded, "PNG")
    return f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"
