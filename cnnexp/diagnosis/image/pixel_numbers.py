"""About seventy numbers that describe the pixels of an image, whatever it shows.

Levels, borders, edges, equality of channels and traces of compression: what a wrong step on the way to the network
changes, and a network was never trained to see. All are of the order of one, and differences count, not ratios.
"""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn

from cnnexp.records import Images

Numbers = NDArray[np.float32]  # (N, P)
Floats = NDArray[np.floating[Any]]

_CHUNK = 256  # images in floating point at once
_QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_BLOCK = 8  # pixels of a side of a block of JPEG
_PERIODS = (2, 3, 4)  # pixels of enlarged ones
_STANDS_OUT = 0.12  # of the range from black to white
_EVEN = 2.0  # levels; rows and columns at the edge that vary less are a frame


def pixel_numbers(images: Images) -> Numbers:
    """Return (N, P) numbers of images (N, H, W, C)."""
    chunks = [_numbers(images[start : start + _CHUNK]) for start in range(0, len(images), _CHUNK)]
    return np.concatenate(chunks).astype(np.float32)


def _numbers(images: Images) -> Floats:
    pixels = np.divide(images, 255, dtype=np.float32)
    grey: NDArray[np.float32] = pixels.mean(axis=3)
    parts = [_levels(images, grey), _channels(images, pixels), _layout(pixels, grey), _borders(images, grey)]
    parts += [_detail(grey), _noise(grey, pixels), _spectrum(grey), _periods(grey), _blocks(grey)]
    return np.concatenate(parts, axis=1)


def _log(values: Floats, floor: float = 1e-3) -> Floats:
    logarithm: Floats = np.log(np.maximum(values, 0) + np.float32(floor))
    return logarithm


def _levels(images: Images, grey: NDArray[np.float32]) -> Floats:
    flat = images.reshape(len(images), -1)
    counts = np.stack([np.bincount(image, minlength=256) for image in flat])
    used = (counts > 0).sum(axis=1)
    low, high = flat.min(axis=1).astype(np.float32), flat.max(axis=1).astype(np.float32)
    columns = [
        np.quantile(grey.reshape(len(grey), -1), _QUANTILES, axis=1).T,
        _log(grey.std(axis=(1, 2)))[:, None],
        _log(counts[:, [0, 255]] / flat.shape[1]),
        np.log(used)[:, None],
        (used / (high - low + 1))[:, None],  # below 1: levels in between are missing
        (low / 255)[:, None],
        (high / 255)[:, None],
        _log(counts.max(axis=1) / flat.shape[1])[:, None],
    ]
    return np.concatenate(columns, axis=1)


def _channels(images: Images, pixels: NDArray[np.float32]) -> Floats:
    if images.shape[-1] == 1:
        return np.empty((len(images), 0), np.float32)
    planes = np.ascontiguousarray(np.moveaxis(pixels, 3, 1))  # sums over one channel read its pixels in a row
    red, green, blue = (planes[:, channel] for channel in range(3))
    equal = (images[..., 0] == images[..., 1]) & (images[..., 1] == images[..., 2])
    means, deviations = planes.mean(axis=(2, 3)), planes.std(axis=(2, 3))
    apart = np.stack([np.abs(a - b).mean(axis=(1, 2)) for a, b in ((red, green), (green, blue), (red, blue))], axis=1)
    highest, lowest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    columns = [
        means - means.mean(axis=1, keepdims=True),
        _log(deviations / (deviations.mean(axis=1, keepdims=True) + 1e-3), 0.05),
        equal.mean(axis=(1, 2))[:, None],
        _log(apart),
        _log((highest - lowest).mean(axis=(1, 2)))[:, None],
    ]
    return np.concatenate(columns, axis=1)


def _layout(pixels: NDArray[np.float32], grey: NDArray[np.float32]) -> Floats:
    """Return brightness on a grid of 3 × 3, without that of the whole, and where the colours are."""
    rows, columns = np.array_split(np.arange(grey.shape[1]), 3), np.array_split(np.arange(grey.shape[2]), 3)
    cells = np.stack([grey[:, r[0] : r[-1] + 1, c[0] : c[-1] + 1].mean(axis=(1, 2)) for r in rows for c in columns], 1)
    parts = [cells - cells.mean(axis=1, keepdims=True)]
    if pixels.shape[-1] == 3:
        warm = pixels[..., 0] - pixels[..., 2]
        parts.append((warm[:, : len(warm[0]) // 2].mean(axis=(1, 2)) - warm.mean(axis=(1, 2)))[:, None])
    return np.concatenate(parts, axis=1)


def _borders(images: Images, grey: NDArray[np.float32]) -> Floats:
    """Return how far each side has an even border, as a share of the side, and the level of the frame."""
    planes = np.moveaxis(images, 3, 1).astype(np.float32, order="C")  # (N, C, H, W)
    by_row, by_column = planes.std(axis=3).max(axis=1), planes.std(axis=2).max(axis=1)  # (N, H), (N, W)
    runs = [_run(values <= _EVEN) for values in (by_row, by_row[:, ::-1], by_column, by_column[:, ::-1])]
    shares = np.stack(runs, axis=1)
    opposite = np.minimum(shares[:, [0, 2]], shares[:, [1, 3]])  # a frame has both
    edge = np.stack([grey[:, 0].mean(1), grey[:, -1].mean(1), grey[:, :, 0].mean(1), grey[:, :, -1].mean(1)], axis=1)
    spread = np.stack([grey[:, 0].std(1), grey[:, -1].std(1), grey[:, :, 0].std(1), grey[:, :, -1].std(1)], axis=1)
    return np.concatenate(
        [2 * shares, 4 * opposite, edge.mean(axis=1, keepdims=True), _log(spread.mean(axis=1, keepdims=True))], axis=1
    )


def _run(even: NDArray[np.bool_]) -> Floats:
    run: Floats = np.where(even.all(axis=1), even.shape[1], (~even).argmax(axis=1)) / even.shape[1]
    return run


def _detail(grey: NDArray[np.float32]) -> Floats:
    """Return differences between pixels at several distances, and how heavy the tails of the finest detail are."""
    spread = grey.std(axis=(1, 2)) + np.float32(0.01)
    found = []
    for lag in (1, 2, 4):
        for axis in (1, 2):
            ahead, behind = (np.take(grey, r, axis) for r in _shifted(grey.shape[axis], lag))
            found.append(np.abs(ahead - behind).mean(axis=(1, 2)) / spread)
    inner = 4 * grey[:, 1:-1, 1:-1] - grey[:, :-2, 1:-1] - grey[:, 2:, 1:-1] - grey[:, 1:-1, :-2] - grey[:, 1:-1, 2:]
    diagonal = grey[:, :-1, :-1] - grey[:, 1:, :-1] - grey[:, :-1, 1:] + grey[:, 1:, 1:]  # of noise more than of edges
    strength = np.abs(inner).mean(axis=(1, 2))
    tails = np.sqrt((inner**2).mean(axis=(1, 2))) / (strength + 1e-3)
    middle = np.median(np.abs(diagonal), axis=(1, 2))
    columns = [*(_log(value, 0.01) for value in found), _log(strength / spread, 0.01), _log(strength), tails]
    columns += [_log(middle), _log(np.abs(diagonal).mean(axis=(1, 2)) / spread, 0.01)]
    return np.stack(columns, axis=1)


def _noise(grey: NDArray[np.float32], pixels: NDArray[np.float32]) -> Floats:
    """Return how far pixels stand out of all their neighbours, how often, and how much bright parts and colours vary.

    Edges do not stand out on both sides; noise does. Speckle is where it is bright, noise of a sensor in each channel.
    """
    middle = grey[:, 1:-1, 1:-1]
    around = np.stack([grey[:, :-2, 1:-1], grey[:, 2:, 1:-1], grey[:, 1:-1, :-2], grey[:, 1:-1, 2:]])
    apart = np.abs(middle - np.clip(middle, around.min(axis=0), around.max(axis=0)))
    bright = middle > grey.mean(axis=(1, 2), keepdims=True)
    varied = np.abs(middle - around.mean(axis=0))
    inside = (varied * bright).sum(axis=(1, 2)) / (bright.sum(axis=(1, 2)) + 1)
    columns = [
        _log(apart.mean(axis=(1, 2))),
        _log((apart > _STANDS_OUT).mean(axis=(1, 2))),
        _log(inside, 0.01),
        _log(inside / (varied.mean(axis=(1, 2)) + 0.01), 0.1),
    ]
    if pixels.shape[-1] == 3:
        for first, second in ((0, 1), (1, 2)):
            colour = pixels[..., first] - pixels[..., second]
            fine = colour[:, :-1, :-1] - colour[:, 1:, :-1] - colour[:, :-1, 1:] + colour[:, 1:, 1:]
            columns.append(_log(np.abs(fine).mean(axis=(1, 2)), 0.01))
    return np.stack(columns, axis=1)


def _shifted(size: int, lag: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    lag = min(lag, size - 1)
    return np.arange(lag, size), np.arange(size - lag)


def _spectrum(grey: NDArray[np.float32]) -> Floats:
    """Return the logarithm of the power in four bands of frequency relative to all, across and along."""
    power = np.abs(np.fft.fft2(grey - grey.mean(axis=(1, 2), keepdims=True))) ** 2
    y, x = np.meshgrid(np.fft.fftfreq(grey.shape[1]), np.fft.fftfreq(grey.shape[2]), indexing="ij")
    radius = np.hypot(y, x)
    total = power.sum(axis=(1, 2)) + 1e-3
    edges = (0.0, 0.0625, 0.125, 0.25, 0.375, 1.0)
    bands = [(radius > low) & (radius <= high) for low, high in itertools.pairwise(edges)]
    bands += [(np.abs(x) > 0.25) & (np.abs(y) < 0.125), (np.abs(y) > 0.25) & (np.abs(x) < 0.125)]
    return np.stack([_log(power[:, band].sum(axis=1) / total, 1e-5) / 2 for band in bands], axis=1)


def _periods(grey: NDArray[np.float32]) -> Floats:
    """Return how much larger differences between neighbours are at every n-th place, and how many are none at all."""
    found = []
    for axis in (1, 2):
        steps = np.abs(np.diff(grey, axis=axis)).mean(axis=3 - axis)  # (N, side - 1)
        for period in _PERIODS:
            phases = np.stack([steps[:, phase::period].mean(axis=1) for phase in range(period)], axis=1)
            found.append(np.log((phases.max(axis=1) + 1e-3) / (phases.mean(axis=1) + 1e-3)))
        found.append((np.abs(np.diff(grey, axis=axis)) < 1e-4).mean(axis=(1, 2)))
    return np.stack(found, axis=1)


def _blocks(grey: NDArray[np.float32]) -> Floats:
    """Return traces of JPEG: steps at the edges of blocks of 8, and fine detail that was rounded to none."""
    height, width = (side // _BLOCK * _BLOCK for side in grey.shape[1:])
    if min(height, width) < 2 * _BLOCK:
        return np.empty((len(grey), 0), np.float32)
    found = []
    for axis in (1, 2):
        steps = np.abs(np.diff(grey, axis=axis)).mean(axis=3 - axis)
        at_edges = steps[:, _BLOCK - 1 :: _BLOCK].mean(axis=1)
        found.append(np.log((at_edges + 1e-3) / (steps.mean(axis=1) + 1e-3)))
    aligned = _share_of_zeros(grey[:, :height, :width])
    half = _BLOCK // 2
    found += [aligned, aligned - _share_of_zeros(grey[:, half : height - half, half : width - half])]
    return np.stack(found, axis=1)


def _share_of_zeros(grey: NDArray[np.float32]) -> Floats:
    """Return the share of coefficients of blocks, without their mean, that are below half a level."""
    count, height, width = grey.shape
    blocks = grey.reshape(count, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(0, 1, 3, 2, 4)
    coefficients = np.abs(dctn(255 * blocks, axes=(3, 4), norm="ortho"))
    share: Floats = (coefficients < 1).mean(axis=(1, 2, 3, 4))
    return share
