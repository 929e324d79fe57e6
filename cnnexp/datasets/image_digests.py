"""Digests of single images, by which two runs know that they were tested on the same pixels."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Images

_DIGITS = 16  # of a digest, hexadecimal: of a million images two agree by chance in one of 37 million data sets


def image_digests(images: Images, rows: Iterable[int]) -> tuple[str, ...]:
    """Return the beginning of the sha256 (hex) of the pixels (H, W, C) of each of these rows."""
    pixels = np.asarray(images)  # slices of a memory map take longer than hashing a small image
    return tuple(hashlib.sha256(np.ascontiguousarray(pixels[row]).data).hexdigest()[:_DIGITS] for row in rows)


def as_numbers(digests: Iterable[str]) -> NDArray[np.uint64]:
    """Return digests as numbers, (N,), as models keep those of their training images."""
    return np.array([int(digest, 16) for digest in digests], np.uint64)
