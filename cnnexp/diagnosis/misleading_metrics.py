"""Cause 4, the metrics: does accuracy hide rare classes?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import (
    RunEvidence,
    beats_majority,
    combination_interval,
    counts_classes_alike,
    recalls,
)
from cnnexp.diagnosis.learning_rate import find_failure
from cnnexp.records import Finding
from cnnexp.system.text import listed

MINIMUM_INFLATION = 0.05  # accuracy above balanced accuracy; a rare class that is only harder causes 1 to 3 points
IMBALANCED = 1.5  # largest over smallest class of train; from here on, class weights change the training
MISLEADING = 3.0  # of the same, from which shares of train mislead; copies that are added on purpose bring it to 2

LISTED_NAMES = 3


@dataclass(frozen=True, slots=True)
class Inflation:
    """How much the class shares of a split raise accuracy above balanced accuracy."""

    split: str  # the split whose class shares count
    accuracy: float  # with those class shares and the recalls of the test split
    majority_share: float  # accuracy of always answering the most common class
    value: float  # accuracy - balanced accuracy
    low: float  # 99 % interval
    high: float


def detect_misleading_accuracy(run: RunEvidence) -> Finding | None:
    """Report E1 when common classes raise accuracy, significantly and by enough, above balanced accuracy.

    Accuracy is computed with the class shares of the test split and with those of train, because the training curves
    mislead where only train is imbalanced; the larger difference counts. Not reported where the network learned nothing
    else than which class is common: then it is a symptom, and class weights cure nothing.
    """
    if find_failure(run) is not None and not beats_majority(run.evaluation):
        return None
    ratio = _class_ratio(run.class_counts["train"])
    splits = ("test", "train") if ratio >= MISLEADING else ("test",)
    inflation = max((_inflation(run, split) for split in splits), key=lambda of_split: of_split.value)
    if inflation.low <= 0 or inflation.value < MINIMUM_INFLATION:
        return None
    never_predicted = [score.name for score in run.evaluation.per_class if score.recall == 0]
    return Finding(
        id="E1",
        cause=4,
        title="accuracy flatters",
        sentence=_accuracy_sentence(inflation, never_predicted),
        evidence={
            "accuracy": inflation.accuracy,
            "majority_share": inflation.majority_share,
            "balanced_accuracy": inflation.accuracy - inflation.value,
            "difference": inflation.value,
            "difference_low": inflation.low,
            "difference_high": inflation.high,
            "classes_never_found": len(never_predicted),
            "train_class_ratio": ratio,
        },
        confidence=confidence_by(Basis.SCORES),
        basis=Basis.SCORES,
        repair=(
            "training.class_weight=balanced"
            if ratio >= IMBALANCED and not counts_classes_alike(run)
            else "judge by test/balanced_accuracy and test/macro_f1, and add images of the classes with low recall"
        ),
    )


def _inflation(run: RunEvidence, split: str) -> Inflation:
    support = run.evaluation.confusion.sum(axis=1)
    seen = support > 0
    counts = np.array(run.class_counts[split])[seen]
    shares, by_class = counts / counts.sum(), recalls(run.evaluation)
    value, low, high = combination_interval(shares - 1 / seen.sum(), by_class, support[seen])
    return Inflation(
        split=split,
        accuracy=float(shares @ by_class),
        majority_share=float(shares.max()),
        value=value,
        low=low,
        high=high,
    )


def _class_ratio(counts: Sequence[int]) -> float:
    present = [count for count in counts if count > 0]
    return max(present) / min(present)


def _accuracy_sentence(inflation: Inflation, never_predicted: Sequence[str]) -> str:
    subject = "Accuracy" if inflation.split == "test" else "With the class shares of the training split, accuracy"
    return (
        f"{subject} {inflation.accuracy:.1%} hides the rare classes: always answering the most common one gives "
        f"{inflation.majority_share:.1%}, and the mean over classes is {inflation.accuracy - inflation.value:.1%}, "
        f"{100 * inflation.value:.1f} points lower (99 % interval {100 * inflation.low:.1f} to "
        f"{100 * inflation.high:.1f}){_classes_never_found(never_predicted)}."
    )


def _classes_never_found(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"; never found: {listed(names, most=LISTED_NAMES)}"
