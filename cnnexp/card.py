"""The card: what a saved model must remember to be used as it was trained."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnexp.datasets import Split
from cnnexp.images import ImageSpec
from cnnexp.records import Scaling

FORMAT = 1  # of card.json; raised when a reader of the old format would misunderstand the new one


@dataclass(frozen=True, kw_only=True, slots=True)
class ChannelStatistics:
    """Of the training pixels, 0..255, per channel."""

    mean: tuple[float, ...]  # (C,)
    deviation: tuple[float, ...]  # (C,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Everything between a file and its class name, beside the weights."""

    format: int
    class_names: tuple[str, ...]  # in the order of the model's outputs
    image: ImageSpec  # how a file becomes the uint8 pixels the model takes
    scaling: Scaling  # inside the model; here to be read
    temperature: float  # folded into the model's last layer; 1: not calibrated
    calibration_images: int  # how many images the temperature was fitted on; 0: it was not
    training_pixels: ChannelStatistics
    data: Mapping[str, str]  # name and digest of the data set
    versions: Mapping[str, str]  # of the libraries that trained it

    def as_dict(self) -> dict[str, Any]:
        """Return the contents of ``card.json``."""
        return dataclasses.asdict(self)


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
