"""What a diagnosis knows about a run: plain numbers, so that every verdict can be checked by hand."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
