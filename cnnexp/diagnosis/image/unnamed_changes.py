"""Changes of images that have no name in a diagnosis, and images that show no class at all; as functions of pixels.

Conventions are those of `changes`. Simulated beside the named kinds, so that what is none of these is most like no one.
"""

import numpy as np
from PIL import Image, ImageDraw

from cnnexp.diagnosis.image.changes import Generator, Transform, gaussian_blur, resized, scale_of, to_bytes
from cnnexp.records import Images


def cover(share: float, level: int | None) -> Transform:
    """Return images with a rectangle, a share of the sides, of one level or of noise, somewhere."""

    def change(images: Images, generator: Generator) -> Images:
        rows, columns = images.shape[1:3]
        height, width = max(1, round(rows * share)), max(1, round(columns * share))
        covered = images.copy()
        for image in covered:
            top, left = generator.integers(0, rows - height + 1), generator.integers(0, columns - width + 1)
            patch = image[top : top + height, left : left + width]
            patch[...] = generator.integers(0, 256, patch.shape) if level is None else level
        return covered

    return change


def tiles(count: int) -> Transform:
    """Return images cut into count × count tiles, which are put together in another order."""

    def change(images: Images, generator: Generator) -> Images:
        height, width = images.shape[1] // count, images.shape[2] // count
        mixed = images.copy()
        places = [(y, x) for y in range(count) for x in range(count)]
        for target, source in zip(places, generator.permutation(len(places)).tolist(), strict=True):
            y, x = places[source]
            block = images[:, y * height : (y + 1) * height, x * width : (x + 1) * width]
            top, left = target[0] * height, target[1] * width
            mixed[:, top : top + height, left : left + width] = block
        return mixed

    return change


def wave(amplitude: float, period: float) -> Transform:
    """Return rows and columns shifted by sines."""

    def change(images: Images, _: Generator) -> Images:
        size = scale_of(images)
        rows, columns = np.arange(images.shape[1]), np.arange(images.shape[2])
        across = np.rint(amplitude * size * np.sin(2 * np.pi * rows / (period * size))).astype(int)
        along = np.rint(amplitude * size * np.sin(2 * np.pi * columns / (period * size))).astype(int)
        x = np.clip(columns[None, :] + across[:, None], 0, len(columns) - 1)
        y = np.clip(rows[:, None] + along[None, :], 0, len(rows) - 1)
        return images[:, y, x]

    return change


def double_exposure(images: Images, generator: Generator) -> Images:
    """Return each image mixed with another one of the batch."""
    other = images[generator.permutation(len(images))]
    return to_bytes((images.astype(np.float32) + other) / 2)


def solarize(images: Images, _: Generator) -> Images:
    """Return bright levels inverted, dark ones as they are."""
    return np.where(images > 127, 255 - images, images).astype(np.uint8)


def shade(axis: int) -> Transform:
    """Return images that become dark towards one side; axis 1: below, 2: on the right."""

    def change(images: Images, _: Generator) -> Images:
        ramp = np.linspace(1.0, 0.15, images.shape[axis], dtype=np.float32)
        return to_bytes(images * (ramp[None, :, None, None] if axis == 1 else ramp[None, None, :, None]))

    return change


def misaligned_channels(images: Images, _: Generator) -> Images:
    """Return red and blue shifted against green."""
    step = max(1, round(2 * scale_of(images)))
    moved = images.copy()
    moved[..., 0] = np.roll(images[..., 0], step, axis=2)
    moved[..., 2] = np.roll(images[..., 2], -step, axis=2)
    return moved


def rotate_hue(images: Images, _: Generator) -> Images:
    """Return green for red, blue for green, red for blue."""
    return np.ascontiguousarray(images[..., [1, 2, 0]])


def texture(images: Images, generator: Generator) -> Images:
    """Return smooth random fields with the levels of the images: no object at all."""
    count, rows, columns, channels = images.shape
    coarse = generator.integers(0, 256, (count, 5, 5, channels)).astype(np.uint8)
    return resized(coarse, (rows, columns), Image.Resampling.BICUBIC)


def shapes(images: Images, generator: Generator) -> Images:
    """Return discs and bars of random levels on a plain ground: something drawn that no network here has learned."""
    rows, columns, channels = images.shape[1:]
    y, x = np.mgrid[:rows, :columns]
    drawn = np.empty_like(images)
    for image in drawn:
        image[...] = generator.integers(0, 256, channels)
        for _ in range(4):
            centre, size = generator.random(2) * (rows, columns), (0.05 + 0.25 * generator.random()) * rows
            inside = np.hypot(y - centre[0], x - centre[1]) < size
            if generator.random() < 0.5:
                inside = (np.abs(y - centre[0]) < size / 3) & (np.abs(x - centre[1]) < size)
            image[inside] = generator.integers(0, 256, channels)
    return drawn


def strokes(images: Images, generator: Generator) -> Images:
    """Return thick lines of one level on a plain ground, as of a letter or a drawing."""
    rows, columns, channels = images.shape[1:]
    drawn = np.empty_like(images)
    for image in drawn:
        mask = Image.new("L", (columns, rows))
        points = [(float(x * columns), float(y * rows)) for x, y in 0.1 + 0.8 * generator.random((5, 2))]
        width = max(1, round((1 + 3 * generator.random()) * scale_of(images)))
        ImageDraw.Draw(mask).line(points, fill=255, width=width)
        ground, line = generator.integers(0, 256, (2, channels))
        image[...] = np.where(np.asarray(mask)[..., None] > 0, line, ground)
    return drawn


def softened(change: Transform, deviation: float) -> Transform:
    """Return a change, and then a Gaussian blur."""
    return lambda images, generator: gaussian_blur(deviation)(change(images, generator), generator)


def pink_noise(power: float) -> Transform:
    """Return random fields whose amplitude falls with frequency as in photographs: 1 / f ** power (Field 1987)."""

    def change(images: Images, generator: Generator) -> Images:
        count, rows, columns, channels = images.shape
        frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None])
        frequency[0, 0] = 1
        white = generator.standard_normal((count, channels + 1, rows, columns))
        fields = np.fft.ifft2(np.fft.fft2(white) / frequency**power).real
        fields -= fields.mean(axis=(2, 3), keepdims=True)
        fields /= fields.std(axis=(2, 3), keepdims=True) + 1e-6
        mixed = fields[:, :1] + 0.4 * fields[:, 1:]  # what all channels share, and their own
        level, spread = generator.uniform(50, 200, (count, 1, 1, 1)), generator.uniform(20, 75, (count, 1, 1, 1))
        return np.ascontiguousarray(np.moveaxis(to_bytes(level + spread * mixed), 1, 3))

    return change
