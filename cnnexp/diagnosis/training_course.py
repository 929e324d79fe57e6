"""Facts about the course of a training that several causes are told by."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.evidence import RunEvidence, beats_majority, prior_loss, uniform_loss

# Measured by benchmarks/learning_rate_walk.py: a collapsed network keeps at most a thousandth of its spread, a living
# one at least a fifth, also where its labels are random.
COLLAPSED = 0.01  # of the spread of the outputs before training
SHRUNK = 0.5  # of the same; where learning rates are too low, the outputs keep more
NEARLY_COLLAPSED = 0.1  # of the same: no small step loses as much, healthy networks keep a third
NORMALIZED = 1.2  # times the loss of a constant output, in the first epoch: other networks begin at 1
MOVED = 0.5  # of that spread: below, training has hardly changed what the network answers
EXPLODED = 2.0  # times ln K. A loss above ln K alone means nothing: every untrained network has one
LITTLE_LEARNED = 0.5  # of the loss of a constant output: more than this is left at the best epoch
STEADY = 0.35  # of the fall, in the second half of the epochs: a loss that levels off has less
WIGGLE = 0.01  # of the loss of a constant output: larger rises do not occur while steps are too small
MINIMUM_EPOCHS = 3  # two losses are no course
MANY_EPOCHS = 5  # from here on, few steps are due to large batches and not to few epochs
# Networks of development that made 100 to 125 steps in 25 epochs ended 1 to 7 points below the same with six times as
# many, those of 25 steps 9 to 29 points; the training loss of all of them still fell.
FEW_STEPS = 150
# Fall of the training loss in the last quarter of the epochs, by its last value. Of digits, clothes and photographs at
# 20 usual rates it was -0.14 to 0.04, once 0.07, at two 0.07 to 0.13 where as many images were unfitted.
STOOD_STILL = 0.05
LEAST_LOSS = 1e-9  # nats, by which a fall may be divided
# Times the logits whose probabilities are right, at which a loss of the user's is least: by theory cross-entropy and
# squared errors of probabilities ask for 1 time, focal loss and smoothed labels for less.
SHARP = 2.0
FITTED = 0.95  # accuracy on the training images, from which no setting keeps a network from learning them


def has_collapsed(run: RunEvidence) -> bool:
    """Return whether the network gave one output to (almost) every image, although it began with several.

    At the end of training; or at any time, where nothing was learned: large steps also bring some dead units back.
    """
    spreads = np.array([outputs.spread for outputs in run.history.outputs])
    dead = spreads < COLLAPSED * spreads[:1]
    return bool(dead.any() and (dead[-1] or not beats_majority(run.evaluation)))


def has_faded(run: RunEvidence) -> bool:
    """Return whether the outputs still depended on the image after the first epoch; large steps act within one."""
    outputs = run.history.outputs
    return len(outputs) > 1 and outputs[1].spread > NEARLY_COLLAPSED * outputs[0].spread


def has_nearly_collapsed(run: RunEvidence) -> bool:
    """Return whether at some time most of the spread of the outputs was lost, as after a step that was too large."""
    return _smallest_spread(run) < NEARLY_COLLAPSED


def has_recovered(run: RunEvidence) -> bool:
    """Return whether the outputs differ again as before training, and the validation loss ended at its lowest.

    The first steps of Adam also take away what little spread a network may have before training, and do no harm.
    """
    spreads, val = [outputs.spread for outputs in run.history.outputs], validation_losses(run)
    return bool(len(val) > 1 and spreads[-1] >= SHRUNK * spreads[0] and val.argmin() == len(val) - 1)


def has_shrunk(run: RunEvidence) -> bool:
    """Return whether at some time much of the spread of the outputs was lost.

    Not told of a network whose training loss began far above that of a constant output: batch normalization does both.
    """
    return _smallest_spread(run) < SHRUNK and training_losses(run)[0] < NORMALIZED * prior_loss(run)


def _smallest_spread(run: RunEvidence) -> float:
    """Return the smallest spread of the outputs, as a share of that before training; 1 where that was 0."""
    spreads = np.array([outputs.spread for outputs in run.history.outputs])
    return float(spreads.min() / spreads[0]) if len(spreads) and spreads[0] > 0 else 1.0


def has_moved(run: RunEvidence) -> bool:
    """Return whether training changed the answers: then a loss that did not fall is not due to small steps."""
    outputs = run.history.outputs
    return bool(outputs) and outputs[-1].change >= MOVED * outputs[0].spread


def has_exploded(run: RunEvidence) -> bool:
    """Return whether the loss was far above that of uniform probabilities, early or while the training loss was, too.

    The validation loss of a network that memorizes its images also becomes large, but late.
    """
    limit, val, train = EXPLODED * uniform_loss(run), validation_losses(run), training_losses(run)
    early = int(val.argmax()) <= len(val) // 2 or train[-1] > prior_loss(run)
    return bool((val.max() > limit and early) or train[0] > limit)


def has_learned_little(run: RunEvidence) -> bool:
    """Return whether most of the loss of a constant output was left at the best epoch, and many answers were wrong.

    Loss is left, too, where labels are smoothed, and where a network of few steps is right but not yet sure.
    """
    return bool(validation_losses(run).min() > LITTLE_LEARNED * prior_loss(run)) and run.val_accuracy < FITTED


def asks_to_be_too_sure(run: RunEvidence) -> bool:
    """Return whether a loss of the user's own asks for far larger logits than cross-entropy, that of validation, does.

    Then a validation loss that is high, or rises, says nothing of the steps.
    """
    return run.loss is not None and run.loss.sharpness >= SHARP


def is_falling(losses: NDArray[np.float64], *, wiggle: float) -> bool:
    """Return whether losses (epochs,) ended at their lowest and never rose by more than `wiggle`."""
    is_course = len(losses) >= MINIMUM_EPOCHS
    return bool(is_course and losses.argmin() == len(losses) - 1 and largest_rise(losses) <= wiggle)


def is_falling_steadily(losses: NDArray[np.float64], *, wiggle: float) -> bool:
    """Return whether losses (epochs,) never rose by more than `wiggle`, and fell to the end as in the beginning."""
    fall, late = losses[0] - losses[-1], losses[(len(losses) - 1) // 2] - losses[-1]
    return is_falling(losses, wiggle=wiggle) and bool(late >= STEADY * fall)


def is_falling_smoothly(losses: NDArray[np.float64], *, least: float) -> bool:
    """Return whether losses (epochs,) fell by `least` or more in the second half and never rose by more."""
    late = losses[(len(losses) - 1) // 2] - losses[-1]
    return is_falling(losses, wiggle=least) and bool(late >= least)


def epochs_to_learn(losses: NDArray[np.float64], *, constant: float) -> float:
    """Return how many more epochs, at the present speed, would leave `LITTLE_LEARNED` of the loss of a constant output.

    The speed is the fall of losses (epochs,), two or more, in the last epoch or on average in the second half.
    """
    late = losses[(len(losses) - 1) // 2 :]
    speed = max(losses[-2] - losses[-1], (late[0] - late[-1]) / (len(late) - 1))
    return float((losses[-1] - LITTLE_LEARNED * constant) / speed) if speed > 0 else np.inf


def largest_rise(losses: NDArray[np.float64]) -> float:
    """Return the largest difference of a loss (epochs,) and the lowest one before it; 0 where losses only fall."""
    return float((losses - np.minimum.accumulate(losses)).max())


def validation_losses(run: RunEvidence) -> NDArray[np.float64]:
    """Return the validation loss of each epoch (epochs,), in nats."""
    return np.array([epoch.val_loss for epoch in run.history.epochs])


def training_losses(run: RunEvidence) -> NDArray[np.float64]:
    """Return the training loss of each epoch (epochs,), in nats, without the L1 and L2 penalties as far as measured.

    The loss of an epoch is a mean over its steps, so the mean of the penalties before and after it is subtracted. Focal
    loss is brought to the scale of cross-entropy, by what uniform probabilities have of both.
    """
    losses = np.array([epoch.train_loss for epoch in run.history.epochs])
    penalties = np.array(run.history.penalties)
    losses = losses - (penalties[:-1] + penalties[1:]) / 2 if len(penalties) else losses
    uniform = 1 / max(len(run.class_counts["train"]), 2)
    scaled: NDArray[np.float64] = losses / (1 - uniform) ** run.gamma
    return scaled


def is_unfitted(run: RunEvidence) -> bool:
    """Return whether training images are left that the network gets wrong, so that something may still be learned."""
    return run.train_accuracy < FITTED


def fall_at_end(losses: NDArray[np.float64]) -> float:
    """Return by which share of its last value a loss (epochs,) fell in the last quarter; below 0: it rose."""
    before = losses[-1 - last_quarter(len(losses))]
    return float((before - losses[-1]) / max(losses[-1], LEAST_LOSS))


def last_quarter(epochs: int) -> int:
    """Return how many epochs are the last quarter of so many, rounded up; at most all but the first."""
    return min(-(-epochs // 4), epochs - 1)
