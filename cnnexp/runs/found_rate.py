"""``optimizer.learning_rate=auto``: a rate is found before the first step, and is from then on as if set by hand."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import keras

from cnnexp.config import AUTO, ExperimentConfig
from cnnexp.records import FoundLearningRate, LearningRateCurve
from cnnexp.runs.resolved_settings import batch_factor, scaled_learning_rate
from cnnexp.runs.train_network import NetworkTraining
from cnnexp.training import SavedState

LITTLE_FALL = 0.05  # of the first loss; below, the test shows no rate at which this network learns
_STAGE = "rate"  # its name in the checkpoint
_DIGITS = 2  # of the rate; the test is not finer


def find_rate(network_training: NetworkTraining, model: keras.Model) -> FoundLearningRate:
    """Find a rate on training images alone; the model, and what it will be given, are afterwards as they were.

    The checkpoint keeps what was found.
    """
    checkpoint = network_training.checkpoint
    if (saved := checkpoint.load(_STAGE)) is not None:
        return FoundLearningRate(saved.numbers["learning_rate"], _curve(saved.numbers["curve"]))
    found = _find_rate(network_training, model)
    checkpoint.save(_STAGE, lambda: SavedState(dataclasses.asdict(found), []))
    return found


def _curve(numbers: Mapping[str, Any]) -> LearningRateCurve:
    series = {name: tuple(numbers[name]) for name in ("learning_rates", "losses", "smoothed")}
    return LearningRateCurve(**series, suggestion=numbers["suggestion"])


def _find_rate(network_training: NetworkTraining, model: keras.Model) -> FoundLearningRate:
    curve = network_training.range_test(model)
    config = network_training.config
    factor = batch_factor(config.optimizer, batch_size=config.training.images_per_step)
    return FoundLearningRate(float(f"{curve.suggestion / factor:.{_DIGITS}g}"), curve)


def is_searched(config: ExperimentConfig) -> bool:
    """Return whether the learning rate is to be found."""
    return config.optimizer.learning_rate == AUTO


def searching(config: ExperimentConfig) -> ExperimentConfig:
    """Return the configuration of the run whose learning rate is to be found."""
    return dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=AUTO))


def at_rate(network_training: NetworkTraining, learning_rate: float) -> NetworkTraining:
    """Return the training with this ``optimizer.learning_rate``."""
    config = network_training.config
    optimizer = dataclasses.replace(config.optimizer, learning_rate=learning_rate)
    scaled = scaled_learning_rate(optimizer, batch_size=config.training.images_per_step)
    return dataclasses.replace(
        network_training,
        config=dataclasses.replace(config, optimizer=optimizer),
        settings=dataclasses.replace(network_training.settings, learning_rate=scaled),
    )


def rate_notes(found: FoundLearningRate | None) -> tuple[str, ...]:
    """Return what is to be said of a rate that was found."""
    if found is None or found.curve.fall >= LITTLE_FALL:
        return ()
    return (
        f"The learning rate was found by a loss that fell by {max(found.curve.fall, 0):.1%} only, so it is hardly "
        "better than a guess; cnnexp find-lr shows the curve.",
    )
