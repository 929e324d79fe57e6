"""Flip, shift, zoom, rotation, shear and random crop: one affine map for each image, from output to input pixels.

A map is (2, 3) float64: its row times (x, y, 1) of the output reads x, then y, of the input, as OpenCV's ``warpAffine``
has it with ``WARP_INVERSE_MAP``. Pixel centres are at whole numbers.
"""

import math

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.streams import CROP, GEOMETRY, ROTATION, Batch
from cnnexp.records import Augmentation

Maps = NDArray[np.float64]  # (n, 2, 3)
Size = tuple[int, int]  # (height, width) in pixels

_ASPECT = 4 / 3  # largest change of a random crop's aspect ratio (Szegedy et al. 2014, arXiv:1409.4842)


def draw_maps(augmentation: Augmentation, batch: Batch, *, source: Size, size: Size) -> Maps | None:
    """Draw the map of each image, from output pixels of `size` to pixels of `source`; None where none is needed."""
    maps: list[Maps] = []
    if augmentation.flip or augmentation.shift or augmentation.zoom:
        maps.append(_flip_shift_zoom(augmentation, batch, size))
    if augmentation.rotation:
        degrees = batch.random(ROTATION).uniform(-augmentation.rotation, augmentation.rotation, batch.count)
        maps.append(about_center(rotations(np.radians(degrees)), size))
    if augmentation.crop < 1 or source != size:
        maps.append(_crop(augmentation.crop, batch.random(CROP), batch.count, source=source, size=size))
    return composed(maps)


def composed(maps: list[Maps]) -> Maps | None:
    """Return the maps as one: the first is applied to output pixels, the last one reads the input."""
    if not maps:
        return None
    whole = maps[0]
    for following in maps[1:]:
        linear = following[:, :, :2] @ whole
        linear[:, :, 2] += following[:, :, 2]
        whole = linear
    return whole


def about_center(linear: NDArray[np.float64], size: Size) -> Maps:
    """Return the maps of linear changes (n, 2, 2) that leave the centre of an image in place."""
    center = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    return np.concatenate([linear, (center - linear @ center)[:, :, None]], axis=2)


def rotations(radians: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotations by angles (n,), counter-clockwise as the image is seen: (n, 2, 2)."""
    cos, sin = np.cos(radians), np.sin(radians)
    return np.stack([np.stack([cos, -sin], axis=1), np.stack([sin, cos], axis=1)], axis=1)


def _flip_shift_zoom(augmentation: Augmentation, batch: Batch, size: Size) -> Maps:
    (height, width), count, random = size, batch.count, batch.random(GEOMETRY)
    scale = 1 + random.uniform(-augmentation.zoom, augmentation.zoom, count)
    direction = np.where(_mirrored(augmentation, batch, random), -1.0, 1.0)
    if augmentation.whole_pixels:
        farthest = np.floor(augmentation.shift * np.array([width, height]) + 1e-9).astype(np.int64)
        move = random.integers(-farthest, farthest + 1, (count, 2)).astype(np.float64)
    else:
        move = random.uniform(-augmentation.shift, augmentation.shift, (count, 2)) * (width, height)
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    maps = np.zeros((count, 2, 3))
    maps[:, 0, 0] = scale * direction
    maps[:, 0, 2] = center_x - scale * direction * center_x + move[:, 0]
    maps[:, 1, 1] = scale
    maps[:, 1, 2] = center_y - scale * center_y + move[:, 1]
    return maps


def _mirrored(augmentation: Augmentation, batch: Batch, random: np.random.Generator) -> NDArray[np.bool_]:
    """Return (count,) which images are mirrored: by chance, or each in every other epoch (Jordan 2024)."""
    if not augmentation.flip:
        return np.zeros(batch.count, bool)
    return batch.in_turn() if augmentation.alternates else random.random(batch.count) < 0.5


def _crop(smallest: float, random: np.random.Generator, count: int, *, source: Size, size: Size) -> Maps:
    """Return the maps of windows: their area is uniform from `smallest` to 1, each side at least its square root."""
    area = random.uniform(smallest, 1, count)
    aspect = np.exp(random.uniform(-math.log(_ASPECT), math.log(_ASPECT), count))
    sides = np.sqrt(np.stack([area / aspect, area * aspect], axis=1)).clip(math.sqrt(smallest), 1)
    place = random.random((count, 2))
    pixels = np.array(source, float)
    step = sides * pixels / np.array(size)  # input pixels for one of the output
    first = place * (1 - sides) * pixels + (step - 1) / 2
    maps = np.zeros((count, 2, 3))
    maps[:, 0, 0], maps[:, 1, 1] = step[:, 1], step[:, 0]
    maps[:, 0, 2], maps[:, 1, 2] = first[:, 1], first[:, 0]
    return maps
