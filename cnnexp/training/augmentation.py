"""Random changes to training images: one affine map an image, drawn from (seed, epoch, batch)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import AugmentationConfig


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What is really done, once the data has had its say."""

    flip: bool  # mirror left-right, half of the time
    shift: float  # largest move in each direction, as a share of the side
    zoom: float  # largest relative change of size

    def __bool__(self) -> bool:
        return bool(self.flip or self.shift or self.zoom)

    def __str__(self) -> str:
        parts = ["flip"] if self.flip else []
        parts += [f"{name} {value:g}" for name, value in (("shift", self.shift), ("zoom", self.zoom)) if value]
        return ", ".join(parts) or "none"


def resolve(config: AugmentationConfig, *, mirror: bool) -> Augmentation:
    """Return what `config` means for data whose classes do (`mirror`) or do not survive a mirror."""
    flip = config.flip == "always" or (config.flip == "auto" and mirror and config.name != "none")
    return Augmentation(flip=flip, shift=config.shift, zoom=config.zoom)


def transforms(
    augmentation: Augmentation, *, count: int, height: int, width: int, seed: int, epoch: int, batch: int
) -> NDArray[np.float32]:
    """Return `count` projective maps from output to input pixels, shape (count, 8).

    The layout is that of TensorFlow's ``ImageProjectiveTransformV3``: (x, y) of the output reads
    (a0 x + a1 y + a2, b0 x + b1 y + b2) of the input. The last two values, the perspective, are zero.
    """
    random = np.random.default_rng((seed, epoch, batch))
    scale = 1 + random.uniform(-augmentation.zoom, augmentation.zoom, count)
    direction = np.where(random.random(count) < 0.5, -1.0, 1.0) if augmentation.flip else np.ones(count)
    move = random.uniform(-augmentation.shift, augmentation.shift, (count, 2)) * (width, height)
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    maps = np.zeros((count, 8), dtype=np.float32)
    maps[:, 0] = scale * direction
    maps[:, 2] = center_x - scale * direction * center_x + move[:, 0]
    maps[:, 4] = scale
    maps[:, 5] = center_y - scale * center_y + move[:, 1]
    return maps
