"""The learning rate range test of Smith 2017 (arXiv:1506.01186): a short training whose rate grows from step to step.

The loss over the rate stands still where steps are too small, falls, and rises where they are too large. Suggested is
the middle of its longest fall, which is fastai's rule ("valley"), of a loss that is smoothed to both sides: a running
average would lag behind, towards rates that are too high.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Split
from cnnexp.records import Augmentation, LearningRateCurve
from cnnexp.training.batches import batches
from cnnexp.training.trainer import Trainer

LOWEST, HIGHEST = 1e-6, 10.0  # rates
STEPS = 140  # 20 a decade
DIVERGED = 4.0  # times the lowest smoothed loss: no higher rate is tried (fastai's)
WIDTH = 0.15  # decades, standard deviation of the smoothing
_FIRST = 10  # steps, at rates that change nothing, whose losses say where the loss begins


def find_learning_rate(
    trainer: Trainer,
    train: Split,
    *,
    batch_size: int,
    sampling: str,
    augmentation: Augmentation,
    seed: int,
    on_steps: Callable[[int, int], None],
) -> LearningRateCurve:
    """Train with growing rates, on the batches that training begins with, and leave everything as it was.

    `on_steps` gets (steps done, steps in all).
    """
    learning_rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    steps_per_epoch = -(-len(train) // batch_size)
    read = batches(
        train,
        batch_size=batch_size,
        epochs=-(-STEPS // steps_per_epoch),
        sampling=sampling,
        augmentation=augmentation,
        seed=seed,
    )
    sizes = [min(batch_size, len(train) - step % steps_per_epoch * batch_size) for step in range(STEPS)]
    losses: list[float] = []
    with trainer.unchanged():
        for loss in _losses(trainer, iter(read), learning_rates, sizes):
            losses.append(loss)
            on_steps(len(losses), STEPS)
            if has_diverged(learning_rates, losses):
                break
    on_steps(STEPS, STEPS)
    return curve_of(learning_rates[: len(losses)], np.array(losses))


def _losses(
    trainer: Trainer, read: Iterator[object], learning_rates: NDArray[np.float64], sizes: list[int]
) -> Iterator[float]:
    """Yield the loss of each step; none of a step whose loss is not finite, nor of any after it."""
    for learning_rate, size in zip(learning_rates, sizes, strict=True):
        total, _, _, finite = trainer(read, np.array([learning_rate]))
        if not finite:
            return
        yield total / size


def has_diverged(learning_rates: NDArray[np.float64], losses: list[float]) -> bool:
    """Tell whether the smoothed loss has risen far above its lowest."""
    smoothed = smooth(learning_rates[: len(losses)], np.array(losses))
    return bool(smoothed[-1] > DIVERGED * smoothed.min())


def curve_of(learning_rates: NDArray[np.float64], losses: NDArray[np.float64]) -> LearningRateCurve:
    """Smooth the losses (S,), at least one, of growing rates (S,), and suggest a rate."""
    smoothed = smooth(learning_rates, losses)
    first, last = longest_fall(smoothed)
    return LearningRateCurve(
        learning_rates=tuple(learning_rates.tolist()),
        losses=tuple(losses.tolist()),
        smoothed=tuple(smoothed.tolist()),
        suggestion=float(learning_rates[(first + last) // 2]),
    )


def smooth(learning_rates: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a Gaussian average (S,) of the losses over the logarithm of the rate, in which no single one counts much.

    A loss far above those of the beginning is cut off there.
    """
    place = np.log10(learning_rates)
    weights = np.exp(-(((place[:, None] - place) / WIDTH) ** 2) / 2)
    capped = np.minimum(losses, DIVERGED * losses[:_FIRST].mean())
    average: NDArray[np.float64] = weights @ capped / weights.sum(axis=1)
    return average


def longest_fall(values: NDArray[np.float64]) -> tuple[int, int]:
    """Return the first and the last place of the longest falling subsequence of values (S,), the earliest of equals."""
    length, before = np.ones(len(values), int), np.arange(len(values))
    for place in range(len(values)):
        higher = np.flatnonzero(values[:place] > values[place])
        if len(higher):
            before[place] = higher[length[higher].argmax()]
            length[place] = length[before[place]] + 1
    first = last = int(length.argmax())
    while before[first] != first:
        first = int(before[first])
    return first, last
