"""Cause 3, the training method: did it learn at all, at that rate, and was it given enough epochs?"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from cnnexp.diagnosis.facts import Facts, Z, exact_interval, majority_share, surely_better_than_the_majority
from cnnexp.records import Finding

MINIMUM_EPOCHS = 3  # two losses make a line, not a trend
WINDOW_SHARE = 1 / 4  # "the end" is the last quarter: the slope of more would be that of the early, steep part
MINIMUM_FALL = 0.05  # of all that was learned, in the last quarter; a run that levels off gives 1 or 2 %
ANNEALED = 0.1  # last rate over highest: below, the schedule has ended the training
MINIMUM_FALL_ANNEALED = 0.2  # a rate that goes to zero brings 10 % late by itself, and more epochs move it, not end it
MINIMUM_GAIN = 0.01  # of validation accuracy in the last quarter: then as many epochs again can bring 2 points
ROOM = 0.98  # above this validation accuracy there are no 2 points to win
# Deviation, over images, of how much a loss changes in a window, in units of the mean loss: the same images are scored
# at both ends. Measured on the digits 0.03 to 0.44 while a loss falls smoothly; 2.5 at a rate far too high, see WOBBLE.
CHANGE_DEVIATION = 0.5
WOBBLE = 2.0  # the fall must be twice the largest rise of the second half: a noisy curve also falls now and then
CONFIDENCE = 0.75  # curves alone cannot tell too few epochs from a rate too low, though both need the loss to go on
CONFIDENCE_ANNEALED = 0.6

# Measured on 800 digits with Adam: flat within 0.01 % at a rate of 1e-7; at 0.1 the first epoch's loss is 53; with SGD
# at 1 it rises by 2 %. Above ln K alone says nothing: so is every fresh network, a ResNet by a quarter.
FLAT = 0.01  # of ln K, the loss of a network that knows nothing
EXPLODED = 2.0  # times ln K
HIGHEST_LOW_RATE = 1.0  # at such a rate no optimizer here stands still because the rate is too low
CONFIDENCE_TOO_HIGH = 0.8
CONFIDENCE_TOO_LOW = 0.6  # dead units, or labels that fit no image, also leave a loss flat


@dataclass(frozen=True, slots=True)
class Trend:
    """The validation loss over the last quarter of the epochs."""

    window: int  # epochs
    slope: float  # nats an epoch, median of all pairs (Theil-Sen)
    fall: float  # nats over the window, along that slope
    fall_low: float  # 99 % interval
    fall_high: float
    share: float  # of the fall since the start
    accuracy_gain: float  # of validation accuracy over the window, along its own slope
    annealed: bool


def learned_nothing(facts: Facts) -> Finding | None:
    """Name T1 (rate too high) or T2 (too low) for a network no better than always answering the most common class.

    Only where the loss agrees, ending at ln K or above, and tells the two apart; otherwise nothing is said.
    """
    epochs, ignorance = facts.history.epochs, _ignorance(facts)
    if surely_better_than_the_majority(facts.evaluation) or epochs[-1].train_loss < (1 - FLAT) * ignorance:
        return None
    rise = epochs[-1].train_loss - epochs[0].train_loss
    exploded = max(epoch.val_loss for epoch in epochs) > EXPLODED * ignorance or -rise > EXPLODED * ignorance
    if exploded or rise >= FLAT * ignorance:
        return _rate_finding(facts, too_high=True)
    if len(epochs) > 1 and rise > -FLAT * ignorance and facts.learning_rate < HIGHEST_LOW_RATE:
        return _rate_finding(facts, too_high=False)
    return None


def _rate_finding(facts: Facts, *, too_high: bool) -> Finding:
    epochs, accuracy, majority = (
        facts.history.epochs,
        facts.evaluation.metrics["accuracy"],
        majority_share(facts.evaluation),
    )
    low, high = exact_interval(accuracy, facts.evaluation.confusion.sum())
    word, cure = ("high", 1 / 10) if too_high else ("low", 10)
    return Finding(
        id="T1" if too_high else "T2",
        cause=3,
        title=f"learned nothing, rate too {word}",
        sentence=(
            f"The network learned nothing: {accuracy:.1%} right on test (99 % interval {low:.1%} to {high:.1%}), where "
            f"always answering the most common class gives {majority:.1%}. {_loss_words(facts, too_high=too_high)}"
        ),
        evidence={
            "accuracy": accuracy,
            "majority_share": majority,
            "learning_rate": facts.learning_rate,
            "first_train_loss": epochs[0].train_loss,
            "last_train_loss": epochs[-1].train_loss,
            "loss_knowing_nothing": _ignorance(facts),
            "highest_validation_loss": max(epoch.val_loss for epoch in epochs),
        },
        confidence=CONFIDENCE_TOO_HIGH if too_high else CONFIDENCE_TOO_LOW,
        repair=f"optimizer.learning_rate={facts.learning_rate * cure:g}",
    )


def _loss_words(facts: Facts, *, too_high: bool) -> str:
    epochs = facts.history.epochs
    losses = f"from {epochs[0].train_loss:.4g} in the first epoch to {epochs[-1].train_loss:.4g} in the last"
    if too_high:
        return (
            f"Its training loss went {losses}, its validation loss up to "
            f"{max(epoch.val_loss for epoch in epochs):.4g}, where knowing nothing costs {_ignorance(facts):.4g}: the "
            f"updates overshoot, a rate of {facts.learning_rate:g} is too high."
        )
    return f"Its training loss stood still, {losses}: most likely a rate of {facts.learning_rate:g} is too low."


def _ignorance(facts: Facts) -> float:
    """Return ln K in nats, the loss of a network that holds all K classes equally likely."""
    return math.log(len(facts.class_counts["train"]))


def length_unjudged(facts: Facts) -> str | None:
    """Say why nobody can tell whether training was long enough; None when it was judged."""
    ran = len(facts.history.epochs)
    if ran >= MINIMUM_EPOCHS:
        return None
    few = "One epoch is" if ran == 1 else "Two epochs are"
    return f"{few} too few to judge whether training was long enough; from {MINIMUM_EPOCHS} on."


def undertrained(facts: Facts) -> Finding | None:
    """Name T3 when the validation loss was still falling, surely and by enough to matter, when the epochs ran out."""
    trend = improving_at_the_end(facts)
    if trend is None:
        return None
    ran, share = len(facts.history.epochs), f"{trend.share:.0%}"
    return Finding(
        id="T3",
        cause=3,
        title="under-trained",
        sentence=(
            f"Training ended while it was still working: the last {trend.window} of {ran} epochs brought {share} of "
            f"all the validation loss has fallen ({trend.fall:.3f}, 99 % interval {trend.fall_low:.3f} to "
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
            "validation_accuracy": facts.val_accuracy,
        },
        confidence=CONFIDENCE_ANNEALED if trend.annealed else CONFIDENCE,
        repair=f"training.epochs={2 * facts.epochs}",
    )


def improving_at_the_end(facts: Facts) -> Trend | None:
    """Return the trend of the validation loss if it was still falling at the end; None if not, or if nobody can say."""
    epochs = facts.history.epochs
    if len(epochs) < MINIMUM_EPOCHS or facts.history.stopped_early or facts.val_accuracy > ROOM:
        return None
    losses = np.array([epoch.val_loss for epoch in epochs])
    trend = _trend(facts, losses)
    rises = np.diff(losses[len(losses) // 2 - 1 :])
    at_the_end = losses.argmin() >= len(losses) - 2 and losses[-1] < losses[0]
    at_the_end = at_the_end and epochs[-1].train_loss < epochs[-trend.window].train_loss
    sure = trend.fall_low > 0 and trend.fall > WOBBLE * max(rises.max(), 0)
    enough = trend.share >= (MINIMUM_FALL_ANNEALED if trend.annealed else MINIMUM_FALL)
    return trend if at_the_end and sure and enough and trend.accuracy_gain >= MINIMUM_GAIN else None


def _trend(facts: Facts, losses: np.ndarray) -> Trend:
    epochs = facts.history.epochs
    window = max(MINIMUM_EPOCHS, math.ceil(len(epochs) * WINDOW_SHARE))
    slope = float(theilslopes(losses[-window:]).slope)
    accuracies = [epoch.val_accuracy for epoch in epochs[-window:]]
    fall = -slope * (window - 1)
    noise = Z * CHANGE_DEVIATION * losses[-1] / math.sqrt(facts.val_images)
    learned = max(_ignorance(facts), losses[0]) - losses.min()
    rates = [epoch.learning_rate for epoch in epochs]
    return Trend(
        window=window,
        slope=slope,
        fall=fall,
        fall_low=fall - noise,
        fall_high=fall + noise,
        share=fall / learned if learned > 0 else 0.0,
        accuracy_gain=float(theilslopes(accuracies).slope) * (window - 1),
        annealed=rates[-1] < ANNEALED * max(rates),
    )
