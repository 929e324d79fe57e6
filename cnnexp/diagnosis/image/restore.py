"""Kinds of mismatch undone as well as can be, without knowing their strength: to the levels and colours that are usual.

What was cut off at black or white, or shrunk, is lost. So a restored image is not ordinary; but it looks as ordinary as
other restored ones do, if the kind is all that is wrong with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.image import changes as t
from cnnexp.diagnosis.image.orbit import undoing, views_for
from cnnexp.records import Images

EVEN = 2.0  # levels; rows and columns at the edge that vary less are a frame
LEAST_DEVIATION = 0.2  # levels; an image with less has nothing to restore
MOST_COLOUR = 8.0  # times, by which colours are made stronger or weaker


@dataclass(frozen=True, slots=True)
class Usual:
    """Numbers of ordinary images, in levels."""

    mean: float
    deviation: float  # of an image, on average
    channels: NDArray[np.float64]  # (C,) means
    colour: float  # mean difference between the highest and the lowest channel of a pixel

    @classmethod
    def of(cls, images: Images) -> "Usual":
        """Measure images (N, H, W, C)."""
        pixels = images.astype(np.float32)
        return cls(
            float(pixels.mean()),
            float(pixels.std(axis=(1, 2, 3)).mean()),
            pixels.mean(axis=(0, 1, 2), dtype=np.float64),
            float(_colour(pixels).mean()),
        )


Restore = Callable[[Images, Usual], Images]


def _colour(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, 1, 1, 1)."""
    found: NDArray[np.float32] = np.ptp(pixels, axis=3).mean(axis=(1, 2))[:, None, None, None]
    return found


def levels(images: Images, usual: Usual) -> Images:
    """Return images with the usual mean and deviation."""
    pixels = images.astype(np.float32)
    mean, deviation = (part(axis=(1, 2, 3), keepdims=True) for part in (pixels.mean, pixels.std))
    return t.to_bytes(usual.mean + (pixels - mean) * (usual.deviation / np.maximum(deviation, LEAST_DEVIATION)))


def balance(images: Images, usual: Usual) -> Images:
    """Return images whose channels have the usual proportions."""
    means = images.mean(axis=(1, 2), keepdims=True)
    wanted = usual.channels / usual.mean * means.mean(axis=3, keepdims=True)
    return t.to_bytes(images * (wanted / np.maximum(means, 1)))


def colours(images: Images, usual: Usual) -> Images:
    """Return images with colours of the usual strength."""
    pixels = images.astype(np.float32)
    amount = np.clip(usual.colour / np.maximum(_colour(pixels), 1e-3), 1 / MOST_COLOUR, MOST_COLOUR)
    grey = pixels.mean(axis=3, keepdims=True)
    return t.to_bytes(grey + amount * (pixels - grey))


def unframe(images: Images, _: Usual) -> Images:
    """Return images without even rows and columns at their edges, enlarged."""
    return np.concatenate([_unframed(image[None]) for image in images])


def _unframed(image: Images) -> Images:
    pixels = image[0].astype(np.float32)
    rows, columns = (np.flatnonzero(pixels.std(axis=axis).max(axis=1) > EVEN) for axis in (1, 0))
    if len(rows) < 2 or len(columns) < 2:
        return image
    return t.resized(image[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], image.shape[1:3])


RESTORES: Mapping[str, Restore] = {
    "padded": unframe,
    "too dark": levels,
    "too bright": levels,
    "scaled": levels,
    "low contrast": levels,
    "high contrast": levels,
    "colour cast": balance,
    "too colourful": colours,
    "pale": colours,
}


def undone(images: Images, kind: str, usual: Usual) -> Images | None:
    """Return images (N, H, W, C) with a kind undone, exactly or as well as can be; None: it cannot be."""
    views = views_for(images.shape[-1])
    if kind in views:
        return views[undoing(kind)](images, np.random.default_rng(0))
    return RESTORES[kind](images, usual) if kind in RESTORES else None
