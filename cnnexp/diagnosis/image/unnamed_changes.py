"""Changes of images that have no name in a diagnosis, as functions of pixels: distorted, hidden, torn, unevenly lit.

Conventions are those of `changes`. Simulated beside the named kinds, so that what is none of these is most like no one.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cnnexp.diagnosis.image.changes import Generator, Transform, scale_of, to_bytes
from cnnexp.records import Images

Field = NDArray[np.float32]  # (N, H, W)


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


def bent(images: Images, generator: Generator) -> Images:
    """Return images whose parts are moved by smooth random fields, as by a lens, heat or folded paper."""
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    strength, cells = generator.uniform(1.2, 4.5) * scale_of(images), int(generator.integers(3, 7))
    down, right = (strength * _smooth_field(images, cells, generator) for _ in range(2))
    return _sampled(images, y + down, x + right)


def slanted(images: Images, generator: Generator) -> Images:
    """Return images turned by another angle than a quarter, and sheared a little; the edge is repeated."""
    y, x = (place - place.mean() for place in np.mgrid[: images.shape[1], : images.shape[2]])
    each = (len(images), 1, 1)
    angle = np.deg2rad(generator.uniform(8, 70, each)) * generator.choice([-1, 1], each)
    shear, size = generator.uniform(-0.25, 0.25, each), generator.uniform(0.9, 1.1, each)
    down = size * (np.cos(angle) * y - np.sin(angle) * x)
    right = size * (np.sin(angle) * y + np.cos(angle) * x) + shear * y
    return _sampled(images, down + (images.shape[1] - 1) / 2, right + (images.shape[2] - 1) / 2)


def unevenly_lit(images: Images, generator: Generator) -> Images:
    """Return images multiplied by smooth random fields: spots, shadows, corners that are darker than the middle."""
    field = _smooth_field(images, int(generator.integers(2, 5)), generator)
    if generator.random() < 0.5:
        light = np.exp(-generator.uniform(0.3, 0.8) * field**2)
    else:
        light = np.exp(generator.uniform(0.4, 0.9) * field)
    return to_bytes(images * light[..., None])


def hidden(images: Images, generator: Generator) -> Images:
    """Return images with a rectangle of any shape and colour before them, on 8 to 35 % of their area."""
    rows, columns, channels = images.shape[1:]
    covered = images.copy()
    for image in covered:
        area, longer = generator.uniform(0.08, 0.35), np.exp(generator.uniform(-1.8, 1.8))
        height = min(rows, max(1, round(rows * float(np.sqrt(area * longer)))))
        width = min(columns, max(1, round(columns * float(np.sqrt(area / longer)))))
        top, left = generator.integers(0, rows - height + 1), generator.integers(0, columns - width + 1)
        colour = generator.integers(0, 256, channels) if generator.random() < 0.4 else generator.choice([0, 128, 255])
        image[top : top + height, left : left + width] = colour
    return covered


def lost_lines(images: Images, generator: Generator) -> Images:
    """Return images some of whose rows, or columns, have one level."""
    torn = images.copy()
    for image in torn:
        lines = image if generator.random() < 0.5 else image.swapaxes(0, 1)
        lost = generator.random(len(lines)) < generator.uniform(0.06, 0.3)
        lines[lost] = generator.choice([0, 255, int(generator.integers(0, 256))])
    return torn


def written_on(images: Images, generator: Generator) -> Images:
    """Return images with thin lines of one level over them, as of writing, a mark or a scratch."""
    rows, columns = images.shape[1:3]
    marked = images.copy()
    for image in marked:
        mask = Image.new("L", (columns, rows))
        middle, reach = generator.uniform(0.3, 0.7, 2), generator.uniform(0.15, 0.5, 2)
        places = (middle + reach * generator.uniform(-1, 1, (int(generator.integers(6, 24)), 2))) * (columns, rows)
        width = max(1, round(generator.uniform(0.6, 1.6) * scale_of(images)))
        ImageDraw.Draw(mask).line([(float(x), float(y)) for x, y in places], fill=255, width=width)
        image[np.asarray(mask) > 0] = generator.choice([0, 255, int(generator.integers(0, 256))])
    return marked


def _smooth_field(images: Images, cells: int, generator: Generator) -> Field:
    """Return (N, H, W) normal numbers on a grid of cells × cells, interpolated."""
    rows, columns = images.shape[1:3]
    coarse = generator.standard_normal((len(images), cells, cells)).astype(np.float32)
    return np.stack(
        [np.asarray(Image.fromarray(one).resize((columns, rows), Image.Resampling.BICUBIC)) for one in coarse]
    )


def _sampled(images: Images, down: NDArray[np.floating], right: NDArray[np.floating]) -> Images:
    """Return images (N, H, W, C) whose pixels are those at places (N, H, W), between pixels linearly."""
    rows, columns = images.shape[1:3]
    y, x = np.clip(down, 0, rows - 1), np.clip(right, 0, columns - 1)
    top, left = np.minimum(y.astype(int), max(rows - 2, 0)), np.minimum(x.astype(int), max(columns - 2, 0))
    below, beside = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    across, along = (y - top)[..., None].astype(np.float32), (x - left)[..., None].astype(np.float32)
    each = np.arange(len(images))[:, None, None]
    above = images[each, top, left] * (1 - along) + images[each, top, beside] * along
    under = images[each, below, left] * (1 - along) + images[each, below, beside] * along
    return to_bytes(above * (1 - across) + under * across)
