"""Images that show no class at all, drawn with the colours of ordinary images or others; as functions of pixels.

Conventions are those of `changes`. An image of something that the network never learned is most like these, and is not
named after a mismatch. Outlier exposure: Hendrycks, Mazeika & Dietterich 2019 (arXiv:1812.04606).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from cnnexp.diagnosis.image.changes import Generator, Transform, gaussian_blur, resized, scale_of, to_bytes
from cnnexp.records import Images

_LARGE = 100  # pixels of a side, of which one is as fine as an edge in a photograph

Pixels = NDArray[np.float32]


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
    """Return thick lines of one level on a plain ground, black or white for half of them, as of a drawing."""
    rows, columns, channels = images.shape[1:]
    drawn = np.empty_like(images)
    for image in drawn:
        mask = Image.new("L", (columns, rows))
        points = [(float(x * columns), float(y * rows)) for x, y in 0.1 + 0.8 * generator.random((5, 2))]
        width = max(1, round((1 + 3 * generator.random()) * scale_of(images)))
        ImageDraw.Draw(mask).line(points, fill=255, width=width)
        ground, line = generator.integers(0, 256, (2, channels))
        if generator.random() < 0.5:
            ground, line = np.full(channels, generator.choice([0, 255])), np.full(channels, generator.integers(0, 256))
        image[...] = np.where(np.asarray(mask)[..., None] > 0, line, ground)
    return drawn


def softened(change: Transform, deviation: float) -> Transform:
    """Return a change, and then a Gaussian blur."""
    return lambda images, generator: gaussian_blur(deviation)(change(images, generator), generator)


def pink_noise(power: float) -> Transform:
    """Return random fields whose amplitude falls with frequency as in photographs: 1 / f ** power (Field 1987)."""

    def change(images: Images, generator: Generator) -> Images:
        count, rows, columns, channels = images.shape
        fields = _fields((count, channels + 1), (rows, columns), power, generator)
        mixed = fields[:, :1] + 0.4 * fields[:, 1:]  # what all channels share, and their own
        level, spread = generator.uniform(50, 200, (count, 1, 1, 1)), generator.uniform(20, 75, (count, 1, 1, 1))
        return np.ascontiguousarray(np.moveaxis(to_bytes(level + spread * mixed), 1, 3))

    return change


def _fields(shape: tuple[int, ...], size: tuple[int, int], power: float, generator: Generator) -> NDArray[np.float64]:
    """Return normal fields (*shape, H, W) of mean 0 and deviation 1 whose amplitude is 1 / f ** power."""
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None])
    frequency[0, 0] = 1
    white = np.fft.rfft2(generator.standard_normal((*shape, *size)))
    fields = np.fft.irfft2(white / frequency**power, s=size)
    fields -= fields.mean(axis=(-2, -1), keepdims=True)
    even: NDArray[np.float64] = fields / (fields.std(axis=(-2, -1), keepdims=True) + 1e-6)
    return even


def leaves(count: int, sizes: tuple[float, float], gains: tuple[float, float]) -> Transform:
    """Return up to `count` shapes one before the other, shares of the side large, as things hide each other.

    Such images have the edges and the spectrum of photographs (Lee, Mumford & Huang 2001). `gains` are how bright they
    are, beside the colours of the images or others.
    """

    def change(images: Images, generator: Generator) -> Images:
        drawn = np.stack([_leaves(images, count, sizes, generator) for _ in images])
        rough = _fields((len(images),), images.shape[1:3], generator.uniform(0.3, 1.3), generator)
        drawn += (generator.uniform(3, 22, (len(images), 1, 1)) * rough)[..., None].astype(np.float32)
        return _exposed(drawn, gains, generator)

    return change


def _leaves(images: Images, count: int, sizes: tuple[float, float], generator: Generator) -> Pixels:
    """Return one image (H, W, C); small ones are drawn twice as large, so that edges are soft."""
    rows, columns, channels = images.shape[1:]
    times = 2 if min(rows, columns) < _LARGE else 1
    many = int(generator.integers(count // 6 + 2, count))
    colours = generator.uniform(0, 255, (many + 1, channels)).astype(np.float32)
    if generator.random() < 0.5:
        own = generator.integers(0, images.size // channels, many + 1)
        colours = images.reshape(-1, channels)[own].astype(np.float32)
    drawn = np.full((times * rows, times * columns, channels), colours[-1], np.float32)
    low, high = (times * rows * share for share in sizes)
    radii = 1 / (1 / low + generator.random(many) * (1 / high - 1 / low))  # as many of each size, by their area
    if generator.random() < 0.6:
        radii = np.sort(radii)[::-1]  # small ones in front
    for radius, colour in zip(radii, colours[:-1], strict=True):
        _draw(drawn, float(radius), colour, generator)
    reduced: Pixels = drawn.reshape(rows, times, columns, times, channels).mean(axis=(1, 3))
    return reduced


def _draw(image: Pixels, radius: float, colour: NDArray[np.generic], generator: Generator) -> None:
    """Draw an ellipse or a rectangle somewhere, turned, half of them brighter on one side."""
    middle = generator.random(2) * image.shape[:2]
    ends = [slice(max(0, int(at - radius)), int(at + radius) + 2) for at in middle]
    part = image[ends[0], ends[1]]
    y, x = np.ogrid[ends[0].start : ends[0].start + part.shape[0], ends[1].start : ends[1].start + part.shape[1]]
    y, x, angle = y - middle[0], x - middle[1], generator.uniform(0, np.pi)
    along, across = (y * np.cos(angle) + x * np.sin(angle)) / radius, (x * np.cos(angle) - y * np.sin(angle)) / radius
    across /= generator.uniform(0.3, 1)
    round_ = generator.random() < 0.6
    inside = along**2 + across**2 < 1 if round_ else np.maximum(np.abs(along), np.abs(across)) < 0.75
    light = 1 + (generator.uniform(-0.3, 0.3) if generator.random() < 0.5 else 0.0) * along
    part[...] = np.where(inside[..., None], light[..., None] * colour, part)


def _exposed(drawn: Pixels, gains: tuple[float, float], generator: Generator) -> Images:
    """Return images (N, H, W, C) with colours and contrasts of any strength, multiplied by one of the `gains`."""
    each = (len(drawn), 1, 1, 1)
    grey = drawn.mean(axis=3, keepdims=True)
    coloured = grey + generator.uniform(0.2, 1.2, each) * (drawn - grey)
    middle = coloured.mean(axis=(1, 2, 3), keepdims=True)
    contrast = np.exp(generator.uniform(np.log(0.35), np.log(1.1), each))
    gain = np.exp(generator.uniform(np.log(gains[0]), np.log(gains[1]), each))
    return to_bytes(gain * (middle + contrast * (coloured - middle)))


def on_ground(change: Transform, softness: float) -> Transform:
    """Return what a change draws inside a few shapes in the middle, on an even ground: black, white or any; blurred."""

    def changed(images: Images, generator: Generator) -> Images:
        drawn = change(images, generator).copy()
        size = np.array(drawn.shape[1:3])
        places = np.moveaxis(np.mgrid[: size[0], : size[1]], 0, 2)
        for image in drawn:
            inside = np.zeros(tuple(size), bool)
            for _ in range(3):
                off = (places - size * generator.uniform(0.3, 0.7, 2)) / (size * generator.uniform(0.1, 0.35, 2))
                inside |= (np.hypot(*np.moveaxis(off, 2, 0)) if generator.random() < 0.5 else np.abs(off).max(2)) < 1
            even = generator.random() < 0.6
            image[~inside] = generator.choice([0, 255]) if even else generator.integers(0, 256, drawn.shape[-1])
        return gaussian_blur(softness)(drawn, generator) if softness else drawn

    return changed
