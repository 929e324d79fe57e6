"""The learning rate of every step, known before the first one."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import (
    CosineScheduleConfig,
    ExponentialScheduleConfig,
    Extended,
    LinearScheduleConfig,
    OneCycleScheduleConfig,
    PlateauScheduleConfig,
    ScheduleConfig,
    StepScheduleConfig,
    WarmupCosineScheduleConfig,
)


def learning_rates(
    schedule: ScheduleConfig, *, learning_rate: float, epochs: int, steps_per_epoch: int
) -> NDArray[np.float64]:
    """Return the learning rate of each step, shape (epochs, steps_per_epoch); the full one is `learning_rate`.

    Those of a plateau schedule are constant here; `Plateau` lowers them while training.
    """
    total = epochs * steps_per_epoch
    step = np.arange(total, dtype=np.float64)
    epoch, progress = step / steps_per_epoch, step / max(1, total - 1)
    if isinstance(schedule, Extended):
        factors = _own_factors(schedule, epoch, epochs)
    else:
        factors = _factors(schedule, epoch, progress, epochs)
    return (learning_rate * factors).reshape(epochs, steps_per_epoch)


def _factors(
    schedule: ScheduleConfig, epoch: NDArray[np.float64], progress: NDArray[np.float64], epochs: int
) -> NDArray[np.float64]:
    """Return the factor of each step, 1 for the full learning rate; `epoch` is fractional, `progress` is 0..1."""
    match schedule:
        case StepScheduleConfig(every=every, factor=factor):
            factors = np.power(factor, np.floor(epoch / every))
        case ExponentialScheduleConfig(factor=factor):
            factors = np.power(factor, epoch)
        case LinearScheduleConfig(final=final):
            factors = 1 + (final - 1) * progress
        case WarmupCosineScheduleConfig(warmup_epochs=warmup, final=final):
            rising = (epoch + epoch[1] if len(epoch) > 1 else epoch + 1) / warmup
            falling = _cosine((epoch - warmup) / max(epochs - warmup, 1e-9), 1.0, final)
            factors = np.where(epoch < warmup, np.minimum(rising, 1.0), falling)
        case CosineScheduleConfig(final=final):
            factors = _cosine(progress, 1.0, final)
        case OneCycleScheduleConfig(rise=rise, start=start, final=final):
            up = _cosine(progress / rise, start, 1.0)
            down = _cosine((progress - rise) / (1 - rise), 1.0, final)
            factors = np.where(progress < rise, up, down)
        case _:
            factors = np.ones_like(epoch)
    return factors


def _own_factors(schedule: Extended, epoch: NDArray[np.float64], epochs: int) -> NDArray[np.float64]:
    """Return the factors of a user's schedule, a number or one for each step."""
    given = schedule.call(epoch.copy(), epochs)
    try:
        factors = np.broadcast_to(np.asarray(given, np.float64), epoch.shape)
    except (TypeError, ValueError):
        factors = np.full_like(epoch, np.nan)
    if not (np.isfinite(factors) & (factors >= 0)).all():
        raise schedule.refusal(
            f"its function must return a finite factor from 0, one for each of the {len(epoch)} steps it is given, or "
            f"one for all; got {given!r:.80}."
        )
    return factors.copy()


def _cosine(progress: NDArray[np.float64], first: float, last: float) -> NDArray[np.float64]:
    return last + (first - last) * (1 + np.cos(np.pi * np.clip(progress, 0, 1))) / 2


class Plateau:
    """Lowers the learning rate when the monitored value stops improving; does nothing under other schedules."""

    def __init__(self, schedule: ScheduleConfig, *, learning_rate: float) -> None:
        self._schedule = schedule if isinstance(schedule, PlateauScheduleConfig) else None
        self._learning_rate = learning_rate
        self.waited = 0  # epochs without improvement
        self.factor = 1.0  # multiplies the learning rates of the next epoch

    def step(self, *, improved: bool) -> None:
        """Count one finished epoch."""
        if self._schedule is None:
            return
        self.waited = 0 if improved else self.waited + 1
        if self.waited >= self._schedule.patience:
            self.waited = 0
            floor = min(1.0, self._schedule.minimum / self._learning_rate)
            self.factor = max(self.factor * self._schedule.factor, floor)
