"""The learning rate range test of Smith 2017 (arXiv:1506.01186): a short training whose rate grows from step to step.

The loss over the rate stands still where steps are too small, falls, and rises where they are too large. Suggested is a
tenth of the rate at which it is lowest (fastai's ``minimum``). The loss is smoothed to both sides: a running average
would lag behind, towards rates that are too high. A network whose loss has hardly fallen before it rises had too little
time: the test is repeated with twice the steps.
"""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Augmentation, LearningRateCurve
from cnnexp.training.batches import Examples, batches
from cnnexp.training.trainer import Trainer

LOWEST_RATE, HIGHEST_RATE = 1e-6, 10.0
STEPS = (140, 280, 560)  # of each test, 20 to 80 a decade
ENOUGH = 0.2  # fall of the loss, as a share of where it begins, with which no further test is made
DIVERGED = 4.0  # times the lowest smoothed loss: no higher rate is tried (fastai's)
BELOW_LOWEST = 10.0  # times below the rate of the lowest loss lies the suggestion
WIDTH = 0.15  # decades, standard deviation of the smoothing
_FIRST = 10  # steps, at rates that change nothing, whose losses say where the loss begins


def find_learning_rate(
    trainer: Trainer,
    train: Examples,
    *,
    batch_size: int,
    sampling: str,
    augmentation: Augmentation,
    seed: int,
    on_steps: Callable[[int, int], None],
) -> LearningRateCurve:
    """Train with growing rates, on the batches that training begins with, and leave everything as it was.

    `on_steps` gets (steps done, steps in all) of the present test.
    """
    for steps in STEPS:
        epochs = -(-steps // -(-len(train) // batch_size))
        read = batches(
            train,
            batch_size=batch_size,
            epochs=epochs,
            sampling=sampling,
            augmentation=augmentation,
            seed=seed,
        )
        sizes = _batch_sizes(len(train), batch_size=batch_size, steps=steps)
        curve = _range_test(trainer, iter(read), np.geomspace(LOWEST_RATE, HIGHEST_RATE, steps), sizes, on_steps)
        if curve.fall >= ENOUGH:
            break
    return curve


def _batch_sizes(images: int, *, batch_size: int, steps: int) -> list[int]:
    """Return how many images the batch of each step has; the last one of an epoch may have fewer."""
    steps_per_epoch = -(-images // batch_size)
    return [min(batch_size, images - step % steps_per_epoch * batch_size) for step in range(steps)]


def _range_test(
    trainer: Trainer,
    read: Iterator[object],
    learning_rates: NDArray[np.float64],
    sizes: list[int],
    on_steps: Callable[[int, int], None],
) -> LearningRateCurve:
    """Make a step at each rate, up to the first at which the loss is not finite, or has risen far above its lowest."""
    losses: list[float] = []
    with trainer.unchanged():
        for learning_rate, size in zip(learning_rates, sizes, strict=True):
            total, _, _, finite = trainer(read, np.array([learning_rate]))
            if not finite:
                break
            losses.append(total / size)
            on_steps(len(losses), len(learning_rates))
            smoothed = smooth(learning_rates[: len(losses)], np.array(losses))
            if smoothed[-1] > DIVERGED * smoothed.min():
                break
    on_steps(len(learning_rates), len(learning_rates))
    return curve_of(learning_rates[: len(losses)], np.array(losses))


def curve_of(learning_rates: NDArray[np.float64], losses: NDArray[np.float64]) -> LearningRateCurve:
    """Smooth the losses (S,) of growing rates (S,), and suggest a rate; where there are none, the lowest."""
    if not len(losses):
        return LearningRateCurve((), (), (), LOWEST_RATE)
    smoothed = smooth(learning_rates, losses)
    return LearningRateCurve(
        learning_rates=tuple(learning_rates.tolist()),
        losses=tuple(losses.tolist()),
        smoothed=tuple(smoothed.tolist()),
        suggestion=float(learning_rates[smoothed.argmin()] / BELOW_LOWEST),
    )


def smooth(learning_rates: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a Gaussian average (S,) of the losses over the logarithm of the rate.

    A loss far above those of the beginning is cut off there, or it would raise the average of its whole neighbourhood.
    """
    place = np.log10(learning_rates)
    weights = np.exp(-(((place[:, None] - place) / WIDTH) ** 2) / 2)
    capped = np.minimum(losses, DIVERGED * losses[:_FIRST].mean())
    average: NDArray[np.float64] = weights @ capped / weights.sum(axis=1)
    return average
