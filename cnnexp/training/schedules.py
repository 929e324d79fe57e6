"""The learning rate of every update, known before the first one."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import (
    CosineScheduleConfig,
    ExponentialScheduleConfig,
    OneCycleScheduleConfig,
    OptimizerConfig,
    PlateauScheduleConfig,
    ScheduleConfig,
    StepScheduleConfig,
    WarmupCosineScheduleConfig,
)


def scaled_rate(optimizer: OptimizerConfig, *, batch_size: int) -> float:
    """Return the rate that `batch_size` asks for under the optimizer's scaling rule.

    Linear after Goyal et al. 2017 (arXiv:1706.02677), square root after Krizhevsky 2014 (arXiv:1404.5997).
    """
    ratio = batch_size / optimizer.reference_batch_size
    exponent = {"none": 0.0, "sqrt": 0.5, "linear": 1.0}[optimizer.batch_scaling]
    return float(optimizer.learning_rate * ratio**exponent)


def rates(schedule: ScheduleConfig, *, rate: float, epochs: int, updates_per_epoch: int) -> NDArray[np.float64]:
    """Return the rate of each update, shape (epochs, updates_per_epoch).

    A plateau schedule depends on how training goes: its rates start constant and `Plateau` lowers them.
    """
    total = epochs * updates_per_epoch
    update = np.arange(total, dtype=np.float64)
    shares = _shares(schedule, update / updates_per_epoch, update / max(1, total - 1), epochs)
    return (rate * shares).reshape(epochs, updates_per_epoch)


def _shares(
    schedule: ScheduleConfig, epoch: NDArray[np.float64], progress: NDArray[np.float64], epochs: int
) -> NDArray[np.float64]:
    """Return each update's rate as a share of the full one; `epoch` is fractional, `progress` runs from 0 to 1."""
    match schedule:
        case StepScheduleConfig(every=every, factor=factor):
            return np.power(factor, np.floor(epoch / every))
        case ExponentialScheduleConfig(factor=factor):
            return np.power(factor, epoch)
        case WarmupCosineScheduleConfig(warmup_epochs=warmup, final=final):
            rising = (epoch + epoch[1] if len(epoch) > 1 else epoch + 1) / warmup
            falling = _cosine((epoch - warmup) / max(epochs - warmup, 1e-9), 1.0, final)
            return np.where(epoch < warmup, np.minimum(rising, 1.0), falling)
        case CosineScheduleConfig(final=final):
            return _cosine(progress, 1.0, final)
        case OneCycleScheduleConfig(rise=rise, start=start, final=final):
            up = _cosine(progress / rise, start, 1.0)
            down = _cosine((progress - rise) / (1 - rise), 1.0, final)
            return np.where(progress < rise, up, down)
        case _:
            return np.ones_like(epoch)


def _cosine(progress: NDArray[np.float64], first: float, last: float) -> NDArray[np.float64]:
    return last + (first - last) * (1 + np.cos(np.pi * np.clip(progress, 0, 1))) / 2


class Plateau:
    """Lowers the rate when the monitored value stops improving; does nothing under any other schedule."""

    def __init__(self, schedule: ScheduleConfig, *, rate: float) -> None:
        self._schedule = schedule if isinstance(schedule, PlateauScheduleConfig) else None
        self._rate = rate
        self._waited = 0
        self.share = 1.0  # multiplies the rates of the next epoch

    def step(self, *, improved: bool) -> None:
        """Take note of one finished epoch."""
        if self._schedule is None:
            return
        self._waited = 0 if improved else self._waited + 1
        if self._waited >= self._schedule.patience:
            self._waited = 0
            floor = min(1.0, self._schedule.minimum / self._rate)
            self.share = max(self.share * self._schedule.factor, floor)
