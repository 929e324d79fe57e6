"""Cause 3, the training method: was the learning rate usable, and were there enough epochs?"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from cnnexp.diagnosis.evidence import RunEvidence, Z, beats_majority, exact_interval, majority_share
from cnnexp.records import Finding

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
CONFIDENCE = 0.75  # curves alone cannot tell too few epochs from too low a learning rate
CONFIDENCE_ANNEALED = 0.6

# Measured on 800 digits with Adam: flat within 0.01 % at a learning rate of 1e-7; at 0.1 the loss of the first epoch is
# 53; with SGD at 1 it rises by 2 %. A loss above ln K alone means nothing: every untrained network has one.
FLAT = 0.01  # of ln K, the loss of uniform probabilities
EXPLODED = 2.0  # times ln K
HIGHEST_LOW_LEARNING_RATE = 1.0  # from here on, no optimizer stands still because its learning rate is too low
CONFIDENCE_TOO_HIGH = 0.8
CONFIDENCE_TOO_LOW = 0.6  # dead units or random labels also leave a loss flat


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


def detect_failed_learning(run: RunEvidence) -> Finding | None:
    """Report T1 (learning rate too high) or T2 (too low) for a network that does not beat the most common class.

    Only where the training loss also ends at ln K or above, and its course shows which of the two it was.
    """
    epochs, uniform_loss = run.history.epochs, _uniform_loss(run)
    if beats_majority(run.evaluation) or epochs[-1].train_loss < (1 - FLAT) * uniform_loss:
        return None
    rise = epochs[-1].train_loss - epochs[0].train_loss
    exploded = max(epoch.val_loss for epoch in epochs) > EXPLODED * uniform_loss or -rise > EXPLODED * uniform_loss
    if exploded or rise >= FLAT * uniform_loss:
        return _learning_rate_finding(run, too_high=True)
    if len(epochs) > 1 and rise > -FLAT * uniform_loss and run.learning_rate < HIGHEST_LOW_LEARNING_RATE:
        return _learning_rate_finding(run, too_high=False)
    return None


def _learning_rate_finding(run: RunEvidence, *, too_high: bool) -> Finding:
    epochs, accuracy = run.history.epochs, run.evaluation.metrics["accuracy"]
    majority = majority_share(run.evaluation)
    low, high = exact_interval(accuracy, run.evaluation.confusion.sum())
    word, factor = ("high", 1 / 10) if too_high else ("low", 10)
    return Finding(
        id="T1" if too_high else "T2",
        cause=3,
        title=f"learned nothing, rate too {word}",
        sentence=(
            f"The network learned nothing: {accuracy:.1%} correct on test (99 % interval {low:.1%} to {high:.1%}), "
            f"while always answering the most common class gives {majority:.1%}. "
            f"{_loss_sentence(run, too_high=too_high)}"
        ),
        evidence={
            "accuracy": accuracy,
            "majority_share": majority,
            "learning_rate": run.learning_rate,
            "first_train_loss": epochs[0].train_loss,
            "last_train_loss": epochs[-1].train_loss,
            "loss_knowing_nothing": _uniform_loss(run),
            "highest_validation_loss": max(epoch.val_loss for epoch in epochs),
        },
        confidence=CONFIDENCE_TOO_HIGH if too_high else CONFIDENCE_TOO_LOW,
        repair=f"optimizer.learning_rate={run.learning_rate * factor:g}",
    )


def _loss_sentence(run: RunEvidence, *, too_high: bool) -> str:
    epochs = run.history.epochs
    losses = f"from {epochs[0].train_loss:.4g} in the first epoch to {epochs[-1].train_loss:.4g} in the last"
    if too_high:
        return (
            f"Its training loss went {losses} and its validation loss up to "
            f"{max(epoch.val_loss for epoch in epochs):.4g}, while uniform probabilities give "
            f"{_uniform_loss(run):.4g}: steps overshoot, a learning rate of {run.learning_rate:g} is too high."
        )
    return f"Its training loss stood still, {losses}: most likely a learning rate of {run.learning_rate:g} is too low."


def _uniform_loss(run: RunEvidence) -> float:
    """Return ln K in nats, the loss of uniform probabilities over K classes."""
    return math.log(len(run.class_counts["train"]))


def undertraining_not_assessed(run: RunEvidence) -> str | None:
    """Return why under-training was not assessed; None if it was."""
    ran = len(run.history.epochs)
    if ran >= MINIMUM_EPOCHS:
        return None
    few = "One epoch is" if ran == 1 else "Two epochs are"
    return f"{few} too few to tell whether training was long enough; at least {MINIMUM_EPOCHS} are needed."


def detect_undertraining(run: RunEvidence) -> Finding | None:
    """Report T3 when the validation loss was still falling, significantly and by enough, in the last epochs."""
    trend = improving_at_end(run)
    if trend is None:
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
        confidence=CONFIDENCE_ANNEALED if trend.annealed else CONFIDENCE,
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
    learned = max(_uniform_loss(run), losses[0]) - losses.min()
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
