"""Cause 4, the metrics: are the probabilities too high?"""

import math

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import (
    LEVEL,
    RunEvidence,
    beats_majority,
    combination_interval,
    exact_interval,
    majority_share,
)
from cnnexp.diagnosis.intervals import LEVEL_OF_MANY
from cnnexp.diagnosis.needed_temperature import needed_temperature
from cnnexp.diagnosis.split_gap import differs, worse_split
from cnnexp.evaluation import MINIMUM_IMAGES, ece_of_a_calibrated_model
from cnnexp.records import Finding
from cnnexp.records.catalogue import UNKNOWN

# Confidence above accuracy that is worth a finding, as five points of accuracy are. Of 111 healthy runs of development
# (`benchmarks.faults.ordinary`) calibrated ones have up to 0.05, by chance, and ones without a temperature up to 0.07.
MINIMUM_EXCESS = 0.05
NO_EXCESS = 0.02  # the same of validation images, below which the network is not too sure of these
# Low end of the interval of the temperature that validation and test images need: twice as sure as is right. Of
# ordinary runs of development, a third of them not calibrated, the low end is up to 1.4.
TWICE_AS_SURE = 1.8
LARGEST_CALIBRATION = 0.3  # share of the images; above, training loses more than the probabilities gain


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
        return _by_temperature(run, confidence, accuracy)
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


def _by_temperature(run: RunEvidence, confidence: float, accuracy: float) -> Finding | None:
    """Report probabilities that are far too high where nearly all answers are right, so that these tell little."""
    splits = [run.answers[name] for name in ("validation", "test") if name in run.answers]
    if len(splits) < 2 or not all(len(one.labels) for one in splits):
        return None
    needed, low, high = needed_temperature(*splits)
    if low < TWICE_AS_SURE or min(needed_temperature(one)[0] for one in splits) < TWICE_AS_SURE:
        return None
    return Finding(
        id="E3",
        cause=4,
        title="over-confident",
        sentence=(
            f"The probabilities are too high: {confidence:.1%} on average, {accuracy:.1%} correct, and wrong answers "
            f"are given as surely as right ones. Validation and test images say that logits are {needed:.1f} times too "
            f"large (99 % interval {low:.1f} to {high:.1f})."
        ),
        evidence={
            "mean_confidence": confidence,
            "accuracy": accuracy,
            "needed_temperature": needed,
            "needed_temperature_low": low,
            "needed_temperature_high": high,
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
