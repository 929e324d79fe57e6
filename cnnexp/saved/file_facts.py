"""The facts of an image file, which `diagnosis.image.file_facts` judges: its header, and its pixels as read."""

import io
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnexp.diagnosis.image.file_facts import FileFacts, TrainingFacts
from cnnexp.images import ImageInput, ImageSpec, upright, without_warnings
from cnnexp.images.files import format_of
from cnnexp.portable.classifier import Classifier
from cnnexp.saved.image_files import ListedImage

_ORIENTATION = 0x0112  # Exif 2.32, 4.6.4 A


def read_facts(item: ListedImage, pixels: NDArray[np.uint8], spec: ImageSpec) -> FileFacts:
    """Return the facts of an image that can be read.

    Args:
        item: The image, as listed.
        pixels: (H, W, C) what the network gets of it.
        spec: How files are read.

    Raises:
        UnreadableImageError: It cannot be read.

    """
    source = item.path if item.content is None else item.content
    assert source is not None
    decoded = upright(source, spec, whole=True)
    picture = decoded.as_pillow
    kind, mode, frames, orientation = _header(source)
    levels = decoded.levels
    return FileFacts(
        kind=kind,
        mode=mode or decoded.mode,
        width=decoded.size[0],
        height=decoded.size[1],
        frames=frames,
        orientation=orientation,
        transparent=_transparent(picture),
        levels_end=None if levels is None else float(levels.values.max() / levels.white),
        highest_level=None if levels is None else float(levels.values.max()),
        grey=_is_grey(picture),
        lowest=int(pixels.min()),
        highest=int(pixels.max()),
    )


def _header(source: ImageInput) -> tuple[str, str, int, int]:
    """Return format, mode, frames and orientation as the header of a file has them.

    Pillow goes over frames and metadata that the reader leaves alone, and may fail on them, or on a file as large as a
    model was told to read; what it does not say is as in an ordinary file.
    """
    if isinstance(source, np.ndarray):
        return "array", "", 1, 1
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    kind, mode, frames, orientation = format_of(content), "", 1, 1
    with without_warnings, suppress(Exception), Image.open(io.BytesIO(content)) as image:
        kind, mode = image.format or kind, image.mode
        with suppress(Exception):
            frames = int(getattr(image, "n_frames", 1))
        with suppress(Exception):
            orientation = int(image.getexif().get(_ORIENTATION, 1))
    return kind, mode, frames, orientation


def _transparent(picture: Image.Image) -> float:
    if not picture.has_transparency_data:
        return 0.0
    return float((np.asarray(picture.convert("RGBA"))[..., 3] < 255).mean())


def _is_grey(picture: Image.Image) -> bool:
    pixels = np.asarray(picture.convert("RGB"))
    return bool((pixels[..., :1] == pixels).all())


def training_facts(model: Classifier) -> TrainingFacts:
    """Return what a model's files say of its training images."""
    spec, pixels, sizes = model.card.image, model.reference.pixels, model.reference.file_sizes
    sizes = None if sizes is None or not len(sizes) else sizes
    aspects = None if sizes is None else sizes[:, 0] / sizes[:, 1]
    return TrainingFacts(
        colour=spec.color == "rgb",
        grey=float((pixels[..., :1] == pixels).all(axis=(1, 2, 3)).mean()) if len(pixels) else 0.0,
        aspects=None if aspects is None else (float(aspects.min()), float(aspects.max())),
        side=min(spec.height, spec.width),
        smallest=None if sizes is None else int(sizes.min()),
        stretched=spec.resize == "stretch",
        value_range=spec.value_range is not None,
    )
