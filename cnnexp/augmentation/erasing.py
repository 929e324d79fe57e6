"""Random erasing (Zhong et al. 2020, arXiv:1708.04896): a rectangle of an image becomes noise.

Noise, because a rectangle of one level can be taken for part of the subject: a digit with a black part is another one.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.geometry import Size
from cnnexp.augmentation.streams import ERASING, Batch
from cnnexp.records import Augmentation, Images

_AREA = (0.02, 1 / 3)  # share of the image
_ASPECT = 3.3  # at most, height to width or the reverse


@dataclass(frozen=True, slots=True)
class Rectangles:
    """A rectangle of each image, in pixels; where it has no area, the image is left alone."""

    top: NDArray[np.int64]  # (n,)
    left: NDArray[np.int64]
    height: NDArray[np.int64]
    width: NDArray[np.int64]
    seeds: NDArray[np.int64]  # (n,) of the noise

    def take(self, places: NDArray[np.int64]) -> "Rectangles":
        """Return the rectangles of some of the images."""
        return Rectangles(*(getattr(self, name)[places] for name in ("top", "left", "height", "width", "seeds")))


def draw_rectangles(augmentation: Augmentation, batch: Batch, size: Size) -> Rectangles | None:
    """Draw a rectangle for a share of the images; None where nothing is erased."""
    if not augmentation.erasing:
        return None
    random = batch.random(ERASING)
    chosen = random.random(batch.count) < augmentation.erasing
    area = random.uniform(*_AREA, batch.count) * size[0] * size[1]
    aspect = np.exp(random.uniform(-math.log(_ASPECT), math.log(_ASPECT), batch.count))
    sides = np.sqrt(np.stack([area * aspect, area / aspect], axis=1)).round().astype(np.int64).clip(1, size)
    corners = np.floor(random.random((batch.count, 2)) * (np.array(size) - sides + 1)).astype(np.int64)
    sides *= chosen[:, None]
    seeds = random.integers(2**63, size=batch.count)
    return Rectangles(corners[:, 0], corners[:, 1], sides[:, 0], sides[:, 1], seeds)


def erase(images: Images, rectangles: Rectangles) -> None:
    """Fill the rectangle of each image (n, H, W, C) with noise, in place."""
    for place in np.flatnonzero(rectangles.height).tolist():
        top, left = rectangles.top[place], rectangles.left[place]
        part = images[place, top : top + rectangles.height[place], left : left + rectangles.width[place]]
        part[...] = np.random.default_rng(rectangles.seeds[place]).integers(256, size=part.shape, dtype=np.uint8)
