"""What a diagnosis is based on: plain numbers of one run, and their intervals at the level that all verdicts use."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri

from cnnexp.records import Evaluation, History

LEVEL = 0.99  # at 95 %, four checks would report a false finding for about one healthy run in ten
Z = float(ndtri((1 + LEVEL) / 2))  # 2.58 standard errors


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvidence:
    """The numbers of one finished run. Accuracies, 0..1, are those of the saved weights, in inference mode."""

    history: History
    train_accuracy: float
    train_images: int  # that `train_accuracy` was measured on
    val_accuracy: float
    val_images: int
    class_counts: Mapping[str, tuple[int, ...]]  # images of each class, per split name
    evaluation: Evaluation  # of the test split, by the saved model
    confidences: NDArray[np.float32]  # (N,) probability of the predicted class, of the same test images
    ece_uncalibrated: float  # of the test split, before the temperature was applied
    calibration_images: int
    temperature: float | None  # of the saved model; None: not calibrated
    epochs: int  # training.epochs, at most
    patience: int | None  # training.patience
    learning_rate: float  # optimizer.learning_rate, before batch scaling and schedule
    class_weight: str  # training.class_weight
    sampling: str  # training.sampling
    dropout: float  # regularization.dropout
    l1: float  # regularization.l1
    l2: float  # regularization.l2
    label_smoothing: float  # regularization.label_smoothing
    gamma: float  # of focal loss; 0: cross-entropy
    augmentation: str  # as resolved, such as "flip, shift 0.1"; "none"
    augmentation_group: str  # the option: none | basic | strong | mix, or one that the user has added
    seed: int  # of the simulations


def recalls(evaluation: Evaluation) -> NDArray[np.float64]:
    """Return the recall of each class with images in the split, in class order."""
    support = evaluation.confusion.sum(axis=1)
    by_class: NDArray[np.float64] = np.diag(evaluation.confusion)[support > 0] / support[support > 0]
    return by_class


def majority_share(evaluation: Evaluation) -> float:
    """Return the accuracy, 0..1, of always answering the most common class of the split."""
    support = evaluation.confusion.sum(axis=1)
    return float(support.max() / support.sum())


def beats_majority(evaluation: Evaluation) -> bool:
    """Return whether the 99 % interval of the accuracy lies above always answering the most common class."""
    low, _ = exact_interval(evaluation.metrics["accuracy"], evaluation.confusion.sum())
    return bool(low > majority_share(evaluation))


def uniform_loss(run: RunEvidence) -> float:
    """Return ln K in nats, the loss of uniform probabilities over K classes."""
    return math.log(len(run.class_counts["train"]))


def counts_classes_alike(run: RunEvidence) -> bool:
    """Return whether rare classes counted as much as common ones in training, by weight or by sampling."""
    return "balanced" in (run.class_weight, run.sampling)


def prior_loss(run: RunEvidence) -> float:
    """Return in nats the lowest training loss of one output for all images: the entropy of the class shares.

    Where training balanced the classes, it is that of equal shares. 0: there is one class.
    """
    counts = np.array([count for count in run.class_counts["train"] if count > 0], np.float64)
    shares = np.full(len(counts), 1 / len(counts)) if counts_classes_alike(run) else counts / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def exact_interval(shares: ArrayLike, trials: ArrayLike) -> NDArray[np.float64]:
    """Return (2, ...) low and high of the exact 99 % interval of shares 0..1 observed in ``trials`` trials.

    Clopper & Pearson 1934. The Wilson score interval is shorter, but too short near 1 with few images: two correct of
    three would exclude a recall of 0.97, although one run in eleven with that recall gets two of three.
    `shares` and `trials` broadcast.
    """
    trials = np.asarray(trials, np.float64)
    correct = np.rint(np.asarray(shares, np.float64) * trials)
    tail = (1 - LEVEL) / 2
    with np.errstate(invalid="ignore"):  # none or all correct: the formula is undefined, the bound is known
        low = np.where(correct > 0, betaincinv(correct, trials - correct + 1, tail), 0)
        high = np.where(correct < trials, betaincinv(correct + 1, trials - correct, 1 - tail), 1)
    return np.stack([low, high])


def combination_interval(weights: ArrayLike, shares: ArrayLike, trials: ArrayLike) -> tuple[float, float, float]:
    """Return value, low and high (99 %) of a weighted sum of independent shares.

    Square-and-add of the exact interval of each share: Newcombe, "Interval Estimation for the Difference between
    Independent Proportions", 1998, for weights (1, -1); Zou & Donner 2008 for any.
    """
    weight, share = np.asarray(weights, np.float64), np.asarray(shares, np.float64)
    low, high = exact_interval(share, trials)
    value = float(weight @ share)
    below = weight * np.where(weight > 0, share - low, share - high)
    above = weight * np.where(weight > 0, high - share, low - share)
    return value, value - float(np.hypot.reduce(below)), value + float(np.hypot.reduce(above))
