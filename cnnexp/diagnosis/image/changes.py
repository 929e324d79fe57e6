"""What can go wrong with the pixels of an image between a camera and a network and has a name, as functions of pixels.

Diagnoses simulate these; ``cnnexp evaluate shift=...`` and ``fault=...`` measure what they cost. All on uint8 images
(N, H, W, C) of the size that the network takes, which keep their shape. Lengths are in pixels of an image of 32 × 32,
so that a strength means the same at every size. Each image of a batch is changed in the same way; `generator` is for
what is random: noise, places, and the strength of a `ranged` change.
"""

import io
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from cnnexp.records import Images

Generator = np.random.Generator
Transform = Callable[[Images, Generator], Images]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601-2, as the reader's grey
_SIDE = 32  # pixels of the image whose lengths are given


def ranged(change: Callable[..., Transform], *ranges: tuple[float, float]) -> Transform:
    """Return a change whose numbers are drawn, evenly on a logarithmic scale, for each batch; a range may be a point.

    ``ranged(gamma, (2, 4))`` is ``gamma(2.5)`` for one batch and ``gamma(3.7)`` for the next.
    """

    def draw(images: Images, generator: Generator) -> Images:
        numbers = [low if low == high else low * (high / low) ** generator.random() for low, high in ranges]
        return change(*numbers)(images, generator)

    return draw


def finer(change: Transform) -> Transform:
    """Return a change of levels as it is before an image is made smaller: of finer ones, so that it leaves no gaps."""

    def changed(images: Images, generator: Generator) -> Images:
        between = images + generator.uniform(-0.5, 0.5, images.shape).astype(np.float32)
        levels: Any = np.where((images == 0) | (images == 255), images, between)
        return change(levels, generator)

    return changed


def to_bytes(pixels: NDArray[Any]) -> Images:
    """Return levels rounded and clipped to 0..255."""
    levels: Images = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return levels


def scale_of(images: Images) -> float:
    """Return how many pixels of these images are one of an image of 32 × 32."""
    return float(min(images.shape[1:3]) / _SIDE)


def affine(gain: float, offset: float) -> Transform:
    """Return gain · x + offset, in levels."""
    return lambda images, _: to_bytes(images * float(gain) + float(offset))


def gamma(power: float) -> Transform:
    """Return 255 (x / 255) ** power: darker above 1."""
    table = to_bytes(255 * (np.arange(256) / 255) ** power)

    def change(images: Images, _: Generator) -> Images:
        return table[images] if images.dtype == np.uint8 else to_bytes(255 * (images / 255) ** power)

    return change


def contrast(amount: float, *, around: float | None = None) -> Transform:
    """Return m + amount (x - m); m is the mean of the image, or the level `around`."""

    def change(images: Images, _: Generator) -> Images:
        middle = images.mean(axis=(1, 2, 3), keepdims=True) if around is None else float(around)
        return to_bytes(middle + float(amount) * (images - middle))

    return change


def channel_gains(red: float, green: float, blue: float) -> Transform:
    """Return the channels multiplied."""
    return lambda images, _: to_bytes(images * np.array((red, green, blue), np.float32))


def saturation(amount: float) -> Transform:
    """Return colours as far from grey as `amount` times before; 0: grey."""

    def change(images: Images, _: Generator) -> Images:
        grey = (images @ _LUMA)[..., None]
        return to_bytes(grey + np.float32(amount) * (images - grey))

    return change


def swap_channels(images: Images, _: Generator) -> Images:
    """Return blue first."""
    return np.ascontiguousarray(images[..., ::-1])


def reorder_channels(order: Sequence[int]) -> Transform:
    """Return channel `order[i]` as channel i."""
    return lambda images, _: np.ascontiguousarray(images[..., list(order)])


def invert(images: Images, _: Generator) -> Images:
    """Return 255 - x."""
    return 255 - images


def turn(quarters: int) -> Transform:
    """Return quarter turns to the left; images that are not square are resized back to their shape."""
    return lambda images, _: resized(np.rot90(images, quarters, axes=(1, 2)), images.shape[1:3])


def tilt(degrees: float) -> Transform:
    """Return images turned to the left by an angle about their middle; the edge is repeated in the corners."""

    def change(images: Images, _: Generator) -> Images:
        rows, columns = images.shape[1:3]
        y, x = np.meshgrid(np.arange(rows) - (rows - 1) / 2, np.arange(columns) - (columns - 1) / 2, indexing="ij")
        cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        down = np.clip(cosine * y + sine * x + (rows - 1) / 2, 0, rows - 1)
        across = np.clip(cosine * x - sine * y + (columns - 1) / 2, 0, columns - 1)
        top, left = np.minimum(down.astype(int), rows - 2), np.minimum(across.astype(int), columns - 2)
        below, right = (down - top)[..., None].astype(np.float32), (across - left)[..., None].astype(np.float32)
        upper = images[:, top, left] * (1 - right) + images[:, top, left + 1] * right
        lower = images[:, top + 1, left] * (1 - right) + images[:, top + 1, left + 1] * right
        return to_bytes(upper * (1 - below) + lower * below)

    return change


def mirror(images: Images, _: Generator) -> Images:
    """Return left and right exchanged."""
    return np.ascontiguousarray(images[:, :, ::-1])


def flip(images: Images, _: Generator) -> Images:
    """Return top and bottom exchanged."""
    return np.ascontiguousarray(images[:, ::-1])


def transpose(images: Images, _: Generator) -> Images:
    """Return rows and columns exchanged."""
    return resized(images.swapaxes(1, 2), images.shape[1:3])


def transverse(images: Images, generator: Generator) -> Images:
    """Return images mirrored at the diagonal from the lower left to the upper right."""
    return turn(2)(transpose(images, generator), generator)


def turn_each(images: Images, generator: Generator) -> Images:
    """Return each image in one of the eight ways to turn and mirror it, drawn for each."""
    turned = [images, *(change(images, generator) for change in (turn(1), turn(2), turn(3)))]
    ways = np.stack([*turned, *(mirror(one, generator) for one in turned)])
    return np.asarray(ways[generator.integers(len(ways), size=len(images)), np.arange(len(images))], np.uint8)


def resized(images: Images, shape: tuple[int, ...], kernel: Image.Resampling = Image.Resampling.BILINEAR) -> Images:
    """Return images of another height and width."""
    if images.shape[1:3] == tuple(shape):
        return np.ascontiguousarray(images)
    height, width = shape
    return np.stack([_array(_picture(image).resize((width, height), kernel)) for image in images])


def _picture(image: Images) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image))


def _array(picture: Image.Image) -> Images:
    pixels = np.asarray(picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def pad(
    height: float, width: float, level: int | None, kernel: Image.Resampling = Image.Resampling.BILINEAR
) -> Transform:
    """Return images shrunk to shares of height and width, in the middle of a frame of one level; None: of any."""

    def change(images: Images, generator: Generator) -> Images:
        rows, columns = images.shape[1:3]
        inner = max(2, round(rows * height)), max(2, round(columns * width))
        top, left = (rows - inner[0]) // 2, (columns - inner[1]) // 2
        framed = np.full_like(images, generator.integers(0, 256) if level is None else level)
        framed[:, top : top + inner[0], left : left + inner[1]] = resized(images, inner, kernel)
        return framed

    return change


def crop(height: float, width: float) -> Transform:
    """Return the middle of images, shares of height and width of them, enlarged to the whole."""

    def change(images: Images, _: Generator) -> Images:
        rows, columns = images.shape[1:3]
        inner = max(2, round(rows * height)), max(2, round(columns * width))
        top, left = (rows - inner[0]) // 2, (columns - inner[1]) // 2
        return resized(images[:, top : top + inner[0], left : left + inner[1]], (rows, columns))

    return change


def shift(down: int, right: int) -> Transform:
    """Return images moved by whole pixels; the edge is repeated."""

    def change(images: Images, _: Generator) -> Images:
        rows = np.clip(np.arange(images.shape[1]) - down, 0, images.shape[1] - 1)
        columns = np.clip(np.arange(images.shape[2]) - right, 0, images.shape[2] - 1)
        return images[:, rows[:, None], columns[None, :]]

    return change


def gaussian_blur(deviation: float) -> Transform:
    """Return images blurred by a Gaussian."""
    return lambda images, _: _filtered(images, ImageFilter.GaussianBlur(deviation * scale_of(images)))


def _filtered(images: Images, effect: ImageFilter.Filter | ImageFilter.MultibandFilter) -> Images:
    return np.stack([_array(_picture(image).filter(effect)) for image in images])


def disk_blur(radius: float) -> Transform:
    """Return images out of focus: the mean over a disk."""

    def change(images: Images, _: Generator) -> Images:
        limit = (radius * scale_of(images)) ** 2 + 0.5
        reach = int(np.ceil(radius * scale_of(images)))
        height, width = images.shape[1:3]
        edge = ((0, 0), (reach, reach), (reach + 1, reach), (0, 0))
        sums = np.pad(images, edge, mode="edge").cumsum(axis=2, dtype=np.int32)  # a row of the disk is a difference
        total, count = np.zeros(images.shape, np.int32), 0
        for y in range(-reach, reach + 1):
            if y * y > limit:
                continue
            half = min(reach, int(np.sqrt(limit - y * y)))
            rows, right = sums[:, reach + y : reach + y + height], reach + 1 + half
            total += rows[:, :, right : right + width] - rows[:, :, reach - half : reach - half + width]
            count += 2 * half + 1
        return to_bytes(total.astype(np.float32) / count)

    return change


def motion_blur(length: float, angle: float) -> Transform:
    """Return the mean along a line at an angle in degrees."""

    def change(images: Images, _: Generator) -> Images:
        along = np.arange(max(2, round(length * scale_of(images))))
        along = along - len(along) // 2
        turned = np.deg2rad(angle)
        return _mean_of_shifts(
            images, [(round(step * np.sin(turned)), round(step * np.cos(turned))) for step in along.tolist()]
        )

    return change


def _mean_of_shifts(images: Images, shifts: list[tuple[int, int]]) -> Images:
    reach = max(max(abs(y), abs(x)) for y, x in shifts)
    wide = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge").astype(np.float32)
    height, width = images.shape[1:3]
    total = np.zeros(images.shape, np.float32)
    for y, x in shifts:
        total += wide[:, reach + y : reach + y + height, reach + x : reach + x + width]
    return to_bytes(total / len(shifts))


def lower_resolution(factor: float, kernel: Image.Resampling) -> Transform:
    """Return images shrunk by a factor and enlarged again by a kernel."""

    def change(images: Images, _: Generator) -> Images:
        rows, columns = images.shape[1:3]
        small = resized(images, (max(2, round(rows / factor)), max(2, round(columns / factor))), Image.Resampling.BOX)
        return resized(small, (rows, columns), kernel)

    return change


def sharpen(percent: float) -> Transform:
    """Return an unsharp mask applied."""
    return lambda images, _: _filtered(images, ImageFilter.UnsharpMask(scale_of(images), round(percent), 0))


def gaussian_noise(deviation: float, *, grey: bool = False) -> Transform:
    """Return normal noise added, in levels; `grey`: the same in every channel."""

    def change(images: Images, generator: Generator) -> Images:
        shape = (*images.shape[:3], 1) if grey else images.shape
        return to_bytes(images + float(deviation) * generator.standard_normal(shape))

    return change


def speckle(deviation: float) -> Transform:
    """Return each level multiplied by 1 and normal noise."""
    return lambda images, generator: to_bytes(
        images * (1 + np.float32(deviation) * generator.standard_normal(images.shape, np.float32))
    )


def shot_noise(photons: float) -> Transform:
    """Return counts of photons, so many at white."""
    return lambda images, generator: to_bytes(generator.poisson(images * (photons / 255)) * (255 / photons))


def salt_and_pepper(share: float, *, grey: bool) -> Transform:
    """Return a share of pixels white or black; `grey`: in all channels at once."""

    def change(images: Images, generator: Generator) -> Images:
        drawn = generator.random((*images.shape[:3], 1) if grey else images.shape)
        return np.where(drawn < share / 2, 0, np.where(drawn < share, 255, images)).astype(np.uint8)

    return change


def jpeg(quality: float) -> Transform:
    """Return images compressed as JPEG."""

    def change(images: Images, _: Generator) -> Images:
        return np.stack([_compressed(image, round(quality)) for image in images])

    return change


def _compressed(image: Images, quality: int) -> Images:
    file = io.BytesIO()
    _picture(image).save(file, "JPEG", quality=quality)
    return _array(Image.open(file))


def posterize(levels: int, *, full: bool) -> Transform:
    """Return so many levels only: evenly spaced from 0 to 255, or the middle of equal parts of the range."""
    steps = np.arange(256) / 255 * (levels - 1)
    table = to_bytes(
        np.rint(steps) * (255 / (levels - 1)) if full else (np.arange(256) * levels // 256 + 0.5) * (256 / levels)
    )
    return lambda images, _: table[images]


def divide(by: float) -> Transform:
    """Return levels divided and rounded."""
    return lambda images, _: to_bytes(images / np.float32(by))
