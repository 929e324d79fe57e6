"""Which images are exact copies of others: the same pixels at their own size, however they are encoded."""

import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnexp.datasets.sources import Pictures
from cnnexp.images import ImageSpec, decode

LENGTH = 16  # bytes: one says whether all pixels were hashed, then the beginning of their sha256
GRID = 128  # of a larger image the pixels at GRID × GRID places are hashed, until another one has all of them too
_WHOLE, _SAMPLED = 0, 1

Fingerprints = NDArray[np.uint8]  # (N, LENGTH)


def quick_fingerprint(image: Image.Image) -> Fingerprints:
    """Hash size and pixels; of a large image those on a grid, which takes a tenth of the time."""
    if max(image.size) <= GRID:
        return full_fingerprint(image.size, image.tobytes())
    grid = image.resize((GRID, GRID), Image.Resampling.NEAREST)
    return _fingerprint(_SAMPLED, image.size, grid.tobytes())


def full_fingerprint(size: tuple[int, int], pixels: bytes) -> Fingerprints:
    """Hash size (width, height) and all pixels."""
    return _fingerprint(_WHOLE, size, pixels)


def _fingerprint(kind: int, size: tuple[int, int], pixels: bytes) -> Fingerprints:
    digest = hashlib.sha256(b"%d %d " % size)
    digest.update(pixels)
    return np.frombuffer(bytes([kind]) + digest.digest()[: LENGTH - 1], np.uint8)


def first_copies(
    fingerprints: Fingerprints, pictures: Pictures, spec: ImageSpec, *, unreadable: set[int]
) -> NDArray[np.int64]:
    """Find for each image the first one with the same pixels.

    Large images that agree on their grid are decoded again and compared whole.

    Returns:
        (N,) row of the first copy: an image's own where there is no earlier one, or where it is unreadable

    """
    copies = _first_equal(fingerprints)
    again = np.bincount(copies, minlength=len(copies))[copies] > 1
    again[list(unreadable)] = False
    settled = fingerprints.copy()
    for row in np.flatnonzero(again & (fingerprints[:, 0] == _SAMPLED)).tolist():
        image = decode(pictures[row], spec)
        settled[row] = full_fingerprint(image.size, image.tobytes())
    copies = _first_equal(settled)
    copies[list(unreadable)] = list(unreadable)
    return copies


def _first_equal(fingerprints: Fingerprints) -> NDArray[np.int64]:
    halves = np.ascontiguousarray(fingerprints).view(np.uint64)  # (N, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: equal images stay in the order of their rows
    ordered = halves[order]
    begins = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    copies = np.empty(len(order), np.int64)
    copies[order] = order[begins][np.cumsum(begins) - 1]
    return copies
