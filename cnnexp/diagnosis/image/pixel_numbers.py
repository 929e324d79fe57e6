"""About a hundred numbers that describe the pixels of an image, whatever it shows.

Levels and gaps between them, borders, edges, equality of channels and traces of compression: what a wrong step on the
way to the network changes, and a network was never trained to see. All are of the order of one, and differences count,
not ratios.
"""

import itertools
import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, rfft, rfft2

from cnnexp.records import Images

Numbers = NDArray[np.float32]  # (N, P)
Floats = NDArray[np.floating[Any]]

_CHUNK_PIXELS = 2**18  # in floating point at once: they stay in the cache of a processor
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_MIDDLE_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)  # of what is neither black nor white
_PARTS = 4  # of the levels from black to white, whose histogram is described
_SMOOTH = 11  # levels over which the histogram of an image is even, unless its levels were moved apart or together
_BLOCK = 8  # pixels of a side of a block of JPEG
_COSINE = dct(np.eye(_BLOCK), axis=0, norm="ortho")
_COSINES = np.kron(_COSINE, _COSINE).T.astype(np.float32)  # of a flattened block
_PERIODS = (2, 3, 4)  # pixels of enlarged ones
_FREQUENCIES = (0.2, 0.26, 0.32, 0.38, 0.44, 0.5)  # a pixel, of enlarging; below is what images show
_STANDS_OUT = 0.12  # of the range from black to white
_EVEN = 2.0  # levels; rows and columns at the edge that vary less are a frame


def pixel_numbers(images: Images) -> Numbers:
    """Return (N, P) numbers of images (N, H, W, C)."""
    step = max(1, _CHUNK_PIXELS // math.prod(images.shape[1:3]))
    chunks = [_numbers(images[start : start + step]) for start in range(0, len(images), step)]
    return np.concatenate(chunks).astype(np.float32)


def _numbers(images: Images) -> Floats:
    planes = np.ascontiguousarray(np.moveaxis(images, 3, 1))  # what reads one channel reads its pixels in a row
    sums = planes[:, 0].astype(np.int16)
    for channel in range(1, planes.shape[1]):
        sums += planes[:, channel]
    pixels = np.divide(planes, 255, dtype=np.float32)
    grey = np.divide(sums, 255 * planes.shape[1], dtype=np.float32)
    steps = np.abs(_steps(grey, 1, 1)), np.abs(_steps(grey, 2, 1))
    lines = steps[0].mean(axis=2), steps[1].mean(axis=1)  # (N, H - 1), (N, W - 1) of neighbouring rows, columns
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    varied = np.abs(grey[:, 1:-1, 1:-1] - around / 4)  # (N, H - 2, W - 2) from the mean of the four neighbours
    by_channel = np.stack([_counts(planes[:, channel], 255) for channel in range(planes.shape[1])], axis=1)
    parts = [
        _levels(by_channel, sums, grey),
        _histogram(by_channel),
        _channels(planes, pixels),
        _layout(pixels, grey),
        _borders(pixels, grey),
    ]
    parts += [_detail(planes.shape[1], sums, grey, lines, varied), _noise(grey, pixels, varied), _spectrum(grey)]
    parts += [_periods(steps, lines), _resampled(grey), _blocks(grey, lines)]
    return np.concatenate(parts, axis=1)


def _log(values: Floats, floor: float = 1e-3) -> Floats:
    logarithm: Floats = np.log(np.maximum(values, 0) + np.float32(floor))
    return logarithm


def _shares(masks: NDArray[np.bool_]) -> Floats:
    """Return (N,) how much of each mask is true; counting one after the other is faster than a mean of all."""
    return np.array([np.count_nonzero(mask) for mask in masks]) / math.prod(masks.shape[1:])


def _counts(values: NDArray[np.integer[Any]], highest: int) -> NDArray[np.int64]:
    """Return (N, V) how often each whole number from 0 to the highest is there."""
    return np.stack([np.bincount(one.ravel(), minlength=highest + 1) for one in values])


def _quantiles(counts: NDArray[np.int64], shares: Sequence[float]) -> Floats:
    """Return (N, Q) quantiles, interpolated, of numbers by how often (N, V) each is there; counting beats sorting."""
    upto = counts.cumsum(axis=1)
    places = np.array(shares) * (upto[0, -1] - 1)
    below, above = ((upto[:, None] <= rank[:, None]).sum(axis=2) for rank in (np.floor(places), np.ceil(places)))
    quantiles: Floats = below + (places - np.floor(places)) * (above - below)
    return quantiles


def _levels(by_channel: NDArray[np.int64], sums: NDArray[np.int16], grey: NDArray[np.float32]) -> Floats:
    counts, white = by_channel.sum(axis=1), 255 * by_channel.shape[1]
    used, values = counts > 0, by_channel.shape[1] * math.prod(grey.shape[1:])
    low, high = used.argmax(axis=1), 255 - used[:, ::-1].argmax(axis=1)
    columns = [
        _quantiles(_counts(sums, white), _QUANTILES) / white,
        _log(grey.std(axis=(1, 2)))[:, None],
        _log(counts[:, [0, 255]] / values),
        np.log(used.sum(axis=1))[:, None],
        (used.sum(axis=1) / (high - low + 1))[:, None],  # below 1: levels in between are missing
        (low / 255)[:, None],
        (high / 255)[:, None],
        _log(counts.max(axis=1) / values)[:, None],
    ]
    return np.concatenate(columns, axis=1)


def _histogram(by_channel: NDArray[np.int64]) -> Floats:
    """Return where levels in the middle lie, and how uneven their histogram (N, C, 256) is, by part and by channel.

    A gain or a contrast leaves gaps or peaks at even distances, a gamma where it is steep or flat, whatever is shown
    (Stamm & Liu 2010).
    """
    inner = by_channel[..., 1:255].astype(np.float32)
    together = inner.sum(axis=1)
    total = together.sum(axis=1, keepdims=True)
    upto = together.cumsum(axis=1) / np.maximum(total, 1)
    places = (upto[:, None] < np.array(_MIDDLE_QUANTILES, np.float32)[:, None]).sum(axis=2) + 1
    columns = [np.where(total > 0, places, 127.5) / 255, _unevenness(together, _PARTS)]
    if by_channel.shape[1] > 1:
        columns += [_unevenness(inner[:, channel], 1) for channel in range(by_channel.shape[1])]
    return np.concatenate(columns, axis=1)


def _unevenness(counts: NDArray[np.float32], parts: int) -> Floats:
    """Return (N, 2 · parts) how many of the levels are used of those that a smooth histogram uses, and its steps.

    Square roots of counts vary by chance alike, whatever the count.
    """
    half = _SMOOTH // 2
    sums = np.pad(counts, ((0, 0), (half + 1, half))).cumsum(axis=1)
    width = np.minimum(np.arange(counts.shape[1]), half) + np.minimum(np.arange(counts.shape[1])[::-1], half) + 1
    expected = 1 - np.exp(-(sums[:, _SMOOTH:] - sums[:, :-_SMOOTH]) / width)  # share of smooth histograms that use it
    roots = np.sqrt(counts + np.float32(0.375))
    bent = np.abs(2 * roots[:, 1:-1] - roots[:, :-2] - roots[:, 2:]) * expected[:, 1:-1]
    found = []
    for part in np.array_split(np.arange(1, counts.shape[1] - 1), parts):
        wanted = expected[:, part].sum(axis=1)
        found.append(np.log(((counts[:, part] > 0).sum(axis=1) + 2) / (wanted + 2)))
        found.append(bent[:, part - 1].sum(axis=1) / (wanted + 2))
    return np.stack(found, axis=1)


def _channels(planes: Images, pixels: NDArray[np.float32]) -> Floats:
    if planes.shape[1] == 1:
        return np.empty((len(planes), 0), np.float32)
    red, green, blue = (pixels[:, channel] for channel in range(3))
    equal = (planes[:, 0] == planes[:, 1]) & (planes[:, 1] == planes[:, 2])
    means, deviations = pixels.mean(axis=(2, 3)), pixels.std(axis=(2, 3))
    apart = np.stack([np.abs(a - b).mean(axis=(1, 2)) for a, b in ((red, green), (green, blue), (red, blue))], axis=1)
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    columns = [
        means - means.mean(axis=1, keepdims=True),
        _log(deviations / (deviations.mean(axis=1, keepdims=True) + 1e-3), 0.05),
        _shares(equal)[:, None],
        _log(apart),
        _log((highest - lowest).mean(axis=(1, 2)))[:, None],
    ]
    return np.concatenate(columns, axis=1)


def _layout(pixels: NDArray[np.float32], grey: NDArray[np.float32]) -> Floats:
    """Return brightness on a grid of 3 × 3, without that of the whole, and where the colours are."""
    rows, columns = np.array_split(np.arange(grey.shape[1]), 3), np.array_split(np.arange(grey.shape[2]), 3)
    cells = np.stack([grey[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean(axis=(1, 2)) for r in rows for c in columns], 1)
    parts = [cells - cells.mean(axis=1, keepdims=True)]
    if pixels.shape[1] == 3:
        warm = pixels[:, 0] - pixels[:, 2]
        parts.append((warm[:, : len(warm[0]) // 2].mean(axis=(1, 2)) - warm.mean(axis=(1, 2)))[:, None])
    return np.concatenate(parts, axis=1)


def _borders(pixels: NDArray[np.float32], grey: NDArray[np.float32]) -> Floats:
    """Return how far each side has an even border, as a share of the side, and the level of the frame."""
    shares = np.zeros((len(pixels), 4))
    for side, lines in enumerate(
        (pixels, pixels[:, :, ::-1], pixels.swapaxes(2, 3), pixels.swapaxes(2, 3)[:, :, ::-1])
    ):
        framed = _is_even(lines[:, :, :1])[:, 0]  # of most images, the outermost line is not even
        shares[framed, side] = _run(_is_even(lines[framed]))
    opposite = np.minimum(shares[:, [0, 2]], shares[:, [1, 3]])  # a frame has both
    edge = np.stack([grey[:, 0].mean(1), grey[:, -1].mean(1), grey[:, :, 0].mean(1), grey[:, :, -1].mean(1)], axis=1)
    spread = np.stack([grey[:, 0].std(1), grey[:, -1].std(1), grey[:, :, 0].std(1), grey[:, :, -1].std(1)], axis=1)
    return np.concatenate(
        [2 * shares, 4 * opposite, edge.mean(axis=1, keepdims=True), _log(spread.mean(axis=1, keepdims=True))], axis=1
    )


def _is_even(lines: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (N, L) which lines (N, C, L, P) hardly vary in any channel."""
    even: NDArray[np.bool_] = lines.std(axis=3).max(axis=1) <= _EVEN / 255
    return even


def _run(even: NDArray[np.bool_]) -> Floats:
    run: Floats = np.where(even.all(axis=1), even.shape[1], (~even).argmax(axis=1)) / even.shape[1]
    return run


def _detail(
    channels: int,
    sums: NDArray[np.int16],
    grey: NDArray[np.float32],
    lines: tuple[Floats, Floats],
    varied: NDArray[np.float32],
) -> Floats:
    """Return differences between pixels at several distances, and how heavy the tails of the finest detail are."""
    spread = grey.std(axis=(1, 2)) + np.float32(0.01)
    found = [line.mean(axis=1) / spread for line in lines]
    for lag in (2, 4):
        for axis in (1, 2):
            found.append(np.abs(_steps(grey, axis, lag)).mean(axis=(1, 2)) / spread)
    strength = 4 * varied.mean(axis=(1, 2))
    tails = 4 * np.sqrt((varied**2).mean(axis=(1, 2))) / (strength + 1e-3)
    diagonal = np.abs(sums[:, :-1, :-1] - sums[:, 1:, :-1] - sums[:, :-1, 1:] + sums[:, 1:, 1:])
    white = 255 * channels
    counts = _counts(diagonal, 2 * white)  # of noise more than of edges
    middle = _quantiles(counts, (0.5,))[:, 0] / white
    mean = counts @ np.arange(2 * white + 1) / (math.prod(diagonal.shape[1:]) * white)
    columns = [*(_log(value, 0.01) for value in found), _log(strength / spread, 0.01), _log(strength), tails]
    columns += [_log(middle), _log(mean / spread, 0.01)]
    return np.stack(columns, axis=1)


def _noise(grey: NDArray[np.float32], pixels: NDArray[np.float32], varied: NDArray[np.float32]) -> Floats:
    """Return how far pixels stand out of all their neighbours, how often, and how much bright parts and colours vary.

    Edges do not stand out on both sides; noise does. Speckle is where it is bright, noise of a sensor in each channel.
    """
    middle, above, below = grey[:, 1:-1, 1:-1], grey[:, :-2, 1:-1], grey[:, 2:, 1:-1]
    left, right = grey[:, 1:-1, :-2], grey[:, 1:-1, 2:]
    lowest = np.minimum(np.minimum(above, below), np.minimum(left, right))
    highest = np.maximum(np.maximum(above, below), np.maximum(left, right))
    apart = np.abs(middle - np.clip(middle, lowest, highest))
    bright = middle > grey.mean(axis=(1, 2), keepdims=True)
    inside = (varied * bright).sum(axis=(1, 2)) / (_shares(bright) * math.prod(bright.shape[1:]) + 1)
    columns = [
        _log(apart.mean(axis=(1, 2))),
        _log(_shares(apart > _STANDS_OUT)),
        _log(inside, 0.01),
        _log(inside / (varied.mean(axis=(1, 2)) + 0.01), 0.1),
    ]
    if pixels.shape[1] == 3:
        for first, second in ((0, 1), (1, 2)):
            colour = pixels[:, first] - pixels[:, second]
            fine = colour[:, :-1, :-1] - colour[:, 1:, :-1] - colour[:, :-1, 1:] + colour[:, 1:, 1:]
            columns.append(_log(np.abs(fine).mean(axis=(1, 2)), 0.01))
    return np.stack(columns, axis=1)


def _steps(grey: NDArray[np.float32], axis: int, lag: int) -> NDArray[np.float32]:
    """Return differences between pixels that are `lag` apart along axis 1 or 2."""
    along = grey if axis == 1 else grey.swapaxes(1, 2)
    lag = min(lag, along.shape[1] - 1)
    steps: NDArray[np.float32] = along[:, lag:] - along[:, : along.shape[1] - lag]
    return steps if axis == 1 else steps.swapaxes(1, 2)


def _spectrum(grey: NDArray[np.float32]) -> Floats:
    """Return the logarithm of the power in four bands of frequency relative to all, across and along."""
    spectrum = rfft2(grey - grey.mean(axis=(1, 2), keepdims=True))
    power = (spectrum.real**2 + spectrum.imag**2).reshape(len(grey), -1)
    sums = power @ _bands(*grey.shape[1:])
    shares: Floats = _log(sums[:, 1:] / (sums[:, :1] + 1e-3), 1e-5) / 2
    return shares


@cache
def _bands(height: int, width: int) -> NDArray[np.float32]:
    """Return (F, 8) how often each number of `rfft2`, which has half of them, counts in the whole and in each band."""
    y, x = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    radius = np.hypot(y, x)
    edges = (0.0, 0.0625, 0.125, 0.25, 0.375, 1.0)
    bands = [np.ones_like(radius), *((radius > low) & (radius <= high) for low, high in itertools.pairwise(edges))]
    bands += [(x > 0.25) & (np.abs(y) < 0.125), (np.abs(y) > 0.25) & (x < 0.125)]
    once = (x == 0) | (x == 0.5)  # all others stand for two
    return np.stack([(np.where(once, 1, 2) * band).ravel() for band in bands], axis=1).astype(np.float32)


def _periods(steps: tuple[NDArray[np.float32], NDArray[np.float32]], lines: tuple[Floats, Floats]) -> Floats:
    """Return how much larger differences between neighbours are at every n-th place, and how many are none at all."""
    found = []
    for each, line in zip(steps, lines, strict=True):
        for period in _PERIODS:
            phases = np.stack([line[:, phase::period].mean(axis=1) for phase in range(period)], axis=1)
            found.append(np.log((phases.max(axis=1) + 1e-3) / (phases.mean(axis=1) + 1e-3)))
        found.append(_shares(each < 1e-4))
    return np.stack(found, axis=1)


def _resampled(grey: NDArray[np.float32]) -> Floats:
    """Return how periodic the curvature is along each axis, in bands of frequency: traces of enlarging by any factor.

    Interpolated pixels are means of their neighbours, and stand between others that are not (Gallagher 2005).
    """
    found = []
    for axis in (1, 2):
        steps = _steps(grey, axis, 1)
        bent = np.abs(_steps(steps, axis, 1)).mean(axis=3 - axis)  # (N, side - 2)
        spectrum = np.abs(rfft(bent / (bent.mean(axis=1, keepdims=True) + 1e-3), axis=1)) / bent.shape[1]
        frequency = np.fft.rfftfreq(bent.shape[1])
        for low, high in itertools.pairwise(_FREQUENCIES):
            band = spectrum[:, (frequency > low) & (frequency <= high)]
            found.append(_log(band.max(axis=1, initial=0), 0.03))
    return np.stack(found, axis=1)


def _blocks(grey: NDArray[np.float32], lines: tuple[Floats, Floats]) -> Floats:
    """Return traces of JPEG: steps at the edges of blocks of 8, and fine detail that was rounded to none."""
    height, width = (side // _BLOCK * _BLOCK for side in grey.shape[1:])
    if min(height, width) < 2 * _BLOCK:
        return np.empty((len(grey), 0), np.float32)
    found = []
    for line in lines:
        at_edges = line[:, _BLOCK - 1 :: _BLOCK].mean(axis=1)
        found.append(np.log((at_edges + 1e-3) / (line.mean(axis=1) + 1e-3)))
    aligned = _share_of_zeros(grey[:, :height, :width])
    half = _BLOCK // 2
    found += [aligned, aligned - _share_of_zeros(grey[:, half : height - half, half : width - half])]
    return np.stack(found, axis=1)


def _share_of_zeros(grey: NDArray[np.float32]) -> Floats:
    """Return the share of coefficients of blocks, without their mean, that are below half a level."""
    count, height, width = grey.shape
    blocks = grey.reshape(count, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(0, 1, 3, 2, 4)
    coefficients = blocks.reshape(count, -1, _BLOCK * _BLOCK) @ _COSINES
    return _shares(np.abs(coefficients) < 1 / 255)
