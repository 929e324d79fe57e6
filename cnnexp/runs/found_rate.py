"""``optimizer.learning_rate=auto``: a rate is found before the first step, and is from then on as if set by hand."""

import dataclasses
from collections.abc import Callable

from cnnexp.config import AUTO, ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.records import FoundLearningRate
from cnnexp.runs.resolved_settings import ResolvedSettings, scaled_learning_rate
from cnnexp.training import Trainer, find_learning_rate

LITTLE_FALL = 0.05  # of the first loss; below, the test shows no rate at which this network learns
_DIGITS = 2  # of the rate; the test is not finer


def find_rate(
    config: ExperimentConfig,
    settings: ResolvedSettings,
    splits: Splits,
    trainer: Trainer,
    on_steps: Callable[[int, int], None],
) -> FoundLearningRate:
    """Find a rate on training images alone; `trainer` and what it will be given are afterwards as they were."""
    curve = find_learning_rate(
        trainer,
        splits.train,
        batch_size=config.training.images_per_step,
        sampling=config.training.sampling,
        augmentation=settings.augmentation,
        seed=config.seed,
        on_steps=on_steps,
    )
    factor = scaled_learning_rate(with_rate(config, 1.0).optimizer, batch_size=config.training.images_per_step)
    return FoundLearningRate(float(f"{curve.suggestion / factor:.{_DIGITS}g}"), curve)


def is_searched(config: ExperimentConfig) -> bool:
    """Return whether the learning rate is to be found."""
    return config.optimizer.learning_rate == AUTO


def with_rate(config: ExperimentConfig, learning_rate: float) -> ExperimentConfig:
    """Return the configuration of the run with this ``optimizer.learning_rate``."""
    return dataclasses.replace(config, optimizer=dataclasses.replace(config.optimizer, learning_rate=learning_rate))


def rate_notes(found: FoundLearningRate | None) -> tuple[str, ...]:
    """Return what is to be said of a rate that was found."""
    if found is None or found.curve.fall >= LITTLE_FALL:
        return ()
    return (
        f"The learning rate was found by a loss that fell by {max(found.curve.fall, 0):.1%} only, so it is hardly "
        "better than a guess; cnnexp find-lr shows the curve.",
    )
