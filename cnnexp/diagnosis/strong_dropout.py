"""Cause 2, the fit: does dropout leave the network anything to learn with?"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, beats_majority
from cnnexp.diagnosis.training_course import is_unfitted
from cnnexp.records import Finding

STRONG = 0.75  # of the units; Srivastava et al. 2014 find 0.4 to 0.8 kept best, and a fifth kept far worse
ADVISED = 0.3  # near the usual 0.2 to 0.5


def detect_strong_dropout(run: RunEvidence) -> Finding | None:
    """Report M3 when a network that lost most of its units in every step left training images unfitted."""
    if run.dropout < STRONG or not is_unfitted(run):
        return None
    return Finding(
        id="M3",
        cause=2,
        title="over-regularized",
        sentence=(
            f"Dropout took {run.dropout:.0%} of the units away in every step, and the network learned too little: "
            f"{run.train_accuracy:.1%} of the training and {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={
            "beats_majority": float(beats_majority(run.evaluation)),
            "dropout": run.dropout,
            "validation_accuracy": run.val_accuracy,
            "train_accuracy": run.train_accuracy,
        },
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"regularization.dropout={ADVISED:g}",
        alternatives=("T3", "M1"),
    )
