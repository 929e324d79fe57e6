"""Rows of a source made into pixels, one by one, by the code that reads any single image."""

import errno
import hashlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.source import ArrayPictures, Pictures
from cnnexp.images import ImageSpec, Picture, Size, UnreadableImageError, decode_whole, fit, in_color, upright

# One image: its own pixels, upright, and Pillow's name of the mode; zero and empty where it cannot be read.
HEADER = np.dtype([("height", "<u4"), ("width", "<u4"), ("mode", "S8")])

Headers = NDArray[np.void]  # (N,) of HEADER


def header(own: Picture) -> tuple[int, int, str]:
    """Note down one upright image, its colour mode not yet changed."""
    width, height = own.size
    return height, width, own.mode


def headers_of_arrays(pixels: NDArray[np.uint8]) -> Headers:
    """Note down arrays (N, H, W) or (N, H, W, C), which all share one size and mode."""
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    channels = pixels.shape[3] if pixels.ndim == 4 else 1
    return np.full(len(pixels), np.array((*pixels.shape[1:3], modes[channels]), HEADER))


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


Unreadable = dict[int, str]  # row -> why it could not be read

# What says nothing about a file: the disk or its server is away, or this process has no more memory or files.
PASSING = (errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive images, decoded."""

    images: NDArray[np.uint8]  # (N, H, W, C)
    fingerprints: Fingerprints
    headers: Headers
    unreadable: Unreadable  # pixels, fingerprint and header of these rows are zero


def decode_rows(pictures: Pictures, rows: range, spec: ImageSpec) -> Chunk:
    """Decode some images of a source.

    Raises:
        OSError: one could not be read for a reason that says nothing about the file.

    """
    if isinstance(pictures, ArrayPictures) and _as_wanted(pictures.pixels, spec):
        return _taken_over(pictures.pixels[rows.start : rows.stop], spec)
    images = np.zeros((len(rows), *spec.shape), np.uint8)
    fingerprints = np.zeros((len(rows), LENGTH), np.uint8)
    headers = np.zeros(len(rows), HEADER)
    unreadable = {}
    for place, row in enumerate(rows):
        try:
            own = upright(pictures[row], spec)
            picture = in_color(own, spec)
        except UnreadableImageError as error:
            _raise_if_passing(error)
            unreadable[row] = str(error)
            continue
        images[place] = fit(picture, spec)
        fingerprints[place] = quick_fingerprint(picture, images[place])
        headers[place] = header(own)
    return Chunk(images, fingerprints, headers, unreadable)


def _raise_if_passing(error: UnreadableImageError) -> None:
    """Raise what would be remembered as a fault of the file, and is none."""
    match error.__cause__:
        case OSError(errno=number) as cause if number in PASSING:
            raise cause
        case MemoryError():
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def _as_wanted(pixels: NDArray[Any], spec: ImageSpec) -> bool:
    shape = pixels.shape[1:] if pixels.ndim == 4 else (*pixels.shape[1:], 1)
    return pixels.dtype == np.uint8 and shape == spec.shape


def _taken_over(pixels: NDArray[np.uint8], spec: ImageSpec) -> Chunk:
    """Take arrays that ``read_image`` would return unchanged, without the detour."""
    fingerprints = np.empty((len(pixels), LENGTH), np.uint8)
    for place, image in enumerate(pixels):
        fingerprints[place] = whole_fingerprint((spec.width, spec.height), image)
    return Chunk(pixels.reshape(-1, *spec.shape), fingerprints, headers_of_arrays(pixels), {})
