"""Rows of a source made into pixels, one by one, by the code that reads any single image."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources import ArrayPictures, Pictures
from cnnexp.images import ImageSpec, UnreadableImageError, decode, fit
from cnnexp.records import Images

FINGERPRINT = 16  # bytes of sha256 that stand for the pixels of one image at its own size

Fingerprints = NDArray[np.uint8]  # (N, FINGERPRINT)
Unreadable = dict[int, str]  # row -> why it could not be read


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive images, decoded."""

    images: Images
    fingerprints: Fingerprints  # of the pixels before they were resized, so that no setting of size changes copies
    unreadable: Unreadable  # pixels and fingerprint of these rows are zero


def decode_rows(pictures: Pictures, rows: range, spec: ImageSpec) -> Chunk:
    """Decode some images of a source."""
    if isinstance(pictures, ArrayPictures) and _as_wanted(pictures.pixels, spec):
        return _taken_over(pictures.pixels[rows.start : rows.stop], spec)
    images = np.zeros((len(rows), *spec.shape), np.uint8)
    fingerprints = np.zeros((len(rows), FINGERPRINT), np.uint8)
    unreadable = {}
    for place, row in enumerate(rows):
        try:
            image = decode(pictures[row], spec)
        except UnreadableImageError as error:
            unreadable[row] = str(error)
            continue
        images[place] = fit(image, spec)
        fingerprints[place] = _fingerprint(b"%d %d " % image.size, image.tobytes())
    return Chunk(images, fingerprints, unreadable)


def _as_wanted(pixels: NDArray[Any], spec: ImageSpec) -> bool:
    shape = pixels.shape[1:] if pixels.ndim == 4 else (*pixels.shape[1:], 1)
    return pixels.dtype == np.uint8 and shape == spec.shape


def _taken_over(pixels: NDArray[np.uint8], spec: ImageSpec) -> Chunk:
    """Take arrays that ``read_image`` would return unchanged, without the detour."""
    size = b"%d %d " % (spec.width, spec.height)
    fingerprints = np.empty((len(pixels), FINGERPRINT), np.uint8)
    for place, image in enumerate(pixels):
        fingerprints[place] = _fingerprint(size, image.tobytes())
    return Chunk(pixels.reshape(-1, *spec.shape), fingerprints, {})


def _fingerprint(size: bytes, content: bytes) -> Fingerprints:
    digest = hashlib.sha256(size)
    digest.update(content)
    return np.frombuffer(digest.digest(), np.uint8, FINGERPRINT)


def first_copies(fingerprints: Fingerprints, unreadable: Unreadable) -> NDArray[np.int64]:
    """For each image the first one with the same pixels, (N,): its own row where there is none, or it is unreadable."""
    halves = np.ascontiguousarray(fingerprints).view(np.uint64)  # (N, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: equal images stay in the order of their rows
    ordered = halves[order]
    begins = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    copies = np.empty(len(order), np.int64)
    copies[order] = order[begins][np.cumsum(begins) - 1]
    alone = np.fromiter(unreadable, np.int64, len(unreadable))
    copies[alone] = alone
    return copies
