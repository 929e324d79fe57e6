"""What a diagnosis is based on: plain numbers of one run, so that every verdict can be checked by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.intervals import exact_interval
from cnnexp.records import Evaluation, History


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
    dropout: float  # regularization.dropout
    l2: float  # regularization.l2
    label_smoothing: float  # regularization.label_smoothing
    augmentation: str  # as resolved, such as "flip, shift 0.1"; "none"
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
