"""A short training: the line of a run up to its last epoch, on few enough images and for few enough seconds."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Split, Splits
from cnnexp.errors import NonFiniteLossError
from cnnexp.records import EpochValues, PretrainedNetwork, Scaling
from cnnexp.runs.prepare import prepare
from cnnexp.runs.resolved_settings import resolve

MOST_IMAGES = 4_000  # to train on; so many tell a setting that keeps a network from learning


@dataclass(frozen=True, slots=True)
class ShortTraining:
    """What it reached."""

    accuracy: float  # of validation, the best of its epochs; 0 where the loss was not finite
    train_accuracy: float  # of training, the best of its epochs, while weights changed
    epochs: int
    learning_rate: float  # that it had, as in `optimizer.learning_rate`


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """What a short training begins with, where that is not what the run began with."""

    input_factor: float = 1.0  # by which the numbers that the network's first weights get are multiplied
    change: Callable[[keras.Model], None] | None = None  # of the untrained network, in place
    weights: Sequence[NDArray[np.float32]] | None = None  # of an earlier training


AS_THE_RUN = Start()


def train_briefly(
    config: ExperimentConfig,
    splits: Splits,
    pretrained: PretrainedNetwork | None,
    *,
    seconds: float,
    start: Start = AS_THE_RUN,
    enough: float = 1.0,
) -> ShortTraining:
    """Train until the epochs or about `seconds` are over, or `enough` of validation is right; at least one epoch."""
    started, seen = time.monotonic(), list[EpochValues]()

    def on_epoch(values: EpochValues) -> bool:
        seen.append(values)
        return time.monotonic() - started > seconds or values.val_accuracy >= enough

    few = dataclasses.replace(splits, train=_part(splits))
    settings = resolve(config, few, pretrained=pretrained)
    settings = dataclasses.replace(settings, scaling=_scaled(settings.scaling, start.input_factor))
    rate = float("nan")
    try:
        model, network_training, _ = prepare(
            config, few, settings, pretrained, graphs=None, on_epoch=on_epoch, on_progress=lambda *_: None
        )
        rate = float(network_training.config.optimizer.learning_rate)
        if start.change is not None:
            start.change(model)
        if start.weights is not None:
            model.set_weights(start.weights)
        network_training.train(model)
    except NonFiniteLossError:
        pass  # the epochs before count
    best = max((one.val_accuracy for one in seen), default=0.0)
    return ShortTraining(best, max((one.train_accuracy for one in seen), default=0.0), len(seen), rate)


def some_of(split: Split, *, most: int) -> Split:
    """Return the images of a split, or so many of them, evenly over their order."""
    places = np.unique(np.linspace(0, len(split) - 1, min(len(split), most)).astype(np.int64))
    return at_places(split, places)


def at_places(split: Split, places: NDArray[np.int64]) -> Split:
    """Return some images of a split."""
    return dataclasses.replace(
        split,
        rows=split.rows[places],
        labels=split.labels[places],
        files=tuple(split.files[place] for place in places.tolist()),
    )


def _part(splits: Splits) -> Split:
    return some_of(splits.train, most=MOST_IMAGES)


def _scaled(scaling: Scaling, factor: float) -> Scaling:
    scale, offset = (tuple(factor * one for one in numbers) for numbers in (scaling.scale, scaling.offset))
    return dataclasses.replace(scaling, scale=scale, offset=offset)
