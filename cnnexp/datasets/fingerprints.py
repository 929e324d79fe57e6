"""Which images are exact copies of others: the same pixels at their own size, however they are encoded.

Of an image at the network's size all pixels are hashed while it is decoded, of another one those that were resized: two
that agree in these are decoded again and compared whole.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.headers import Headers
from cnnexp.datasets.sources import Pictures
from cnnexp.images import ImageSpec, Picture, Size, decode_whole, fit

LENGTH = 16  # bytes: what was hashed, then the beginning of the sha256 of it
_WHOLE, _RESIZED, _FROM_FRACTION = 0, 1, 2  # all pixels; those made of all pixels; those made of a JPEG at a fraction

Fingerprints = NDArray[np.uint8]  # (N, LENGTH)


def quick_fingerprint(picture: Picture, pixels: NDArray[np.uint8]) -> Fingerprints:
    """Hash the size of a picture and the pixels (H, W, C) that became of it."""
    if not picture.is_whole:
        return _fingerprint(_FROM_FRACTION, picture.size, pixels)
    height, width, _ = pixels.shape
    return _fingerprint(_WHOLE if picture.size == (width, height) else _RESIZED, picture.size, pixels)


def whole_fingerprint(size: Size, pixels: NDArray[np.uint8]) -> Fingerprints:
    """Hash a size and all pixels (H, W, C)."""
    return _fingerprint(_WHOLE, size, pixels)


def _fingerprint(kind: int, size: Size, pixels: NDArray[np.uint8]) -> Fingerprints:
    digest = hashlib.sha256(b"%d %d " % size)
    digest.update(np.ascontiguousarray(pixels).data)
    return np.frombuffer(bytes([kind]) + digest.digest()[: LENGTH - 1], np.uint8)


def first_copies(
    fingerprints: Fingerprints, headers: Headers, pictures: Pictures, spec: ImageSpec, *, unreadable: set[int]
) -> NDArray[np.int64]:
    """Find for each image the first one with the same pixels.

    Returns:
        (N,) row of the first copy: an image's own where there is no earlier one, or where it is unreadable

    """
    settled = fingerprints.copy()
    for row in _perhaps_in_another_format(fingerprints, headers).tolist():
        picture = decode_whole(pictures[row], spec)
        settled[row] = quick_fingerprint(picture, fit(picture, spec))
    for row in _perhaps_equal(settled, unreadable).tolist():
        whole = decode_whole(pictures[row], spec)
        settled[row] = whole_fingerprint(whole.size, np.asarray(whole.decoded))
    copies = _first_equal(settled)
    copies[list(unreadable)] = list(unreadable)
    return copies


def _perhaps_in_another_format(fingerprints: Fingerprints, headers: Headers) -> NDArray[np.int64]:
    """Find JPEGs decoded at a fraction where an image of the same size was not: the two kinds cannot be compared."""
    from_fraction = fingerprints[:, 0] == _FROM_FRACTION
    sizes = headers["height"].astype(np.uint64) << np.uint64(32) | headers["width"]
    return np.flatnonzero(from_fraction & np.isin(sizes, sizes[~from_fraction]))


def _perhaps_equal(fingerprints: Fingerprints, unreadable: set[int]) -> NDArray[np.int64]:
    """Find images that agree with others in the pixels hashed, which are not all."""
    copies = _first_equal(fingerprints)
    again = np.bincount(copies, minlength=len(copies))[copies] > 1
    again[list(unreadable)] = False
    return np.flatnonzero(again & (fingerprints[:, 0] != _WHOLE))


def _first_equal(fingerprints: Fingerprints) -> NDArray[np.int64]:
    halves = np.ascontiguousarray(fingerprints).view(np.uint64)  # (N, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: equal images stay in the order of their rows
    ordered = halves[order]
    begins = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    copies = np.empty(len(order), np.int64)
    copies[order] = order[begins][np.cumsum(begins) - 1]
    return copies
