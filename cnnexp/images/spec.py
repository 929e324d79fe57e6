"""How any image becomes network input: size, colour and resize rule."""

from dataclasses import dataclass

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
        for name, allowed in (("color", COLORS), ("resize", RESIZES), ("kernel", tuple(KERNELS))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}.")
        if min(self.height, self.width) < 1:
            raise ValueError(f"height and width must be at least 1 pixel; got {self.height} × {self.width}.")
        if not 0 <= self.background <= 255:
            raise ValueError(f"background must be a grey level from 0 to 255; got {self.background}.")
        if self.kernel == "lanczos" and not self.antialias:
            raise ValueError("kernel lanczos requires antialias; use antialias=true or another kernel.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, channels)."""
        return (self.height, self.width, 3 if self.color == "rgb" else 1)

    def inside(self, size: Size) -> Size:
        """Return the size that an image of `size` has within its padding."""
        width, height = size
        scale = min(self.width / width, self.height / height)
        return min(self.width, max(1, round(width * scale))), min(self.height, max(1, round(height * scale)))
