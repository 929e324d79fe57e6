"""Numbers of pixels, how far two sets of images are apart in them, and what maps the levels of one on the other."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Images

CHUNK = 500_000  # numbers that are worked on at a time: they stay in the processor's cache
ENOUGH_OF_A_SIDE = 64  # pixels
GRID = 3  # cells of a side, whose mean levels say where images are bright
QUANTILES = np.linspace(0.02, 0.98, 49)  # of the levels of all images together
SCALED = 30.0  # times: no two exposures differ by as much, but 0..1 and 0..255 do, also when levels were rounded
RANGES = (1, 15, 16, 31, 63, 100, 127)  # highest levels that readers and bit depths leave instead of 255
TOP, AS_OFTEN = 255, 0.5  # of the share of pixels at the highest level of the one, that the other must have at its own
BLURS = (0.6, 0.9, 1.3, 1.9, 2.7, 4.0, 6.0)  # standard deviations in pixels of an image of 32 × 32
CUT_OFF = (1.0, 1.2, 1.4, 1.7)  # times the noise that is seen, of what there was: on black, half of it is cut off
NOISES = (8.0, 14.0, 24.0, 40.0, 64.0)  # levels

Statistics = NDArray[np.float64]  # (N, S)


def statistics_of(images: Images) -> Statistics:
    """Return numbers of each image (N, S): levels, contrast, colour, sharpness, noise, and where it is bright."""
    count = max(1, CHUNK // math.prod(images.shape[1:]))
    chunks = [images[start : start + count] for start in range(0, max(1, len(images)), count)]
    return np.concatenate([_statistics(chunk) for chunk in chunks])


def _statistics(images: Images) -> Statistics:
    pixels = images.astype(np.float32)
    grey, channels = _grey(pixels), _channels(pixels)
    numbers = [
        *channels.T,
        grey.std(axis=(1, 2)),
        *_quantiles(_thinned(grey), 0.1, 0.5, 0.9),
        *_colour(channels),
        *_detail(grey),
        *_cells(grey),
    ]
    return np.stack([np.asarray(one, np.float64) for one in numbers], axis=1)


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean over the channels (N, H, W); a product is ten times as fast as a mean over three numbers."""
    grey: NDArray[np.float32] = pixels @ np.full(pixels.shape[-1], 1 / pixels.shape[-1], np.float32)
    return grey


def _channels(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the mean of each channel (N, C)."""
    flat = pixels.reshape(len(pixels), math.prod(pixels.shape[1:3]), pixels.shape[-1])
    return np.asarray((np.ones((1, flat.shape[1]), np.float32) @ flat)[:, 0] / flat.shape[1])


def _thinned(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return every so many rows and columns of maps (N, H, W): quantiles of a few thousand numbers are as good."""
    down, across = (max(1, side // ENOUGH_OF_A_SIDE) for side in maps.shape[1:])
    return maps[:, ::down, ::across]


def _quantiles(maps: NDArray[np.float32], *shares: float) -> NDArray[np.float32]:
    """Return quantiles (shares, N) of maps (N, H, W), as `numpy.quantile` does: rows are sorted nine times as fast."""
    ordered = np.sort(maps.reshape(len(maps), math.prod(maps.shape[1:])), axis=1).T
    places = np.array(shares) * (len(ordered) - 1)
    low = np.floor(places).astype(int)
    high, part = np.minimum(low + 1, len(ordered) - 1), (places - low).astype(np.float32)[:, None]
    return np.asarray(ordered[low] * (1 - part) + ordered[high] * part)


def names_of(channels: int) -> tuple[str, ...]:
    """Return what each of the statistics (S,) of images with so many channels is about, in words."""
    levels = ("brightness",) if channels == 1 else tuple(f"level of channel {place + 1}" for place in range(channels))
    colours = () if channels < 3 else ("colour", "colour")
    ranges = ("contrast", "dark levels", "middle levels", "bright levels")
    return (*levels, *ranges, *colours, "sharpness", "noise", "noise", *("where it is bright",) * GRID**2)


def _colour(channels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    if channels.shape[1] < 3:
        return []
    return [channels[:, 0] - channels[:, 1], channels[:, 2] - channels[:, 1]]


def _detail(grey: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the sharpness and the noise of each image, in logarithms of levels."""
    across, noise = np.abs(np.diff(grey, axis=2)).mean(axis=(1, 2)), _high_pass(grey)
    (middle,) = _quantiles(_thinned(noise), 0.5)
    return [np.log(across + 0.5), np.log(middle + 0.5), np.log(noise.mean(axis=(1, 2)) + 0.5)]


def detail_of(images: Images) -> NDArray[np.float64]:
    """Return sharpness, middle and mean noise (3,) of images, in levels, in the middle of all images."""
    own = np.median(np.stack(_detail(_grey(images.astype(np.float32)))), axis=1)
    return np.asarray(np.exp(own) - 0.5, np.float64)


def noise_of(images: Images) -> NDArray[np.float64]:
    """Return for each image (N,) the middle of its differences of differences, in levels: large where it is noisy."""
    noise: NDArray[np.float64] = np.median(_high_pass(_grey(images.astype(np.float32))), axis=(1, 2))
    return noise


def _high_pass(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    passed: NDArray[np.float32] = np.abs(grey[:, 1:, 1:] - grey[:, :-1, 1:] - grey[:, 1:, :-1] + grey[:, :-1, :-1])
    return passed


def _cells(grey: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    rows, columns = (np.linspace(0, side, GRID + 1).astype(int) for side in grey.shape[1:])
    middle = grey.mean(axis=(1, 2))
    return [
        grey[:, rows[y] : rows[y + 1], columns[x] : columns[x + 1]].mean(axis=(1, 2)) - middle
        for y in range(GRID)
        for x in range(GRID)
    ]


def distance(one: Statistics, other: Statistics) -> float:
    """Return the Kolmogorov-Smirnov distance, 0..1, on average over the statistics."""
    return float(distances(one, other).mean())


def by_chance(one: int, other: int) -> float:
    """Return the mean Kolmogorov-Smirnov distance of two samples of one kind, of so many each, in its limit."""
    return float(np.sqrt(np.pi / 2) * np.log(2) * ((one + other) / (one * other)) ** 0.5)


def distances(one: Statistics, other: Statistics) -> NDArray[np.float64]:
    """Return the Kolmogorov-Smirnov distance (S,) of each of the statistics, 0..1."""
    return np.array([_kolmogorov(a, b) for a, b in zip(one.T, other.T, strict=True)])


def _kolmogorov(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    points = np.concatenate([one, other])
    below = [np.searchsorted(np.sort(values), points, side="right") / len(values) for values in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


@dataclass(frozen=True, slots=True)
class Fit:
    """What maps the levels of one set of images on those of another, and which of them lost detail."""

    gain: float
    offset: float
    gamma: float
    channel_gains: tuple[float, ...]
    is_darker: bool  # the source
    is_scaled: bool  # the gain is that of another scale of values
    range_gain: float | None  # of one range of values on another, such as 0..100 on 0..255; None: these are not there
    worse_is_blurred: bool
    worse_is_noisy: bool
    blurs: tuple[float, ...] = BLURS
    noises: tuple[float, ...] = NOISES


def fit(*, source: Images, target: Images) -> Fit:
    """Fit levels of `source` images on those of `target` images, by their quantiles."""
    levels = [np.quantile(images, QUANTILES) for images in (source, target)]
    gain, offset = _line(*levels)
    detail = [np.median(np.stack(_detail(_grey(images.astype(np.float32)))), axis=1) for images in (source, target)]
    means = [images.mean(axis=(0, 1, 2), dtype=np.float64) for images in (source, target)]
    return Fit(
        gain=gain,
        offset=offset,
        gamma=_power(*levels),
        channel_gains=tuple((means[1] / np.maximum(means[0], 1e-3)).tolist()),
        is_darker=bool(means[0].mean() < means[1].mean()),
        is_scaled=bool(abs(gain) >= SCALED or 0 < abs(gain) <= 1 / SCALED),
        range_gain=_range_gain(source, target),
        worse_is_blurred=bool(detail[0][0] < detail[1][0]),
        worse_is_noisy=bool(detail[0][1] > detail[1][1]),
        noises=(*NOISES, *(times * one for one in noise_between(source, target) for times in CUT_OFF)),
    )


def _range_gain(source: Images, target: Images) -> float | None:
    """Return the gain of one range of values on another one, where both are used to their ends, as often."""
    tops = int(source.max()), int(target.max())
    if TOP not in tops or not {*tops} & {*RANGES}:
        return None
    half = 0.5 / min(tops)  # of the smaller range: levels that near the end become its highest one
    at_top = [float((images >= top * (1 - half)).mean()) for images, top in zip((source, target), tops, strict=True)]
    return tops[1] / tops[0] if 0 < AS_OFTEN * max(at_top) <= min(at_top) else None


def noise_between(one: Images, other: Images) -> tuple[float, ...]:
    """Return the deviation of the noise, in levels, that the noisier of two sets of images has more; none if it is 0.

    Variances of independent noise add up. A difference of differences of normal noise has twice its deviation, and its
    middle is 0.674 times that; the mean of three channels has less.
    """
    first, second = (float(np.median(noise_of(images))) for images in (one, other))
    more = np.sqrt(abs(first**2 - second**2)) * np.sqrt(one.shape[-1]) / (2 * 0.6745)
    return (float(more),) if more >= 1 else ()


def _line(source: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, float]:
    """Return gain and offset by least squares; levels that are cut off on both sides say nothing."""
    inside = (source > source.min()) & (source < 255) & (target > 0) & (target < 255)
    if inside.sum() < 3 or np.ptp(source[inside]) == 0:
        spread = max(float(source.std()), 1e-3)
        gain = float(target.std()) / spread
        return gain, float(target.mean() - gain * source.mean())
    gain, offset = np.polyfit(source[inside], target[inside], 1)
    return float(gain), float(offset)


def _power(source: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    inside = (source > 4) & (source < 251) & (target > 4) & (target < 251)
    if inside.sum() < 3:
        return 1.0
    logs = [np.log(values[inside] / 255) for values in (source, target)]
    return float(np.clip((logs[0] @ logs[1]) / (logs[0] @ logs[0]), 0.1, 10))
