"""Cause 3, the training method: could the network learn at its learning rate?

What tells too high from too low is not the loss, which ends at ln K in both cases, but the outputs. A collapsed network
gives one output to every image: a step was so large that its units died, and dead units get no gradient. A network
whose steps are too small still answers as it did before training.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import (
    RunEvidence,
    Z,
    beats_majority,
    combination_interval,
    exact_interval,
    majority_share,
    prior_loss,
    uniform_loss,
)
from cnnexp.diagnosis.over_regularization import is_over_regularized
from cnnexp.diagnosis.training_course import (
    LITTLE_LEARNED,
    WIGGLE,
    asks_to_be_too_sure,
    epochs_to_learn,
    has_collapsed,
    has_exploded,
    has_learned_little,
    has_moved,
    has_nearly_collapsed,
    has_recovered,
    has_shrunk,
    is_falling,
    is_falling_smoothly,
    is_falling_steadily,
    largest_rise,
    training_losses,
    validation_losses,
)
from cnnexp.records import Finding
from cnnexp.system.text import plural

FLAT = 0.01  # of the loss of a constant output; the loss of an epoch differs by as much for no reason
SLOW_LOSS = 0.8  # of the same loss, left after all epochs
UNMOVED_LOSS = 0.95  # of the same loss
SMOOTH = 0.001  # of the same loss, that the second half must bring; no rise is larger at far too low a learning rate
TOO_SLOW = 3.0  # times the epochs that ran, still needed: the next learning rate, three times higher, saves as many
UNLEARNED = 1.05  # of the same loss: above, training has not even learned the shares of the classes
RIPPLE = 0.05  # of the whole fall: small steps also cause such rises of a training loss, for its batches differ
RISE = 0.05  # of the same loss, of the training loss above its lowest before; dropout and augmentation cause 0.02
# Standard deviation over images of what was learned of that loss, in units of its mean: of a hundred images, the means
# of two epochs differ by chance.
LEARNED_DEVIATION = 0.5
LEARNED_MUCH = 0.5  # of the way from the most common class to all correct, with which steps are no failure
JUMP = 0.2  # of the same loss, of the validation loss above its lowest
JUMP_OVER_GAIN = 2.0  # times the fall of the training loss since
MINIMUM_STEPS = 100  # in fewer, no learning rate shows that it is too low: training is too short
HIGHEST_LOW_LEARNING_RATE = 1.0  # from here on, no optimizer stands still because its learning rate is too low


@dataclass(frozen=True, slots=True)
class Failure:
    """How a network failed to learn."""

    how: str  # one word or two, for tables
    too_high: bool  # the learning rate
    factor: float  # for the next learning rate; a small one where the network learned something
    basis: Basis


COLLAPSE = Failure("collapsed", True, 1 / 10, Basis.OUTPUTS)
DIVERGENCE = Failure("diverged", True, 1 / 10, Basis.OUTPUTS)
INSTABILITY = Failure("unstable", True, 1 / 3, Basis.OUTPUTS)
STANDSTILL = Failure("stood still", False, 10, Basis.OUTPUTS)
STANDSTILL_BY_LOSS = Failure("stood still", False, 10, Basis.CURVES)  # dead units or random labels also leave it flat
SLOWNESS = Failure("too slow", False, 3, Basis.OUTPUTS)
FAILURES = (COLLAPSE, DIVERGENCE, INSTABILITY, STANDSTILL, SLOWNESS)


def find_failure(run: RunEvidence) -> Failure | None:
    """Return how training failed; None where it did not, or where the learning rate does not explain it."""
    failure = _find_failure_in_any_steps(run)
    return None if failure is not None and not failure.too_high and _has_few_steps(run) else failure


def _find_failure_in_any_steps(run: RunEvidence) -> Failure | None:
    if prior_loss(run) == 0 or is_over_regularized(run):  # with one class there is nothing to learn
        return None
    if has_collapsed(run):
        return COLLAPSE
    if not beats_majority(run.evaluation):
        return _failure_to_learn_anything(run)
    return _failure_to_learn_enough(run) if run.history.outputs else None


def _has_few_steps(run: RunEvidence) -> bool:
    return run.history.steps < MINIMUM_STEPS


def _failure_to_learn_anything(run: RunEvidence) -> Failure | None:
    if has_exploded(run):
        return DIVERGENCE
    if has_nearly_collapsed(run) and not has_recovered(run):
        return INSTABILITY
    if _is_too_slow(run):
        return _slowness(run)
    return _failure_by_training_loss(run)


def _failure_by_training_loss(run: RunEvidence) -> Failure | None:
    """Return the failure of a network whose training loss is not below that of a constant output at its end."""
    train, constant = training_losses(run), prior_loss(run)
    rise = train[-1] - train[0]
    if train[-1] < (1 - FLAT) * constant:
        return None
    if rise >= FLAT * constant:
        return DIVERGENCE
    if _has_learned_the_shares(run):
        return SLOWNESS
    is_flat = len(train) > 1 and rise > -FLAT * constant and run.learning_rate < HIGHEST_LOW_LEARNING_RATE
    if not is_flat or has_moved(run):
        return None
    return STANDSTILL if run.history.outputs else STANDSTILL_BY_LOSS


def _has_learned_the_shares(run: RunEvidence) -> bool:
    """Return whether the validation loss fell smoothly, although it never came below that of a constant output."""
    val, constant = validation_losses(run), prior_loss(run)
    falls = val[0] - val[-1] >= FLAT * constant and largest_rise(val) <= WIGGLE * constant
    return bool(run.history.outputs) and bool(falls)


def _failure_to_learn_enough(run: RunEvidence) -> Failure | None:
    if not has_learned_little(run) or asks_to_be_too_sure(run):
        return None
    if has_exploded(run):
        return DIVERGENCE
    if _is_too_slow(run):
        return _slowness(run)
    if _is_as_good_as_neighbours(run):  # what is left of the loss is all that the data allow
        return None
    common = majority_share(run.evaluation)
    if run.evaluation.metrics["accuracy"] - common >= LEARNED_MUCH * (1 - common):  # few answers are surely wrong
        return None
    return INSTABILITY if has_nearly_collapsed(run) or _is_unstable(run) else None


def _is_as_good_as_neighbours(run: RunEvidence) -> bool:
    """Return whether nearest neighbours answer no more of the validation images, or only by chance and test says so."""
    near = run.neighbours
    if near is None or not near.answered:
        return False
    _, low, _ = combination_interval([1, -1], [near.accuracy, run.val_accuracy], [near.answered, run.val_images])
    unseen = max(run.val_accuracy, run.evaluation.metrics["accuracy"])
    return run.val_accuracy >= near.accuracy or (low <= 0 and unseen >= near.accuracy)


def _is_too_slow(run: RunEvidence) -> bool:
    losses = unlearned_losses(run)
    if losses is None or has_shrunk(run):  # larger steps would kill what these have weakened
        return False
    return epochs_to_learn(losses, constant=prior_loss(run)) > TOO_SLOW * len(losses)


def has_only_begun(run: RunEvidence) -> bool:
    """Return whether the network had only begun to learn at the end, fast enough to learn within a few times longer."""
    return unlearned_losses(run) is not None and find_failure(run) is None


def unlearned_losses(run: RunEvidence) -> NDArray[np.float64] | None:
    """Return the losses (epochs,) that fell to the end as in the beginning while almost all is left; None if none did.

    Where next to nothing fell, what fell first is due to the shares of the classes; then it must only fall smoothly.
    The validation loss of a network with batch normalization first follows the running statistics, not the weights;
    then the training loss counts, which memorizing never leaves so high. It need not fall as fast as in the beginning:
    above the loss of a constant output nothing levels off but by steps that are too small.
    """
    if not run.history.outputs:
        return None
    val, train, constant = validation_losses(run), training_losses(run), prior_loss(run)
    wiggle = WIGGLE * constant
    if val[-1] > SLOW_LOSS * constant and is_falling_steadily(val, wiggle=wiggle):
        return val
    if val[-1] > UNMOVED_LOSS * constant and is_falling_smoothly(val, least=SMOOTH * constant):
        return val
    if train[-1] > UNLEARNED * constant and is_falling(train, wiggle=max(wiggle, RIPPLE * (train[0] - train[-1]))):
        return train
    return None


def _is_unstable(run: RunEvidence) -> bool:
    """Return whether the training loss rose again, or the validation loss by far more than the training loss fell.

    Over-fitting also raises the validation loss, but little by little, by about what the training loss falls.
    """
    val, train, constant = validation_losses(run), training_losses(run), prior_loss(run)
    best = int(val.argmin())
    jump, gain = val[-1] - val[best], train[best] - train[-1]
    jumped = train[-1] > LITTLE_LEARNED * constant and jump > max(JUMP * constant, JUMP_OVER_GAIN * gain)
    by_chance = Z * LEARNED_DEVIATION * max(constant - train[-1], 0) * (2 / run.train_images) ** 0.5
    return bool(jumped or largest_rise(train) > max(RISE * constant, by_chance))


def _slowness(run: RunEvidence) -> Failure:
    val = validation_losses(run)
    return SLOWNESS if has_moved(run) or val[0] - val[-1] >= FLAT * prior_loss(run) else STANDSTILL


def detect_failed_learning(run: RunEvidence) -> Finding | None:
    """Report T1 (learning rate too high) or T2 (too low) for a network that learned nothing, or next to nothing."""
    failure = find_failure(run)
    if failure is None:
        return None
    epochs = run.history.epochs
    return Finding(
        id="T1" if failure.too_high else "T2",
        cause=3,
        title=f"{failure.how}: learning rate too {'high' if failure.too_high else 'low'}",
        sentence=f"{_score_sentence(run)} {_course_sentence(run, failure)}",
        evidence={
            "accuracy": run.evaluation.metrics["accuracy"],
            "majority_share": majority_share(run.evaluation),
            "beats_majority": float(beats_majority(run.evaluation)),
            "learning_rate": run.learning_rate,
            "first_train_loss": epochs[0].train_loss,
            "last_train_loss": epochs[-1].train_loss,
            "loss_knowing_nothing": uniform_loss(run),
            "highest_validation_loss": max(epoch.val_loss for epoch in epochs),
            **_output_evidence(run),
        },
        confidence=confidence_by(failure.basis),
        basis=failure.basis,
        repair=f"optimizer.learning_rate={float(f'{run.learning_rate * failure.factor:.1g}'):g}",
    )


def learning_not_explained(run: RunEvidence) -> str | None:
    """Return that nothing was learned for another reason than the learning rate; None where that is not so."""
    if prior_loss(run) == 0 or beats_majority(run.evaluation):
        return None
    if find_failure(run) is None and _find_failure_in_any_steps(run) is not None:
        return (
            f"The network learned nothing in {plural(run.history.steps, 'step')}, too few to tell whether the learning "
            "rate is too low; raise training.epochs."
        )
    if not has_moved(run) or find_failure(run) is not None or is_over_regularized(run) or has_only_begun(run):
        return None
    if training_losses(run)[-1] < (1 - FLAT) * prior_loss(run):
        return None
    return (
        "Why the network learned nothing is not known: training changed its outputs, so the learning rate is not too "
        "low, and it neither diverged nor collapsed. Look at the labels and at what the images show."
    )


def _score_sentence(run: RunEvidence) -> str:
    accuracy, majority = run.evaluation.metrics["accuracy"], majority_share(run.evaluation)
    low, high = exact_interval(accuracy, run.evaluation.confusion.sum())
    amount = "little" if beats_majority(run.evaluation) else "nothing"
    return (
        f"The network learned {amount}: {accuracy:.1%} correct on test (99 % interval {low:.1%} to {high:.1%}), while "
        f"always answering the most common class gives {majority:.1%}."
    )


def _course_sentence(run: RunEvidence, failure: Failure) -> str:
    epochs, rate = run.history.epochs, f"a learning rate of {run.learning_rate:g}"
    train = f"from {epochs[0].train_loss:.4g} in the first epoch to {epochs[-1].train_loss:.4g} in the last"
    val = f"from {epochs[0].val_loss:.4g} in the first epoch to {epochs[-1].val_loss:.4g} in the last"
    highest = max(epoch.val_loss for epoch in epochs)
    match failure.how:
        case "collapsed":
            return (
                "It collapsed: at the end of training every image got the same output. Steps at "
                f"{rate} were so large that its units died, and dead units do not recover."
            )
        case "diverged":
            return (
                f"Its training loss went {train} and its validation loss up to {highest:.4g}, while uniform "
                f"probabilities give {uniform_loss(run):.4g}: steps overshoot, {rate} is too high."
            )
        case "unstable":
            lost = " and its outputs were almost the same for all images at times" if has_nearly_collapsed(run) else ""
            return (
                f"Its training was unstable: the training loss went {train}, the validation loss up to "
                f"{highest:.4g}{lost}. Steps overshoot, {rate} is too high."
            )
        case "too slow":
            return (
                f"Its validation loss went {val} and was still falling as fast as in the beginning: {rate} is too low "
                f"for {plural(len(epochs), 'epoch')}."
            )
        case _:
            same = ", and its outputs are still those of the untrained network" if run.history.outputs else ""
            return f"Its training loss stood still, {train}{same}: most likely {rate} is too low."


def _output_evidence(run: RunEvidence) -> dict[str, float]:
    if not run.history.outputs:
        return {}
    before, after = run.history.outputs[0], run.history.outputs[-1]
    return {
        "most_frequent_answer": after.top_share,
        "output_spread_untrained": before.spread,
        "output_spread": after.spread,
        "output_change": after.change,
    }
