"""Cause 2, the fit: do the penalties on the weights leave the network anything to learn with?"""

import math

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, beats_majority, uniform_loss
from cnnexp.diagnosis.training_course import has_collapsed, has_faded, is_unfitted
from cnnexp.records import Finding

# Times ln K, before training. Measured on the digits: networks learn with 1 time ln K, and with 2; with 9 none does,
# at any learning rate. Between, they fade slowly where the penalties are the cause, and at once after too large a step.
DOMINANT = 3.0
LARGE = 1.0
# Ten times those of the options, and penalties that are half of ln K before training: ordinary runs of development have
# up to 0.4, ones with an L2 penalty of 0.03 that costs 5 to 7 points 0.7 and 1.6.
STRONG_L1, STRONG_L2 = 1e-4, 1e-2
STRONG = 0.5
MODEST = 0.1  # times ln K, the penalty that is advised; the default of regularization=l2 is about that
LOWER = 0.1  # times the penalties, at least


def is_over_regularized(run: RunEvidence) -> bool:
    """Return whether the network failed under penalties that outweighed the loss from the first step on."""
    penalties = run.history.penalties
    if not penalties:
        return False
    ratio = penalties[0] / uniform_loss(run)
    if ratio > DOMINANT:
        return has_collapsed(run) or not beats_majority(run.evaluation)
    return ratio > LARGE and has_collapsed(run) and has_faded(run)


def detect_over_regularization(run: RunEvidence) -> Finding | None:
    """Report M3 when L1 or L2 pulled the weights to zero, or are strong and leave images unfitted."""
    if not is_over_regularized(run):
        return _strong(run)
    penalty, uniform = run.history.penalties[0], uniform_loss(run)
    return Finding(
        id="M3",
        cause=2,
        title="over-regularized",
        sentence=(
            f"The penalties on the weights were {penalty:.3g} before the first step, while uniform probabilities give "
            f"a loss of {uniform:.3g}: training shrank the weights instead of learning, until images got (almost) the "
            "same output."
        ),
        evidence=_evidence(run)
        | {
            "output_spread_untrained": run.history.outputs[0].spread,
            "output_spread": run.history.outputs[-1].spread,
        },
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=_repair(run, MODEST * uniform / penalty),
    )


def _strong(run: RunEvidence) -> Finding | None:
    if has_collapsed(run) or not beats_majority(run.evaluation):  # at once: it is the rate
        return None
    if (run.l1 < STRONG_L1 and run.l2 < STRONG_L2) or not run.history.penalties or not is_unfitted(run):
        return None
    penalty, uniform = run.history.penalties[0], uniform_loss(run)
    if penalty < STRONG * uniform:
        return None
    used = " and ".join(f"{name} of {value:g}" for name, value in (("L1", run.l1), ("L2", run.l2)) if value)
    return Finding(
        id="M3",
        cause=2,
        title="over-regularized",
        sentence=(
            f"{used} made penalties on the weights of {penalty:.3g} before the first step, while uniform probabilities "
            f"give a loss of {uniform:.3g}, and training images are left unfitted: {run.train_accuracy:.1%} of the "
            f"training and {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence=_evidence(run) | {"train_accuracy": run.train_accuracy, "validation_accuracy": run.val_accuracy},
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=_repair(run, min(LOWER, MODEST * uniform / penalty)),
        alternatives=("T3", "M1"),
    )


def _evidence(run: RunEvidence) -> dict[str, float]:
    return {
        "beats_majority": float(beats_majority(run.evaluation)),
        "penalty_untrained": run.history.penalties[0],
        "penalty_at_end": run.history.penalties[-1],
        "loss_knowing_nothing": uniform_loss(run),
        "l1": run.l1,
        "l2": run.l2,
    }


def _repair(run: RunEvidence, factor: float) -> str:
    """Return the settings that multiply the penalties by about `factor`, each with one digit."""
    used = {name: value for name, value in (("l1", run.l1), ("l2", run.l2)) if value > 0}
    return " ".join(f"regularization.{name}={_one_digit(value * factor):g}" for name, value in used.items())


def _one_digit(value: float) -> float:
    return round(value, -math.floor(math.log10(value)))
