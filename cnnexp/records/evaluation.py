"""How well a model does on a split, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.records.arrays import Labels, Probabilities


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class on one split; None where the split has no image of it, or it was never predicted."""

    name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    roc_auc: float | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The numbers on one split."""

    metrics: Mapping[str, float]  # accuracy, balanced_accuracy, macro_precision, ... ; undefined ones are absent
    intervals: Mapping[str, tuple[float, float]]  # 95 % bootstrap interval of each metric
    per_class: tuple[ClassScore, ...]
    confusion: NDArray[np.int64]  # (K, K), row = true class, column = predicted class
    notes: tuple[str, ...]  # what is undefined and why, one sentence each


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict with its evidence and what should repair it."""

    id: str  # of the fault catalogue, such as M2; U0: something is wrong that no check names
    cause: int  # 1 data, 2 fit, 3 training, 4 metrics, 5 the image; 0 not known
    title: str  # two or three words, such as "over-fitting"
    sentence: str  # for a reader who is new to the field
    evidence: Mapping[str, float]
    confidence: float  # 0..1
    repair: str  # overrides where they exist, else an action
    symptoms: tuple[str, ...] = ()  # titles of the findings that this one explains
    alternatives: tuple[str, ...] = ()  # ids that the evidence cannot separate from it, the likeliest first
    files: tuple[str, ...] = ()  # to look at, at most 50
    declared: bool = False  # read from the settings or the card, not inferred
    basis: str = ""  # kind of evidence that the confidence is counted of; empty: it is not counted


@dataclass(frozen=True, slots=True)
class SplitPredictions:
    """The probabilities of the final model for each image of a split, in the order of the split."""

    files: tuple[str, ...]
    digests: tuple[str, ...]  # of each image as the model was trained to see it: see `datasets.image_digests`
    labels: Labels
    probabilities: Probabilities
    decided: Labels | None = None  # (N,) the answers; None: the most probable classes
    properties: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # (N,) of the images, by IMAGE_PROPERTIES

    @property
    def predicted(self) -> Labels:
        """The answer for each image, (N,)."""
        return self.probabilities.argmax(axis=1) if self.decided is None else self.decided
