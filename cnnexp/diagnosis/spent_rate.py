"""Cause 3, the training method: did the schedule leave a usable learning rate for long enough?"""

from collections.abc import Sequence

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.training_course import has_learned_little, is_unfitted, training_losses, validation_losses
from cnnexp.diagnosis.unlearned import learned_too_little, scores
from cnnexp.records import Finding

SPENT = 0.1  # of the highest rate: below, nothing is learned any more
SPENT_EARLY = 1 / 3  # share of the epochs as planned, where recipes of three stages begin the second
WAITED = 2  # epochs without a lower validation loss, after which a rate is lowered because of that
# Fall of the training loss from then on, by its last value: 0.00 to 0.04 in 17 trainings of development whose rate fell
# to a fifth or a half in each epoch. Where it was too high at first, what is left of it still serves.
LITTLE_SINCE = 0.15


def detect_spent_rate(run: RunEvidence) -> Finding | None:
    """Report T8 when the schedule had lowered the rate to next to nothing before the network had learned.

    It learned too little, or its training loss stood still from then on while training images were left to fit.
    """
    rates = [epoch.learning_rate for epoch in run.history.epochs]
    spent = 1 + max(place for place, rate in enumerate(rates) if rate >= SPENT * max(rates))  # from then on it is lower
    if spent == len(rates) or spent >= SPENT_EARLY * run.epochs or _waited(run, rates):
        return None
    losses = training_losses(run)
    before, after = float(losses[spent]), float(losses[-1])
    stood_still = is_unfitted(run) and before - after <= LITTLE_SINCE * after
    if not (stood_still or learned_too_little(run) or has_learned_little(run)):
        return None
    return Finding(
        id="T8",
        cause=3,
        title="the learning rate fell too early",
        sentence=(
            f"The schedule lowered the learning rate from {run.learning_rate:g} to {rates[spent]:.2g} by the end of "
            f"epoch {spent + 1} of {len(rates)}, before the network had learned enough: since then the training loss "
            f"went from {before:.3g} to {after:.3g}. {run.train_accuracy:.1%} of the training and "
            f"{run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={
            "highest_rate": max(rates),
            "last_rate": rates[-1],
            "epoch_of_a_tenth": spent + 1,
            "training_loss_then": before,
            "training_loss_at_end": after,
        }
        | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair="schedule=constant",
        alternatives=("T2", "T3"),
    )


def _waited(run: RunEvidence, rates: Sequence[float]) -> bool:
    """Return whether the rate was first lowered when validation had not improved for some epochs."""
    lowered = next(place for place, rate in enumerate(rates) if rate < max(rates[: place + 1]))
    return bool(lowered - 1 - validation_losses(run)[:lowered].argmin() >= WAITED)
