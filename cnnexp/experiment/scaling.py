"""The model's first layer: from pixels 0..255 to the range that networks learn in, fitted on the training split."""

import numpy as np

from cnnexp.datasets import Split
from cnnexp.portable.card import ChannelStatistics
from cnnexp.records import Scaling


def channel_statistics(train: Split) -> ChannelStatistics:
    """Return mean and deviation of each channel over all pixels of `train`, read in portions."""
    channels = train.images.shape[-1]
    total, squares = np.zeros(channels), np.zeros(channels)
    for start in range(0, len(train), 1024):
        pixels = train.images[train.rows[start : start + 1024]].reshape(-1, channels).astype(np.float64)
        total += pixels.sum(axis=0)
        squares += np.square(pixels).sum(axis=0)
    count = len(train) * np.prod(train.images.shape[1:3])
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    return ChannelStatistics(mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))


def fit_scaling(rule: str, statistics: ChannelStatistics) -> Scaling:
    """Return the model's first layer: ``unit`` maps 0..255 to 0..1, ``standardize`` to mean 0 and deviation 1."""
    if rule == "unit":
        channels = len(statistics.mean)
        return Scaling(rule, (1 / 255,) * channels, (0.0,) * channels)
    deviation = [max(value, 1.0) for value in statistics.deviation]  # a constant channel must not be blown up
    scale = tuple(1 / value for value in deviation)
    offset = tuple(-mean / value for mean, value in zip(statistics.mean, deviation, strict=True))
    return Scaling(rule, scale, offset)
