"""Training images plain, after each kind of change, and after all: an HTML page that opens from disk."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Augmentation, Preview
from cnnexp.report.pages import picture, template, tiled
from cnnexp.system.text import plural

_SIDE = 1000  # pixels of a picture of many images, at most
_SENTENCES = {
    "flip": "Mirrored left and right, half of the time.",
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


def preview_page(preview: Preview, *, name: str, command: str) -> str:
    """Return the whole page as HTML, with every name escaped; `command` makes it again."""
    height, width, _ = preview.plain.shape[1:]
    return template("preview_page.html.j2").render(
        name=name,
        about=f"{plural(len(preview.plain), 'training image')}, {width} × {height} pixels",
        augmentation=str(preview.augmentation),
        classes=preview.class_names,
        files=", ".join(preview.files),
        plain=_grid(preview.plain[None]),
        alone=[(title, _sentence(title, preview.augmentation), _grid(images)) for title, images in preview.alone],
        together=None if preview.together is None else _grid(preview.together),
        command=command,
    )


def _sentence(title: str, augmentation: Augmentation) -> str:
    """Return what a kind of change does."""
    if augmentation.own is not None and title == augmentation.own.extension.name:
        return f"Your own, of {augmentation.own.extension.code.argument}."
    return _SENTENCES[title.split(maxsplit=1)[0]]


def _grid(images: NDArray[np.uint8]) -> str:
    return picture(tiled(images), side=_SIDE)
