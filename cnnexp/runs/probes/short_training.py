"""A short training: the line of a run up to its last epoch, on few enough images and for few enough seconds."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Split, Splits
from cnnexp.errors import NonFiniteLossError
from cnnexp.records import EpochValues, PretrainedNetwork
from cnnexp.runs import experiment
from cnnexp.runs.resolved_settings import resolve

MOST_IMAGES = 4_000  # to train on; so many tell a setting that keeps a network from learning


@dataclass(frozen=True, slots=True)
class ShortTraining:
    """What it reached."""

    accuracy: float  # of validation, the best of its epochs; 0 where the loss was not finite
    epochs: int
    learning_rate: float  # that it had, as in `optimizer.learning_rate`


def train_briefly(
    config: ExperimentConfig,
    splits: Splits,
    pretrained: PretrainedNetwork | None,
    *,
    seconds: float,
    on_progress: Callable[[str, int, int], None],
) -> ShortTraining:
    """Train with a configuration until its epochs or about `seconds` are over, at least one epoch."""
    started, seen = time.monotonic(), list[EpochValues]()

    def on_epoch(values: EpochValues) -> bool:
        seen.append(values)
        return time.monotonic() - started > seconds

    few = dataclasses.replace(splits, train=_part(splits))
    settings = resolve(config, few, pretrained=pretrained)
    rate = float("nan")
    try:
        model, network_training, _ = experiment.prepare(
            config, few, settings, pretrained, graphs=None, on_epoch=on_epoch, on_progress=on_progress
        )
        rate = float(network_training.config.optimizer.learning_rate)
        network_training.train(model)
    except NonFiniteLossError:
        pass  # the epochs before count
    return ShortTraining(max((one.val_accuracy for one in seen), default=0.0), len(seen), rate)


def _part(splits: Splits) -> Split:
    """Return the training images, or some of them, evenly over their order."""
    train = splits.train
    places = np.unique(np.linspace(0, len(train) - 1, min(len(train), MOST_IMAGES)).astype(np.int64))
    return dataclasses.replace(
        train,
        rows=train.rows[places],
        labels=train.labels[places],
        files=tuple(train.files[place] for place in places.tolist()),
    )
