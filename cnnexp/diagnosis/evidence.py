"""What a diagnosis is based on: plain numbers of one run, and their intervals at the level that all verdicts use."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.answers import Answers
from cnnexp.diagnosis.between_splits import Predict, Probable, Sample
from cnnexp.diagnosis.intervals import LEVEL, Z, combination_interval, exact_interval
from cnnexp.diagnosis.neighbours import Neighbours
from cnnexp.records import DataReport, Evaluation, History, LossFacts, NetworkFacts

__all__ = ["LEVEL", "RunEvidence", "SplitsEvidence", "Z", "combination_interval", "exact_interval"]


@dataclass(frozen=True, slots=True)
class RunImages:
    """Images of the run and its trained network, of which little is asked: both take time."""

    sample: Callable[[str], Sample]  # some images of a split, by its name
    predict: Predict  # (N, H, W, C) uint8 -> the most probable classes (N,)
    probabilities: Probable | None = None  # (N, H, W, C) uint8 -> (N, K), in one pass; None: not at hand
    is_quick: Callable[[], bool] = lambda: True  # whether trying takes little time; measured when it is first asked


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitsEvidence:
    """What tells whether the images of one split of a run are unlike those of another."""

    seed: int  # of the simulations
    class_names: tuple[str, ...]
    val_accuracy: float
    # What the network answers to the images of "train", "validation" and "test"; empty: not kept, as of a run of folds.
    answers: Mapping[str, Answers] = field(default_factory=dict)
    report: DataReport | None = None  # of the data check; None: there is none
    images: RunImages | None = None  # to try changes on; None: they are not at hand

    def samples(self, one: str, other: str) -> tuple[Sample, Sample] | None:
        """Return images of two splits to try changes on; None: they are not at hand, or trying takes too long."""
        if self.images is None or not self.images.is_quick():
            return None
        return self.images.sample(one), self.images.sample(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvidence(SplitsEvidence):
    """The numbers of one finished run. Accuracies, 0..1, are those of the saved weights, in inference mode."""

    history: History
    train_accuracy: float
    train_images: int  # that `train_accuracy` was measured on
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
    augmentation_group: str  # the option: none | basic | strong | mix, or one that the user has added; "": none is used
    images_per_step: int = 32  # training.batch_size * training.accumulate
    optimizer: str = ""  # optimizer.name; empty: steps of the size of its rate mean something else, or it is not known
    momentum: float = 0.0  # by which steps of SGD or RMSprop add up, 0 .. below 1
    weight_decay: float = 0.0  # share of each weight subtracted per step, times the learning rate
    keep: str = "best"  # training.keep
    neighbours: Neighbours | None = None  # None: not computed
    network: NetworkFacts | None = None  # None: it began with trained weights, or was not looked at
    loss: LossFacts | None = None  # of a user's own; None: it is one of ours


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
