"""Decoded pictures brought to the colour mode and the size that the network wants."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .picture import Box, Picture, UnreadableImageError
from .spec import KERNELS, ImageSpec, Size


def in_color(picture: Picture, spec: ImageSpec) -> Picture:
    """Bring a picture to the colour mode of the spec.

    Transparency is composited on the spec's background. Colour becomes grey by ITU-R 601-2 luma. Colour profiles are
    not applied.

    Raises:
        UnreadableImageError: its pixels are of a kind that has no colour or grey level.

    """
    mode = "RGB" if spec.color == "rgb" else "L"
    if isinstance(picture.decoded, np.ndarray) and picture.mode == mode:
        return picture
    image = picture.image
    try:
        if image.has_transparency_data:
            image = _on_background(image.convert("RGBA"), spec.background)
        return replace(picture, decoded=image if image.mode == mode else image.convert(mode))
    except ValueError as error:  # such as LAB
        raise UnreadableImageError(f"pixels of the kind {image.mode} cannot become {spec.color} ({error}).") from error


def fit(picture: Picture, spec: ImageSpec) -> NDArray[np.uint8]:
    """Resize a decoded picture by the rule of the spec.

    ``stretch`` fills the target and changes the aspect ratio; ``crop`` keeps it and cuts what stands over, from the
    centre; ``pad`` keeps it and fills what is missing with the background, the image in the centre.

    Returns:
        uint8 of ``spec.shape``

    """
    fitting = picture.decoded
    if picture.size != (spec.width, spec.height):
        fitting = {"stretch": _stretched, "pad": _padded, "crop": _cropped}[spec.resize](picture, spec)
    return np.asarray(fitting).reshape(spec.shape)


def _stretched(picture: Picture, spec: ImageSpec) -> Image.Image:
    return _resample(picture.image, (spec.width, spec.height), picture.box, spec)


def _cropped(picture: Picture, spec: ImageSpec) -> Image.Image:
    left, upper, right, lower = picture.box
    width, height = right - left, lower - upper
    scale = max(spec.width / width, spec.height / height)
    # never below zero, not even by a rounding error, which Pillow refuses
    cut_x, cut_y = max(0.0, (width - spec.width / scale) / 2), max(0.0, (height - spec.height / scale) / 2)
    box = (left + cut_x, upper + cut_y, right - cut_x, lower - cut_y)
    return _resample(picture.image, (spec.width, spec.height), box, spec)


def _padded(picture: Picture, spec: ImageSpec) -> Image.Image:
    image, inner = picture.image, spec.inside(picture.size)
    canvas = Image.new(image.mode, (spec.width, spec.height), (spec.background,) * len(image.getbands()))
    place = ((spec.width - inner[0]) // 2, (spec.height - inner[1]) // 2)
    canvas.paste(_resample(image, inner, picture.box, spec), place)
    return canvas


def _resample(image: Image.Image, size: Size, box: Box, spec: ImageSpec) -> Image.Image:
    kernel = KERNELS[spec.kernel]
    if spec.antialias:
        return image.resize(size, kernel, box=box)
    # Pillow's resize always widens the kernel when it shrinks; its affine transform never does.
    left, upper, right, lower = box
    step_x, step_y = (right - left) / size[0], (lower - upper) / size[1]
    return image.transform(size, Image.Transform.AFFINE, (step_x, 0, left, 0, step_y, upper), resample=kernel)


def _on_background(image: Image.Image, level: int) -> Image.Image:
    canvas = Image.new("RGB", image.size, (level, level, level))
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas
