"""Decoded images brought to the colour mode and the size that the network takes."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .decoded_image import Box, DecodedImage
from .errors import UnreadableImageError
from .spec import KERNELS, ImageSpec, Size


def convert_color(image: DecodedImage, spec: ImageSpec) -> DecodedImage:
    """Convert an image to the colour mode of the spec.

    Transparency is composited on the spec's background. Colour becomes grey by ITU-R 601-2 luma. Colour profiles are
    not applied.

    Raises:
        UnreadableImageError: the pixels are of a mode that cannot be converted.

    """
    mode = "RGB" if spec.color == "rgb" else "L"
    if isinstance(image.pixels, np.ndarray) and image.mode == mode:
        return image
    pixels = image.as_pillow
    try:
        if pixels.has_transparency_data:
            pixels = _on_background(pixels.convert("RGBA"), spec.background)
        return replace(image, pixels=pixels if pixels.mode == mode else pixels.convert(mode))
    except Exception as error:  # ValueError for modes such as LAB; others for a damaged palette
        raise UnreadableImageError(f"pixels of mode {pixels.mode} cannot become {spec.color} ({error}).") from error


def resize(image: DecodedImage, spec: ImageSpec) -> NDArray[np.uint8]:
    """Resize a decoded image by the rule of the spec.

    ``stretch`` fills the target and changes the aspect ratio; ``crop`` keeps it and cuts off the excess on both sides;
    ``pad`` keeps it and fills the rest with the background, the image in the centre.

    Returns:
        uint8 of ``spec.shape``

    """
    resized = image.pixels
    if image.size != (spec.width, spec.height):
        resized = {"stretch": _stretched, "pad": _padded, "crop": _cropped}[spec.resize](image, spec)
    return np.asarray(resized).reshape(spec.shape)


def _stretched(image: DecodedImage, spec: ImageSpec) -> Image.Image:
    return _resample(image.as_pillow, (spec.width, spec.height), image.box, spec)


def _cropped(image: DecodedImage, spec: ImageSpec) -> Image.Image:
    left, upper, right, lower = image.box
    width, height = right - left, lower - upper
    scale = max(spec.width / width, spec.height / height)
    # never below zero, not even by a rounding error, which Pillow refuses
    cut_x, cut_y = max(0.0, (width - spec.width / scale) / 2), max(0.0, (height - spec.height / scale) / 2)
    box = (left + cut_x, upper + cut_y, right - cut_x, lower - cut_y)
    return _resample(image.as_pillow, (spec.width, spec.height), box, spec)


def _padded(image: DecodedImage, spec: ImageSpec) -> Image.Image:
    pixels, inner = image.as_pillow, spec.inside(image.size)
    canvas = Image.new(pixels.mode, (spec.width, spec.height), (spec.background,) * len(pixels.getbands()))
    place = ((spec.width - inner[0]) // 2, (spec.height - inner[1]) // 2)
    canvas.paste(_resample(pixels, inner, image.box, spec), place)
    return canvas


def _resample(pixels: Image.Image, size: Size, box: Box, spec: ImageSpec) -> Image.Image:
    kernel = KERNELS[spec.kernel]
    if spec.antialias:
        return pixels.resize(size, kernel, box=box)
    # Pillow's resize always widens the kernel when it shrinks; its affine transform never does.
    left, upper, right, lower = box
    step_x, step_y = (right - left) / size[0], (lower - upper) / size[1]
    return pixels.transform(size, Image.Transform.AFFINE, (step_x, 0, left, 0, step_y, upper), resample=kernel)


def _on_background(pixels: Image.Image, level: int) -> Image.Image:
    canvas = Image.new("RGB", pixels.size, (level, level, level))
    canvas.paste(pixels, mask=pixels.getchannel("A"))
    return canvas
