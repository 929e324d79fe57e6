"""Cause 4, the metrics: does accuracy flatter, and do the probabilities promise too much?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnexp.diagnosis.facts import (
    LEVEL,
    Facts,
    combination_interval,
    exact_interval,
    majority_share,
    recalls,
    surely_better_than_the_majority,
)
from cnnexp.evaluation.calibration import MINIMUM_IMAGES, ece_of_a_calibrated_model
from cnnexp.records import Finding
from cnnexp.system.text import listed

MINIMUM_FLATTERY = 0.05  # accuracy above balanced accuracy; a rare class that is merely harder costs 1 to 3 points
IMBALANCED = 1.5  # largest over smallest class in train: from here on weighting the classes changes the training
FLATTERY_CONFIDENCE = 0.95  # arithmetic, not inference: only the interval can be wrong
FLATTERY_CONFIDENCE_BALANCED = 0.8  # the classes are weak for another reason than their number

MINIMUM_EXCESS = 0.02  # confidence above accuracy; below 2 points nobody decides differently
EXCESS_CONFIDENCE = 0.9
LARGEST_CALIBRATION = 0.3  # share of the images; above, training pays more than the probabilities win
LISTED_NAMES = 3


@dataclass(frozen=True, slots=True)
class Flattery:
    """How much a distribution of classes raises accuracy above the mean over classes."""

    split: str  # whose distribution
    accuracy: float  # with its shares of classes and the recalls on the test split
    majority_share: float  # what always answering the most common class gives
    value: float  # accuracy - balanced accuracy
    low: float  # 99 % interval
    high: float


def flattering_accuracy(facts: Facts) -> Finding | None:
    """Name E1 when common classes lift accuracy, surely and by enough, above what the mean over classes says.

    Accuracy is counted with the class shares of the test split and with those of train, whose curves flatter when
    train alone is imbalanced; the larger difference is judged.
    """
    flattery = max((_flattery(facts, split) for split in ("test", "train")), key=lambda one: one.value)
    if flattery.low <= 0 or flattery.value < MINIMUM_FLATTERY:
        return None
    ratio = _class_ratio(facts.class_counts["train"])
    lost = [score.name for score in facts.evaluation.per_class if score.recall == 0]
    return Finding(
        id="E1",
        cause=4,
        title="accuracy flatters",
        sentence=_flattery_sentence(flattery, lost),
        evidence={
            "accuracy": flattery.accuracy,
            "majority_share": flattery.majority_share,
            "balanced_accuracy": flattery.accuracy - flattery.value,
            "difference": flattery.value,
            "difference_low": flattery.low,
            "difference_high": flattery.high,
            "classes_never_found": len(lost),
            "train_class_ratio": ratio,
        },
        confidence=FLATTERY_CONFIDENCE if ratio >= IMBALANCED else FLATTERY_CONFIDENCE_BALANCED,
        repair=(
            "training.class_weight=balanced"
            if ratio >= IMBALANCED and facts.class_weight == "none"
            else "judge by test/balanced_accuracy and test/macro_f1, and add images of the classes with low recall"
        ),
    )


def _flattery(facts: Facts, split: str) -> Flattery:
    support = facts.evaluation.confusion.sum(axis=1)
    seen = support > 0
    counts = np.array(facts.class_counts[split])[seen]
    shares, found = counts / counts.sum(), recalls(facts.evaluation)
    value, low, high = combination_interval(shares - 1 / seen.sum(), found, support[seen])
    return Flattery(
        split=split,
        accuracy=float(shares @ found),
        majority_share=float(shares.max()),
        value=value,
        low=low,
        high=high,
    )


def _class_ratio(counts: Sequence[int]) -> float:
    present = [count for count in counts if count > 0]
    return max(present) / min(present)


def _flattery_sentence(flattery: Flattery, lost: Sequence[str]) -> str:
    counted = "Accuracy" if flattery.split == "test" else "With the classes as common as in training, accuracy"
    return (
        f"{counted} {flattery.accuracy:.1%} hides the rare classes: always answering the most common one gives "
        f"{flattery.majority_share:.1%}, and the mean over classes is {flattery.accuracy - flattery.value:.1%}, "
        f"{100 * flattery.value:.1f} points lower (99 % interval {100 * flattery.low:.1f} to "
        f"{100 * flattery.high:.1f}){_never_found(lost)}."
    )


def _never_found(names: Sequence[str]) -> str:
    if not names:
        return ""
    return f"; never found: {listed(names, most=LISTED_NAMES)}"


def overconfident(facts: Facts) -> Finding | None:
    """Name E3 when the probabilities the saved model gives promise more than it keeps, surely and by enough.

    Silent where a folded temperature has repaired the network, and where the network has learned nothing that softer
    probabilities could be right about. ECE is above 0 even for a perfect model, so it is held
    against what a calibrated model with the same confidences scores on as many images.
    """
    if not surely_better_than_the_majority(facts.evaluation):
        return None
    claimed, images = float(facts.confidences.mean(dtype=np.float64)), len(facts.confidences)
    accuracy, ece = facts.evaluation.metrics["accuracy"], facts.evaluation.metrics["ece"]
    low, high = (claimed - bound for bound in reversed(exact_interval(accuracy, images)))
    if low <= 0 or claimed - accuracy < MINIMUM_EXCESS:
        return None
    noise = float(np.quantile(ece_of_a_calibrated_model(confidences=facts.confidences, seed=facts.seed), LEVEL))
    if ece <= noise:
        return None
    return Finding(
        id="E3",
        cause=4,
        title="over-confident",
        sentence=(
            f"The probabilities promise too much: on average {claimed:.1%} sure, {accuracy:.1%} right (99 % interval "
            f"of the excess {100 * low:.1f} to {100 * high:.1f} points); the calibration error {ece:.3f} is beyond the "
            f"{noise:.3f} that chance allows."
        ),
        evidence={
            "mean_confidence": claimed,
            "accuracy": accuracy,
            "excess": claimed - accuracy,
            "excess_low": float(low),
            "excess_high": float(high),
            "ece": ece,
            "ece_by_chance": noise,
            "ece_uncalibrated": facts.ece_uncalibrated,
            "calibration_images": facts.calibration_images,
        },
        confidence=EXCESS_CONFIDENCE,
        repair=_calibration_repair(facts),
    )


def confidence_unjudged(facts: Facts) -> str | None:
    """Say why nobody can tell whether the probabilities promise too much; None when they were judged."""
    if surely_better_than_the_majority(facts.evaluation):
        return None
    return (
        f"Over-confidence is not judged: {facts.evaluation.metrics['accuracy']:.1%} right on test is not surely more "
        f"than the {majority_share(facts.evaluation):.1%} of always answering its most common class."
    )


def _calibration_repair(facts: Facts) -> str:
    """Ask for the images a temperature needs; where it has had them, for softer training labels."""
    images = sum(sum(counts) for counts in facts.class_counts.values())
    share = max(0.1, math.ceil(100 * MINIMUM_IMAGES / images) / 100)
    if facts.temperature is None and share <= LARGEST_CALIBRATION:
        return f"data.calibration={share:g}"
    if facts.label_smoothing == 0:
        return "regularization.label_smoothing=0.1"
    return f"more images: at least {MINIMUM_IMAGES} of them for the calibration split"
