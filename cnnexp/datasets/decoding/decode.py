"""Rows of an image source made into pixels, one by one, by the code that reads any single image; exact duplicates."""

import errno
import hashlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.source import ArraySource, ImageSource
from cnnexp.images import (
    DecodedImage,
    ImageSpec,
    Size,
    UnknownRangeError,
    UnreadableImageError,
    convert_color,
    decode_whole,
    resize,
    upright,
    without_warnings,
)

# One image: its own pixels, upright, and Pillow's name of the mode; zero and empty where it cannot be read. Of levels
# of more than 8 bits, their type, their range, and which are black and white (both 0: not known, so it cannot be read);
# zero and empty where the levels have 8 bits.
HEADER = np.dtype([
    ("height", "<u4"), ("width", "<u4"), ("mode", "S8"),
    ("kind", "S8"), ("low", "<f8"), ("high", "<f8"), ("black", "<f8"), ("white", "<f8"),
])  # fmt: skip

# A fingerprint is one byte that says what was hashed, then the beginning of its sha256.
LENGTH = 16  # bytes
# What was hashed: all pixels; pixels resized from all; pixels resized from a JPEG decoded at a fraction of its size;
# all levels of more than 8 bits.
_WHOLE, _RESIZED, _FROM_FRACTION, _DEEP = 0, 1, 2, 3
_COMPLETE = (_WHOLE, _DEEP)  # images that agree in these are equal

# Errors that say nothing about a file: the disk or its server is away, or this process has no more memory or files.
TRANSIENT = (errno.EIO, errno.ESTALE, errno.ENOMEM, errno.EMFILE, errno.ENFILE)

Headers = NDArray[np.void]  # (N,) of HEADER
Fingerprints = NDArray[np.uint8]  # (N, LENGTH)
Unreadable = dict[int, str]  # row -> why it could not be read


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive images, decoded."""

    images: NDArray[np.uint8]  # (N, H, W, C)
    fingerprints: Fingerprints
    headers: Headers
    unreadable: Unreadable  # pixels, fingerprint and header of these rows are zero


def decode_rows(source: ImageSource, rows: range, spec: ImageSpec) -> Chunk:
    """Decode some images of a source.

    Raises:
        OSError: one could not be read for a reason that says nothing about the file.

    """
    if isinstance(source, ArraySource) and _is_as_wanted(source.pixels, spec):
        return _unchanged(source.pixels[rows.start : rows.stop], spec)
    with without_warnings:  # once for all: to do it for each image takes as long as to read its file
        return _decoded(source, rows, spec)


def _decoded(source: ImageSource, rows: range, spec: ImageSpec) -> Chunk:
    images = np.zeros((len(rows), *spec.shape), np.uint8)
    fingerprints = np.zeros((len(rows), LENGTH), np.uint8)
    headers = np.zeros(len(rows), HEADER)
    unreadable = {}
    for place, row in enumerate(rows):
        try:
            original = upright(source[row], spec)
            image = convert_color(original, spec)
        except UnreadableImageError as error:
            _raise_if_transient(error)
            unreadable[row] = str(error)
            if isinstance(error, UnknownRangeError):
                headers[place] = 0, 0, "", error.kind, error.low, error.high, 0, 0
            continue
        images[place] = resize(image, spec)
        fingerprints[place] = _quick_fingerprint(image, images[place])
        headers[place] = _header(original)
    return Chunk(images, fingerprints, headers, unreadable)


def _header(image: DecodedImage) -> tuple[object, ...]:
    width, height = image.size
    if image.levels is None:
        return height, width, image.mode, "", 0, 0, 0, 0
    values, black, white = image.levels.values, image.levels.black, image.levels.white
    return height, width, image.mode, str(values.dtype), values.min(), values.max(), black, white


def _raise_if_transient(error: UnreadableImageError) -> None:
    """Re-raise transient input/output errors, which must not be cached as bad files."""
    match error.__cause__:
        case OSError(errno=number) as cause if number in TRANSIENT:
            raise cause
        case MemoryError():
            raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def _is_as_wanted(pixels: NDArray[Any], spec: ImageSpec) -> bool:
    shape = pixels.shape[1:] if pixels.ndim == 4 else (*pixels.shape[1:], 1)
    return pixels.dtype == np.uint8 and shape == spec.shape


def _unchanged(pixels: NDArray[np.uint8], spec: ImageSpec) -> Chunk:
    """Take arrays as they are, which ``read_image`` would return unchanged."""
    fingerprints = np.empty((len(pixels), LENGTH), np.uint8)
    for place, image in enumerate(pixels):
        fingerprints[place] = _fingerprint(_WHOLE, (spec.width, spec.height), image)
    return Chunk(pixels.reshape(-1, *spec.shape), fingerprints, _headers_of_arrays(pixels), {})


def _headers_of_arrays(pixels: NDArray[np.uint8]) -> Headers:
    """Return the headers of arrays (N, H, W) or (N, H, W, C), which all share one size and mode."""
    modes = {1: "L", 3: "RGB", 4: "RGBA"}
    channels = pixels.shape[3] if pixels.ndim == 4 else 1
    return np.full(len(pixels), np.array((*pixels.shape[1:3], modes[channels], "", 0, 0, 0, 0), HEADER))


def _quick_fingerprint(image: DecodedImage, pixels: NDArray[np.uint8]) -> Fingerprints:
    """Hash the size of an image and the pixels (H, W, C) that it was resized to, or all levels of more than 8 bits."""
    if image.levels is not None:
        return _fingerprint(_DEEP, image.size, pixels, image.levels.values)
    if not image.is_whole:
        return _fingerprint(_FROM_FRACTION, image.size, pixels)
    height, width, _ = pixels.shape
    return _fingerprint(_WHOLE if image.size == (width, height) else _RESIZED, image.size, pixels)


def _fingerprint(kind: int, size: Size, *arrays: NDArray[Any]) -> Fingerprints:
    digest = hashlib.sha256(b"%d %d " % size)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return np.frombuffer(bytes([kind]) + digest.digest()[: LENGTH - 1], np.uint8)


def first_duplicates(
    fingerprints: Fingerprints, headers: Headers, source: ImageSource, spec: ImageSpec, *, unreadable: set[int]
) -> NDArray[np.int64]:
    """Find for each image the first one with the same pixels.

    Returns:
        (N,) row of the first of equal images: an image's own where there is no earlier one, or where it is unreadable

    """
    settled = fingerprints.copy()
    for row in _perhaps_in_another_format(fingerprints, headers).tolist():
        image = decode_whole(source[row], spec)
        settled[row] = _quick_fingerprint(image, resize(image, spec))
    for row in _perhaps_equal(settled, unreadable).tolist():
        image = decode_whole(source[row], spec)
        settled[row] = _fingerprint(_WHOLE, image.size, np.asarray(image.pixels))
    duplicate_of = _first_equal(settled)
    duplicate_of[list(unreadable)] = list(unreadable)
    return duplicate_of


def _perhaps_in_another_format(fingerprints: Fingerprints, headers: Headers) -> NDArray[np.int64]:
    """Find JPEGs decoded at a fraction where an image of the same size was not: the two kinds cannot be compared."""
    from_fraction = fingerprints[:, 0] == _FROM_FRACTION
    sizes = headers["height"].astype(np.uint64) << np.uint64(32) | headers["width"]
    return np.flatnonzero(from_fraction & np.isin(sizes, sizes[~from_fraction]))


def _perhaps_equal(fingerprints: Fingerprints, unreadable: set[int]) -> NDArray[np.int64]:
    """Find images that agree with others in the pixels hashed, where those are not all of their pixels."""
    first = _first_equal(fingerprints)
    shared = np.bincount(first, minlength=len(first))[first] > 1
    shared[list(unreadable)] = False
    return np.flatnonzero(shared & ~np.isin(fingerprints[:, 0], _COMPLETE))


def _first_equal(fingerprints: Fingerprints) -> NDArray[np.int64]:
    halves = np.ascontiguousarray(fingerprints).view(np.uint64)  # (N, 2)
    order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: equal images stay in the order of their rows
    ordered = halves[order]
    begins = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    first = np.empty(len(order), np.int64)
    first[order] = order[begins][np.cumsum(begins) - 1]
    return first
