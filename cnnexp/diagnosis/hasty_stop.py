"""Cause 3, the training method: did early stopping end a training that was still learning?

Validation losses go up and down by chance. A patience of an epoch or two takes the first of these for the end.
"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.overfitting import accuracy_gap
from cnnexp.diagnosis.training_course import STOOD_STILL, fall_at_end, is_unfitted, last_quarter, training_losses
from cnnexp.diagnosis.unlearned import scores
from cnnexp.records import Finding
from cnnexp.system.text import plural

IMPATIENT = 2  # epochs that were no better; usual are 5 to 20
GAP = 0.05  # of train over validation accuracy, from which it may be over-fitting
EARLY = 1 / 2  # of the epochs that were asked for
USUAL_PATIENCE = 8  # that of conf/training/default.yaml


def detect_hasty_stop(run: RunEvidence) -> Finding | None:
    """Report T3 when an epoch or two that were no better ended a training whose loss still fell.

    Not where training images are answered better than validation images already: then it may be over-fitting.
    """
    epochs = len(run.history.epochs)
    if not run.history.stopped_early or run.patience is None or run.patience > IMPATIENT or epochs < 2:
        return None
    fall = fall_at_end(training_losses(run))
    if epochs > EARLY * run.epochs or fall <= STOOD_STILL or not is_unfitted(run):
        return None
    gap, _, _ = accuracy_gap(run)
    if gap >= GAP:
        return None
    return Finding(
        id="T3",
        cause=3,
        title="stopped too early",
        sentence=(
            f"Training stopped after {plural(epochs, 'epoch')} of {run.epochs}, because the validation loss was no "
            f"better in {plural(run.patience, 'epoch')}, as happens by chance: the training loss still fell by "
            f"{fall:.0%} over the last {plural(last_quarter(epochs), 'epoch')}. {run.train_accuracy:.1%} of the "
            f"training and {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={"epochs": epochs, "epochs_asked_for": run.epochs, "patience": run.patience, "fall_at_end": fall}
        | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"training.patience={USUAL_PATIENCE}",
        alternatives=("T2",),
    )
