"""Faults of one image: another implementation than the product's, other strengths, and kinds it has never heard of.

Every injector takes one image, uint8 (H, W, C) of any size, and returns one. `right` are the names that count as
right; faults without any have no name in the product: every name is wrong then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_sample_images

Injector = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class ImageFault:
    name: str
    inject: Injector
    right: tuple[str, ...]
    colour: bool = False


def _u8(values):
    return np.clip(values + 0.5, 0, 255).astype(np.uint8)


def _scale(image):
    return min(image.shape[:2]) / 32


def _zoom(image, shape, order):
    factors = (shape[0] / image.shape[0], shape[1] / image.shape[1], 1)
    return _u8(ndimage.zoom(image.astype(float), factors, order=order, mode="nearest", grid_mode=True))


def _gain(low, high):
    return lambda image, rng: _u8(image * rng.uniform(low, high))


def _gamma(power):
    return lambda image, _: _u8(255 * np.power(image / 255.0, power))


def _cast(red, blue):
    return lambda image, _: _u8(image * np.array([red, 1.0, blue]))


def _luma(image, _):
    grey = image @ [0.2126, 0.7152, 0.0722]  # BT.709, not the product's BT.601
    return _u8(np.repeat(grey[..., None], 3, axis=2))


def _pale(image, _):
    mean = image.mean(axis=2, keepdims=True)
    return _u8(mean + 0.35 * (image - mean))


def _frame(share, level):
    def inject(image, _):
        height, width = image.shape[:2]
        top, left = round(height * share[0]), round(width * share[1])
        inner = _zoom(image, (height - 2 * top, width - 2 * left), 1)
        framed = np.full_like(image, level)
        framed[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        return framed

    return inject


def _crop(share_y, share_x):
    def inject(image, rng):
        height, width = image.shape[:2]
        h, w = round(height * share_y), round(width * share_x)
        top = (height - h) // 2 + int(rng.integers(-1, 2)) * (h < height)
        left = (width - w) // 2 + int(rng.integers(-1, 2)) * (w < width)
        return _zoom(image[max(top, 0) : max(top, 0) + h, max(left, 0) : max(left, 0) + w], (height, width), 1)

    return inject


def _blur(sigma):
    return lambda image, _: _u8(
        ndimage.gaussian_filter(image.astype(float), (sigma * _scale(image), sigma * _scale(image), 0))
    )


def _motion(image, _):
    length = max(3, round(5 * _scale(image)))
    kernel = np.eye(length)[::-1][..., None] / length
    return _u8(ndimage.convolve(image.astype(float), kernel, mode="nearest"))


def _upscaled(factor, order):
    def inject(image, _):
        height, width = image.shape[:2]
        small = _zoom(ndimage.uniform_filter(image, (factor, factor, 1)), (height // factor, width // factor), 1)
        return _zoom(small, (height, width), order)

    return inject


def _gaussian(image, rng):
    return _u8(image + rng.normal(0, 30, image.shape))


def _impulse(image, rng):
    noisy = image.copy()
    hit = rng.random(image.shape) < 0.05  # each channel for itself
    noisy[hit] = rng.integers(0, 2, hit.sum()) * 255
    return noisy


def _speckle(image, rng):
    return _u8(image * (1 + rng.normal(0, 0.3, image.shape)))


def _jpeg(quality):
    def inject(image, _):
        file = BytesIO()
        Image.fromarray(image.squeeze()).save(file, "JPEG", quality=quality, subsampling=2)
        return np.asarray(Image.open(file)).reshape(image.shape)

    return inject


def _posterized(image, _):
    return (image >> 6 << 6) + np.uint8(32)


def _rows_first(image, _):
    return _zoom(np.transpose(image, (1, 0, 2)), image.shape[:2], 1)


def _rot(quarters):
    return lambda image, _: _zoom(np.rot90(image, quarters), image.shape[:2], 1)


def _fog(image, _):
    return _u8(0.35 * image + 0.65 * 210)


def _flat(image, _):
    return _u8(image.mean() + 0.25 * (image - image.mean()))


def _hard(image, _):
    return _u8(128 + 2.8 * (image.astype(float) - 128))


# Kinds that the product has no name for.
def _swirl(image, _):
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width] - np.array([(height - 1) / 2, (width - 1) / 2])[:, None, None]
    angle = 2.5 * np.exp(-np.hypot(y, x) / (0.35 * min(height, width)))
    at = [
        np.cos(angle) * y - np.sin(angle) * x + height / 2 - 0.5,
        np.sin(angle) * y + np.cos(angle) * x + width / 2 - 0.5,
    ]
    planes = [
        ndimage.map_coordinates(image[..., c].astype(float), at, order=1, mode="nearest") for c in range(image.shape[2])
    ]
    return _u8(np.stack(planes, axis=2))


def _slanted(image, _):
    return _u8(ndimage.rotate(image.astype(float), 35, axes=(1, 0), reshape=False, order=1, mode="nearest"))


def _dead_rows(image, rng):
    broken = image.copy()
    broken[rng.random(len(image)) < 0.2] = 0
    return broken


def _grid(image, _):
    lined = image.copy()
    step = max(4, round(6 * _scale(image)))
    lined[::step], lined[:, ::step] = 200, 200
    return lined


def _vignette(image, _):
    height, width = image.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return _u8(image * np.exp(-1.6 * (y**2 + x**2))[..., None])


def _bars(image, _):
    hidden = image.copy()
    third = image.shape[1] // 3
    hidden[:, third : third + third // 2] = 255
    return hidden


def _rolled(image, _):
    return np.roll(image, image.shape[1] // 2, axis=1)


def _wrong_stride(image, _):
    return image[np.arange(len(image)) * 7 % len(image)]


FAULTS = (
    ImageFault("blue first", lambda image, _: image[..., ::-1], ("swapped channels",), True),
    ImageFault("BT.709 grey", _luma, ("grey",), True),
    ImageFault("warm light", _cast(1.4, 0.6), ("colour cast",), True),
    ImageFault("cold light", _cast(0.6, 1.4), ("colour cast",), True),
    ImageFault("pale", _pale, ("pale",), True),
    ImageFault("negative", lambda image, _: 255 - image, ("inverted",)),
    ImageFault("quarter left", _rot(1), ("turned left",)),
    ImageFault("quarter right", _rot(3), ("turned right",)),
    ImageFault("half turn", _rot(2), ("upside down",)),
    ImageFault("left for right", lambda image, _: image[:, ::-1], ("mirrored",)),
    ImageFault("lowest row first", lambda image, _: image[::-1], ("flipped",)),
    ImageFault("rows for columns", _rows_first, ("transposed",)),
    ImageFault("letterbox", _frame((0.17, 0.0), 0), ("padded",)),
    ImageFault("white frame", _frame((0.15, 0.15), 255), ("padded",)),
    ImageFault("centre only", _crop(0.6, 0.6), ("cropped",)),
    ImageFault("stretched", _crop(1.0, 0.5), ("cropped",)),
    ImageFault("under-exposed", _gain(0.2, 0.4), ("too dark",)),
    ImageFault("gamma 2.6", _gamma(2.6), ("too dark",)),
    ImageFault("over-exposed", _gain(1.8, 2.6), ("too bright",)),
    ImageFault("gamma 0.4", _gamma(0.4), ("too bright",)),
    ImageFault("scaled before", lambda image, _: _u8(image / 255.0), ("scaled", "one colour")),
    ImageFault("fog", _fog, ("low contrast",)),
    ImageFault("flat", _flat, ("low contrast",)),
    ImageFault("hard", _hard, ("high contrast",)),
    ImageFault("blur 1.1", _blur(1.1), ("blurred",)),
    ImageFault("blur 1.7", _blur(1.7), ("blurred",)),
    ImageFault("motion", _motion, ("blurred",)),
    ImageFault("enlarged 3", _upscaled(3, 1), ("blurred",)),
    ImageFault("blocks of 2", _upscaled(2, 0), ("pixelated",)),
    ImageFault("sensor noise", _gaussian, ("noise",)),
    ImageFault("impulses", _impulse, ("noise",)),
    ImageFault("speckle", _speckle, ("noise",)),
    ImageFault("JPEG 10", _jpeg(10), ("compressed",)),
    ImageFault("two bits", _posterized, ("few levels",)),
    ImageFault("swirl", _swirl, ()),
    ImageFault("slanted", _slanted, ()),
    ImageFault("dead rows", _dead_rows, ()),
    ImageFault("grid", _grid, ()),
    ImageFault("vignette", _vignette, ()),
    ImageFault("bar", _bars, ()),
    ImageFault("rolled", _rolled, ()),
    ImageFault("rows mixed", _wrong_stride, ()),
)


def foreign(colour, rng):
    """Return images of things that no data set here has as a class, by where they come from."""

    def crop(photo):
        side = int(rng.integers(60, 160))
        top, left = rng.integers(0, photo.shape[0] - side), rng.integers(0, photo.shape[1] - side)
        piece = photo[top : top + side, left : left + side]
        return piece if colour else _u8(piece.mean(axis=2, keepdims=True))

    photos = load_sample_images().images
    return {"parts of photographs": [crop(photos[k % 2]) for k in range(40)]}
