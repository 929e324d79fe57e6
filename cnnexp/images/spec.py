"""How any image becomes network input: size, colour, resize rule, and the range of its levels."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

COLORS = ("rgb", "grey")
RESIZES = ("stretch", "pad", "crop")
KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

Size = tuple[int, int]  # (width, height), as Pillow has it

# Pixels above which a file is refused before it is decoded, unless the spec says otherwise: a quarter of a gigabyte of
# RGB, and where Pillow warns.
PIXEL_LIMIT = 89_478_485


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
    value_range: tuple[float, float] | None = None  # levels of more than 8 bits that are black and white; None: by type
    max_pixels: int = PIXEL_LIMIT  # of a file that is read

    def __post_init__(self) -> None:
        for name, allowed in (("color", COLORS), ("resize", RESIZES), ("kernel", tuple(KERNELS))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")
        if min(self.height, self.width) < 1:
            raise ValueError(f"height and width must be at least 1 pixel; got {self.height} × {self.width}.")
        if not 0 <= self.background <= 255:
            raise ValueError(f"background must be a grey level from 0 to 255; got {self.background}.")
        if self.kernel == "lanczos" and not self.antialias:
            raise ValueError("kernel lanczos requires antialias; use antialias=true or another kernel.")
        if self.value_range is not None and not _is_range(self.value_range):
            raise ValueError(f"value_range must be a lower and a higher number; got {list(self.value_range)}.")
        if self.max_pixels < 1:
            raise ValueError(f"max_pixels must be at least 1; got {self.max_pixels}.")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, without those at their default: cards and digests of earlier versions lack them."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "ImageSpec":
        """Return the spec of :meth:`as_dict`, also after JSON, which has no tuples."""
        value_range = fields.get("value_range")
        return cls(**{**fields, "value_range": None if value_range is None else tuple(value_range)})

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, 3 if self.color == "rgb" else 1)

    def inside(self, size: Size) -> Size:
        """Return the size that an image of `size` has within its padding."""
        width, height = size
        scale = min(self.width / width, self.height / height)
        return min(self.width, max(1, round(width * scale))), min(self.height, max(1, round(height * scale)))


def _is_range(value_range: tuple[float, float]) -> bool:
    low, high = value_range
    return math.isfinite(low) and math.isfinite(high) and low < high
