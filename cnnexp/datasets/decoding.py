"""Rows of a source made into pixels, one by one, by the code that reads any single image."""

import errno
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.fingerprints import LENGTH, Fingerprints, quick_fingerprint, whole_fingerprint
from cnnexp.datasets.headers import HEADER, Headers, header, headers_of_arrays
from cnnexp.datasets.sources import ArrayPictures, Pictures
from cnnexp.images import ImageSpec, UnreadableImageError, fit, in_color, upright

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
