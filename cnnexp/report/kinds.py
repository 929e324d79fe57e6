"""Training images plain and after each kind of change alone: of a preview, and on the page of a run."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Augmentation, Preview
from cnnexp.report.pages import picture, tiled

_SENTENCES = {
    "flip": "Mirrored left and right, half of the time.",
    "alternating": "Mirrored left and right in every other epoch.",
    "shift": "Moved by at most this share of the side; the edge is repeated.",
    "zoom": "Larger or smaller by at most this share.",
    "rotation": "Turned by at most so many degrees, in both directions.",
    "crop": "A random part of at least this share of the area, at the full size again.",
    "brightness": "Lighter or darker by at most this share.",
    "contrast": "Farther from or closer to the mean grey, by at most this share.",
    "saturation": "More or less colourful, by at most this share.",
    "hue": "All colours turned, by at most this share of the circle of colours.",
    "erasing": "This share of the images has a rectangle of noise.",
    "mixup": "Two images blended; the label is mixed in the same proportion. The number is the alpha of the shares.",
    "cutmix": "A rectangle of another image; the label is mixed by area. The number is the alpha of the shares.",
    "TrivialAugment": "One operation of fourteen on each image, at a random strength.",
    "RandAugment": "So many operations of fourteen on each image, at this strength of 10.",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of change in a picture: each column is one image, each row one epoch."""

    title: str  # name and strength
    sentence: str  # what it does
    source: str  # data URI


def kinds_alone(preview: Preview, *, side: int) -> list[Kind]:
    """Return each kind of change that is made, alone; a picture has at most `side` pixels."""
    return [Kind(title, _sentence(title, preview.augmentation), grid(images, side)) for title, images in preview.alone]


def grid(images: NDArray[np.uint8], side: int) -> str:
    """Return images in some epochs (e, n, H, W, C) as one picture of at most `side` pixels."""
    return picture(tiled(images), side=side)


def _sentence(title: str, augmentation: Augmentation) -> str:
    """Return what a kind of change does."""
    if augmentation.own is not None and title == augmentation.own.extension.name:
        return f"Your own, of {augmentation.own.extension.code.argument}."
    return _SENTENCES[title.split(maxsplit=1)[0]]
