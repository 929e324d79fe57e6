"""What a diagnosis knows about a run: plain numbers, so that every verdict can be checked by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri

from cnnexp.records import Evaluation, History


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One finished run. Accuracies are those of the weights the model holds, in inference mode, 0..1."""

    history: History
    train_accuracy: float
    train_images: int  # that train_accuracy was measured on
    val_accuracy: float
    val_images: int
    class_counts: Mapping[str, tuple[int, ...]]  # images of each class, per split name
    evaluation: Evaluation  # of the test split, with the probabilities the saved model gives
    confidences: NDArray[np.float32]  # (N,) probability of the predicted class, of the same test images
    ece_uncalibrated: float  # of the test split before the temperature; the same as after where there is none
    calibration_images: int
    temperature: float | None  # folded into the model; None: left out
    epochs: int  # training.epochs, at most
    patience: int | None  # training.patience
    learning_rate: float  # optimizer.learning_rate, before batch scaling and schedule
    class_weight: str  # training.class_weight
    dropout: float  # regularization.dropout
    l2: float  # regularization.l2
    label_smoothing: float  # regularization.label_smoothing
    augmentation: str  # what was really done, such as "flip, shift 0.1"; "none"
    seed: int  # of the simulations


LEVEL = 0.99  # four findings at 95 % would accuse one healthy run in ten by chance alone
Z = float(ndtri((1 + LEVEL) / 2))  # 2.58 standard errors


def exact_interval(shares: ArrayLike, trials: ArrayLike) -> NDArray[np.float64]:
    """Return (2, ...) low and high of the exact 99 % interval of shares 0..1 observed in ``trials`` trials.

    Clopper & Pearson 1934. Wilson's score interval is shorter, but close to 1 and with few images too short: two
    right of three would exclude a recall of 0.97, with which one run in eleven has them.
    """
    trials = np.asarray(trials, np.float64)
    right = np.rint(np.asarray(shares, np.float64) * trials)
    tail = (1 - LEVEL) / 2
    with np.errstate(invalid="ignore"):  # none right or all right: the formula has no meaning, the bound is known
        low = np.where(right > 0, betaincinv(right, trials - right + 1, tail), 0)
        high = np.where(right < trials, betaincinv(right + 1, trials - right, 1 - tail), 1)
    return np.stack([low, high])


def combination_interval(weights: ArrayLike, shares: ArrayLike, trials: ArrayLike) -> tuple[float, float, float]:
    """Return value, low and high (99 %) of a weighted sum of independent shares.

    From the exact interval of each by square-and-add; Newcombe, "Interval Estimation for the Difference between
    Independent Proportions", 1998, for weights (1, -1); Zou & Donner 2008 for any.
    """
    weight, share = np.asarray(weights, np.float64), np.asarray(shares, np.float64)
    low, high = exact_interval(share, trials)
    value = float(weight @ share)
    below = weight * np.where(weight > 0, share - low, share - high)
    above = weight * np.where(weight > 0, high - share, low - share)
    return value, value - float(np.hypot.reduce(below)), value + float(np.hypot.reduce(above))


def recalls(evaluation: Evaluation) -> NDArray[np.float64]:
    """Return the recall of each class that the split holds, in class order."""
    support = evaluation.confusion.sum(axis=1)
    found: NDArray[np.float64] = np.diag(evaluation.confusion)[support > 0] / support[support > 0]
    return found


def majority_share(evaluation: Evaluation) -> float:
    """Return the accuracy, 0..1, of always answering the most common class of the split."""
    support = evaluation.confusion.sum(axis=1)
    return float(support.max() / support.sum())


def surely_better_than_the_majority(evaluation: Evaluation) -> bool:
    """Say whether the 99 % interval of the accuracy lies above that of always answering the most common class."""
    low, _ = exact_interval(evaluation.metrics["accuracy"], evaluation.confusion.sum())
    return bool(low > majority_share(evaluation))
