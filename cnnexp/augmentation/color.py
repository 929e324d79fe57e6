"""Brightness, contrast, saturation and hue: one matrix for each image, whatever is combined.

Factors are those of Pillow's ``ImageEnhance`` and of torchvision's ``ColorJitter``: 1 changes nothing, brightness 0 is
black, contrast 0 the mean grey, saturation 0 a grey image. Hue is a rotation about the axis of greys, which keeps the
luma, where those two go through HSV.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.resampling import Planes
from cnnexp.augmentation.scratch import scratch
from cnnexp.augmentation.streams import COLOR, Batch
from cnnexp.records import Augmentation

LUMA = np.array([0.299, 0.587, 0.114])  # of ITU-R 601-2, as Pillow converts to grey
_YIQ = np.array([LUMA, [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


@dataclass(slots=True)
class Factors:
    """The factors of each image (n,); several changes of one kind multiply."""

    brightness: NDArray[np.float64]
    contrast: NDArray[np.float64]
    saturation: NDArray[np.float64]
    hue: NDArray[np.float64]  # turns around the circle of colours, -0.5..0.5

    @classmethod
    def unchanged(cls, count: int) -> "Factors":
        """Return factors that change nothing."""
        return cls(np.ones(count), np.ones(count), np.ones(count), np.zeros(count))

    def take(self, places: NDArray[np.int64]) -> "Factors":
        """Return the factors of some of the images."""
        return Factors(self.brightness[places], self.contrast[places], self.saturation[places], self.hue[places])


def draw_factors(augmentation: Augmentation, batch: Batch) -> Factors | None:
    """Draw the factors of each image; None where colours are left alone."""
    if not augmentation.recolors:
        return None
    random = batch.random(COLOR)

    def around(value: float, width: float) -> NDArray[np.float64]:
        return random.uniform(value - width, value + width, batch.count)

    return Factors(
        brightness=around(1, augmentation.brightness),
        contrast=around(1, augmentation.contrast),
        saturation=around(1, augmentation.saturation),
        hue=around(0, augmentation.hue),
    )


def recolored(planes: Planes, factors: Factors) -> Planes:
    """Return planes (n, C, P) with their colours changed, rounded to 0..255 when fractions are dropped.

    They are in memory that the next call uses again.
    """
    scale = factors.brightness * factors.contrast
    channels = planes.shape[1]
    offset = (1 - factors.contrast) * factors.brightness * _mean_luma(planes) + 0.5
    matrices = scale[:, None, None] * (_matrices(factors) if channels == 3 else np.ones((1, 1, 1)))
    changed = _multiplied(planes, matrices.astype(np.float32))
    changed += offset.astype(np.float32)[:, None, None]
    return changed.clip(0, 255, out=changed)


def _mean_luma(planes: Planes) -> NDArray[np.float64]:
    """Return the mean luma (n,) of images."""
    means = planes.mean(axis=2, dtype=np.float32).astype(np.float64)
    weighted: NDArray[np.float64] = means * (LUMA if planes.shape[1] == 3 else 1)
    return np.asarray(weighted.sum(axis=1))


def _matrices(factors: Factors) -> NDArray[np.float64]:
    """Return the matrices (n, 3, 3) of saturation and hue; both leave greys as they are."""
    cos, sin = np.cos(2 * np.pi * factors.hue), np.sin(2 * np.pi * factors.hue)
    turned = np.zeros((len(cos), 3, 3))
    turned[:, 0, 0] = 1
    turned[:, 1, 1] = turned[:, 2, 2] = factors.saturation * cos
    turned[:, 1, 2], turned[:, 2, 1] = -factors.saturation * sin, factors.saturation * sin
    matrices: NDArray[np.float64] = np.linalg.inv(_YIQ) @ turned @ _YIQ
    unchanged = (factors.saturation == 1) & (factors.hue == 0)
    matrices[unchanged] = np.eye(3)  # without what rounding leaves
    return matrices


def _multiplied(planes: Planes, matrices: NDArray[np.float32]) -> Planes:
    """Return matrices (n, C, C) times planes (n, C, P), without BLAS, whose last bits depend on the processor."""
    changed: Planes = scratch("recolored", planes.shape)
    part = scratch("part", planes[:, 0].shape)
    for channel, row in enumerate(np.moveaxis(matrices, 1, 0)):
        np.multiply(planes[:, 0], row[:, :1], out=changed[:, channel])
        for other in range(1, planes.shape[1]):
            if row[:, other].any():
                changed[:, channel] += np.multiply(planes[:, other], row[:, other, None], out=part)
    return changed
