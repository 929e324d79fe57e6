"""What the data check knows of every image, measured once, when it is first asked."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.decoding.decode import Headers
from cnnexp.datasets.grey import Grey, grey_levels, laplacian
from cnnexp.datasets.twins import TwinSearch, strata
from cnnexp.records import Images, Labels
from cnnexp.system.files import replacing

AT_ONCE = 1024  # images measured together


@dataclass(frozen=True, slots=True)
class Measures:
    """Properties of each image, and which images are nearly the same."""

    headers: Headers  # (N,) own size and colour mode
    brightness: NDArray[np.float32]  # (N,) mean grey level, 0..255, of the image as the network sees it
    sharpness: NDArray[np.float32]  # (N,) mean absolute Laplacian of it, grey levels
    twins: NDArray[np.int64]  # (M, 2) rows of two images that are nearly, not exactly, the same; the lower one first
    likeness: NDArray[np.float32]  # (M,) correlation of their pixels


def measure(
    images: Images, headers: Headers, *, labels: Labels, copies: NDArray[np.int64], unreadable: Collection[int]
) -> Measures:
    """Measure a decoded data set in one pass over its pixels.

    Args:
        images: (N, H, W, C); may be a memory map, of which a few images at a time are looked at
        headers: as noted down while decoding
        labels: (N,)
        copies: (N,) the first image with the same pixels; only that one is compared with others
        unreadable: rows without pixels

    """
    distinct = copies == np.arange(len(copies))
    distinct[list(unreadable)] = False
    search = TwinSearch(images, np.flatnonzero(distinct), strata(labels))
    brightness = np.zeros(len(images), np.float32)
    sharpness = np.zeros(len(images), np.float32)
    for start, grey in _portions(images):
        stop = start + len(grey)
        brightness[start:stop] = grey.mean(axis=(1, 2))
        sharpness[start:stop] = laplacian(grey)
        search.add(start, grey)
    twins, likeness = search.found()
    return Measures(headers, brightness, sharpness, twins, likeness)


def _portions(images: Images) -> Iterator[tuple[int, Grey]]:
    for start in range(0, len(images), AT_ONCE):
        yield start, grey_levels(images[start : start + AT_ONCE])


def save(path: Path, measures: Measures) -> None:
    """Write them into one file, which is there whole or not at all."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **{name: getattr(measures, name) for name in Measures.__slots__})


def load(path: Path) -> Measures:
    """Read what `save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return Measures(**{name: arrays[name] for name in arrays.files})
