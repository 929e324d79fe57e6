"""Cause 3, the training method: an optimizer that the user brought, of a network that learned too little.

Which rate suits it, nobody knows, and whether its steps go down, neither. Where the network is below what nearest
neighbours answer, or most of its loss is left, it is what differs from all usual runs.
"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.training_course import MANY_EPOCHS, has_learned_little, is_unfitted, largest_rise, training_losses
from cnnexp.diagnosis.unlearned import learned_too_little, scores
from cnnexp.diagnosis.unusual_rate import USUAL_RATES
from cnnexp.records import Finding


def detect_own_optimizer(run: RunEvidence) -> Finding | None:
    """Report T8 when a network learned too little by an optimizer that is none of ours."""
    if run.optimizer in ("", *USUAL_RATES) or len(run.history.epochs) < MANY_EPOCHS or not is_unfitted(run):
        return None
    if not (learned_too_little(run) or has_learned_little(run)):
        return None
    losses = training_losses(run)
    return Finding(
        id="T8",
        cause=3,
        title="an optimizer of your own",
        sentence=(
            f"The network learned too little by {run.optimizer}, which is an optimizer of your own: its training loss "
            f"went from {losses[0]:.3g} to {losses[-1]:.3g}, and rose by up to {largest_rise(losses):.2g} in between. "
            f"{run.train_accuracy:.1%} of the training and {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={"first_loss": losses[0], "last_loss": losses[-1], "largest_rise": largest_rise(losses)} | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair="optimizer=adam, to see whether it is the optimizer; then look at the direction and size of its steps",
        alternatives=("T1", "T2"),
    )
