"""Cause 4, the metrics: does accuracy hide rare classes, and are the probabilities too high?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import (
    LEVEL,
    RunEvidence,
    beats_majority,
    combination_interval,
    counts_classes_alike,
    exact_interval,
    majority_share,
    recalls,
)
from cnnexp.diagnosis.intervals import LEVEL_OF_MANY
from cnnexp.diagnosis.learning_rate import find_failure
from cnnexp.diagnosis.split_gap import differs, worse_split
from cnnexp.evaluation import MINIMUM_IMAGES, ece_of_a_calibrated_model
from cnnexp.records import Finding
from cnnexp.records.catalogue import UNKNOWN
from cnnexp.system.text import listed

MINIMUM_INFLATION = 0.05  # accuracy above balanced accuracy; a rare class that is only harder causes 1 to 3 points
IMBALANCED = 1.5  # largest over smallest class of train; from here on, class weights change the training
MISLEADING = 3.0  # of the same, from which shares of train mislead; copies that are added on purpose bring it to 2

# Confidence above accuracy that is worth a finding, as five points of accuracy are. Of 111 healthy runs of development
# (`benchmarks.faults.ordinary`) calibrated ones have up to 0.05, by chance, and ones without a temperature up to 0.07.
MINIMUM_EXCESS = 0.05
NO_EXCESS = 0.02  # the same of validation images, below which the network is not too sure of these
LARGEST_CALIBRATION = 0.3  # share of the images; above, training loses more than the probabilities gain
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


def detect_overconfidence(run: RunEvidence) -> Finding | None:
    """Report E3 when the mean confidence of the saved model is above its accuracy, significantly and by enough.

    Not reported where the temperature has corrected it, as well as so many calibration images allow, nor where the
    network does not beat the most common class. The ECE is above 0 even for a calibrated model, so it is compared with
    that of a calibrated model with the same confidences and as many images.
    """
    if not beats_majority(run.evaluation):
        return None
    confidence = float(run.confidences.mean(dtype=np.float64))
    accuracy, ece = run.evaluation.metrics["accuracy"], run.evaluation.metrics["ece"]
    excess = confidence - accuracy
    if _excess_interval(run, excess, level=LEVEL_OF_MANY)[0] <= 0 or excess < MINIMUM_EXCESS:
        return None
    noise = float(np.quantile(ece_of_a_calibrated_model(confidences=run.confidences, seed=run.seed), LEVEL))
    if ece <= noise:
        return None
    apart = _only_on_test(run, excess)
    if apart is not None:
        return apart
    low, high = _excess_interval(run, excess, level=LEVEL)
    return Finding(
        id="E3",
        cause=4,
        title="over-confident",
        sentence=(
            f"The probabilities are too high: {confidence:.1%} on average, {accuracy:.1%} correct (99 % interval "
            f"of the excess {100 * low:.1f} to {100 * high:.1f} points); the calibration error {ece:.3f} exceeds the "
            f"{noise:.3f} that chance explains."
        ),
        evidence={
            "mean_confidence": confidence,
            "accuracy": accuracy,
            "excess": excess,
            "excess_low": float(low),
            "excess_high": float(high),
            "ece": ece,
            "ece_by_chance": noise,
            "ece_uncalibrated": run.ece_uncalibrated,
            "calibration_images": run.calibration_images,
        },
        confidence=confidence_by(Basis.PROBABILITIES),
        basis=Basis.PROBABILITIES,
        repair=_calibration_repair(run),
    )


def _excess_interval(run: RunEvidence, excess: float, *, level: float) -> tuple[float, float]:
    """Return the interval of what the confidence is above the accuracy of test images.

    A temperature makes the confidence as high as the accuracy of the calibration images, which chance has drawn, too.
    """
    accuracy, images = run.evaluation.metrics["accuracy"], len(run.confidences)
    if run.temperature is None or not run.calibration_images:
        low, high = (float(bound) for bound in exact_interval(accuracy, images, level=level))
        return excess + accuracy - high, excess + accuracy - low
    trials = [run.calibration_images, images]
    _, low, high = combination_interval([1, -1], [accuracy, accuracy], trials, level=level)
    return excess + low, excess + high


def _only_on_test(run: RunEvidence, excess: float) -> Finding | None:
    """Report that test images are another kind than those of validation, of which the network is not too sure.

    A temperature that is wrong is wrong for both.
    """
    known = run.answers.get("validation")
    if known is None or not len(known.labels) or worse_split(run) is not None:  # which is said elsewhere
        return None
    images = [len(run.confidences), len(known.labels)]
    surely = [float(run.confidences.mean(dtype=np.float64)), float(known.probabilities.max(axis=1).mean())]
    right = [run.evaluation.metrics["accuracy"], known.accuracy]
    own = surely[1] - right[1]
    _, low, _ = combination_interval([-1, 1], right, images)
    if own >= NO_EXCESS or low + surely[0] - surely[1] <= 0:
        return None
    differs_by_pixels = differs("test", run)
    basis = Basis.SPLITS if differs_by_pixels else Basis.UNNAMED
    return Finding(
        id="S4" if differs_by_pixels else UNKNOWN,
        cause=1 if differs_by_pixels else 0,
        title="test unlike validation",
        sentence=(
            f"The network is too sure of the test images by {100 * excess:.1f} points, and of the validation images by "
            f"{100 * own:.1f}: {right[0]:.1%} and {right[1]:.1%} are right. So it is not the probabilities that are "
            "wrong, but the test images are of another kind"
            + (", by their pixels, too." if differs_by_pixels else " or otherwise labelled.")
        ),
        evidence={"excess": excess, "excess_on_validation": own, "difference_low": low + surely[0] - surely[1]},
        confidence=confidence_by(basis),
        basis=basis,
        repair="look at images of test and validation side by side, and how each were collected and read",
    )


def overconfidence_not_assessed(run: RunEvidence) -> str | None:
    """Return why over-confidence was not assessed; None if it was."""
    if beats_majority(run.evaluation):
        return None
    return (
        f"Over-confidence was not assessed: {run.evaluation.metrics['accuracy']:.1%} correct on test is not "
        f"significantly more than the {majority_share(run.evaluation):.1%} of always answering its most common class."
    )


def _calibration_repair(run: RunEvidence) -> str:
    """Return settings that give a temperature enough images; if it had them, those that smooth the labels."""
    images = sum(sum(counts) for counts in run.class_counts.values())
    share = max(0.1, math.ceil(100 * MINIMUM_IMAGES / images) / 100)
    if run.temperature is None and share <= LARGEST_CALIBRATION:
        return f"data.calibration={share:g}"
    if run.label_smoothing == 0:
        return "regularization.label_smoothing=0.1"
    return f"more images: at least {MINIMUM_IMAGES} of them for the calibration split"
