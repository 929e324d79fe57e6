"""Cause 3, the training method: were there enough epochs?"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, Z, exact_interval, prior_loss, uniform_loss
from cnnexp.diagnosis.learning_rate import find_failure, has_only_begun
from cnnexp.diagnosis.training_course import is_unfitted
from cnnexp.records import Finding
from cnnexp.system.text import plural

MINIMUM_EPOCHS = 3  # two losses are no trend
WINDOW_SHARE = 1 / 4  # "the end" is the last quarter; a longer window would include the early, steep part
MINIMUM_FALL = 0.05  # share of the total fall in the last quarter; a run that levels off has 1 or 2 %
ANNEALED = 0.1  # last learning rate over the highest; below, the schedule has ended the training
MINIMUM_FALL_ANNEALED = 0.2  # annealing alone causes a late fall of 10 %, in any number of epochs
MINIMUM_GAIN = 0.01  # of validation accuracy in the last quarter: then twice the epochs can gain 2 points
MAXIMUM_ACCURACY = 0.98  # above this validation accuracy 2 points cannot be gained
# Standard deviation over images of the change of the loss within a window, in units of the mean loss; the images are
# the same at both ends. On the digits 0.03 to 0.44 while a loss falls smoothly; 2.5 at a learning rate far too high,
# for which there is WOBBLE.
CHANGE_DEVIATION = 0.5
WOBBLE = 2.0  # the fall must be twice the largest rise in the second half, because a noisy curve also falls at times


@dataclass(frozen=True, slots=True)
class Trend:
    """The validation loss over the last quarter of the epochs."""

    window: int  # epochs
    slope: float  # nats per epoch, median of all pairs (Theil-Sen)
    fall: float  # nats over the window, along that slope
    fall_low: float  # 99 % interval
    fall_high: float
    share: float  # of the total fall
    accuracy_gain: float  # of validation accuracy over the window, along its own slope
    annealed: bool  # the schedule had lowered the learning rate below ANNEALED


def undertraining_not_assessed(run: RunEvidence) -> str | None:
    """Return why under-training was not assessed; None if it was."""
    ran = len(run.history.epochs)
    if ran >= MINIMUM_EPOCHS:
        return None
    few = "One epoch is" if ran == 1 else "Two epochs are"
    return f"{few} too few to tell whether training was long enough; at least {MINIMUM_EPOCHS} are needed."


def detect_undertraining(run: RunEvidence) -> Finding | None:
    """Report T3 when the validation loss was still falling, significantly and by enough, in the last epochs.

    Not where most of the loss is left: there, a higher learning rate gains more than more epochs. Nor where nearly all
    training images are right: what the loss then still gains are no answers.
    """
    trend = improving_at_end(run)
    if trend is None:
        return _beginning(run) if has_only_begun(run) else None
    if find_failure(run) is not None or not is_unfitted(run):
        return None
    ran, share = len(run.history.epochs), f"{trend.share:.0%}"
    return Finding(
        id="T3",
        cause=3,
        title="under-trained",
        sentence=(
            f"Training ended too early: the last {trend.window} of {ran} epochs brought {share} of the total fall "
            f"of the validation loss ({trend.fall:.3f}, 99 % interval {trend.fall_low:.3f} to "
            f"{trend.fall_high:.3f}), so more epochs should give a better model."
        ),
        evidence={
            "epochs": ran,
            "last_epochs": trend.window,
            "loss_slope_per_epoch": trend.slope,
            "loss_fall": trend.fall,
            "loss_fall_low": trend.fall_low,
            "loss_fall_high": trend.fall_high,
            "share_of_total_fall": trend.share,
            "accuracy_gain": trend.accuracy_gain,
            "validation_accuracy": run.val_accuracy,
        },
        confidence=confidence_by(Basis.CURVES),
        basis=Basis.CURVES,
        repair=f"training.epochs={2 * run.epochs}",
    )


def _beginning(run: RunEvidence) -> Finding:
    epochs, (low, high) = run.history.epochs, exact_interval(run.val_accuracy, run.val_images)
    return Finding(
        id="T3",
        cause=3,
        title="under-trained",
        sentence=(
            f"Training ended when the network had only begun to learn: after {plural(len(epochs), 'epoch')} the "
            f"validation loss is {epochs[-1].val_loss:.3f}, and {prior_loss(run):.3f} for one that does not look at "
            f"the images; "
            f"{run.val_accuracy:.1%} are correct (99 % interval {low:.1%} to {high:.1%})."
        ),
        evidence={
            "epochs": len(epochs),
            "first_validation_loss": epochs[0].val_loss,
            "last_validation_loss": epochs[-1].val_loss,
            "loss_of_a_constant_output": prior_loss(run),
            "validation_accuracy": run.val_accuracy,
        },
        confidence=confidence_by(Basis.OUTPUTS),
        basis=Basis.OUTPUTS,
        repair=f"training.epochs={2 * run.epochs}",
    )


def improving_at_end(run: RunEvidence) -> Trend | None:
    """Return the trend of the validation loss if it still fell at the end; None if not, or after too few epochs."""
    epochs = run.history.epochs
    if len(epochs) < MINIMUM_EPOCHS or run.history.stopped_early or run.val_accuracy > MAXIMUM_ACCURACY:
        return None
    losses = np.array([epoch.val_loss for epoch in epochs])
    trend = _trend(run, losses)
    rises = np.diff(losses[len(losses) // 2 - 1 :])
    at_the_end = losses.argmin() >= len(losses) - 2 and losses[-1] < losses[0]
    at_the_end = at_the_end and epochs[-1].train_loss < epochs[-trend.window].train_loss
    sure = trend.fall_low > 0 and trend.fall > WOBBLE * max(rises.max(), 0)
    enough = trend.share >= (MINIMUM_FALL_ANNEALED if trend.annealed else MINIMUM_FALL)
    return trend if at_the_end and sure and enough and trend.accuracy_gain >= MINIMUM_GAIN else None


def _trend(run: RunEvidence, losses: np.ndarray) -> Trend:
    epochs = run.history.epochs
    window = max(MINIMUM_EPOCHS, math.ceil(len(epochs) * WINDOW_SHARE))
    slope = float(theilslopes(losses[-window:]).slope)
    accuracies = [epoch.val_accuracy for epoch in epochs[-window:]]
    fall = -slope * (window - 1)
    noise = Z * CHANGE_DEVIATION * losses[-1] / math.sqrt(run.val_images)
    learned = max(uniform_loss(run), losses[0]) - losses.min()
    learning_rates = [epoch.learning_rate for epoch in epochs]
    return Trend(
        window=window,
        slope=slope,
        fall=fall,
        fall_low=fall - noise,
        fall_high=fall + noise,
        share=fall / learned if learned > 0 else 0.0,
        accuracy_gain=float(theilslopes(accuracies).slope) * (window - 1),
        annealed=learning_rates[-1] < ANNEALED * max(learning_rates),
    )
