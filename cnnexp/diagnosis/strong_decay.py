"""Cause 2, the fit: does weight decay leave the network anything to learn with?"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.training_course import is_unfitted
from cnnexp.diagnosis.unlearned import scores
from cnnexp.records import Finding

# Share of each weight that a step takes away, at the highest rate; 0.001 halves a weight in 700 steps. Recipes of
# vision transformers have up to 0.0003 (a rate of 0.001 times 0.3), the usual settings of AdamW here 0.000004.
STRONG = 0.0006
USUAL_DECAY = 0.004  # that of conf/optimizer/adamw.yaml


def detect_strong_decay(run: RunEvidence) -> Finding | None:
    """Report M3 when weights were decayed several times as fast as in any usual recipe, and images left unfitted."""
    share = run.weight_decay * max(epoch.learning_rate for epoch in run.history.epochs)
    if share < STRONG or not is_unfitted(run):
        return None
    return Finding(
        id="M3",
        cause=2,
        title="over-regularized",
        sentence=(
            f"At its learning rate, a weight decay of {run.weight_decay:g} takes {share:.2%} of each weight away in "
            f"every step, more than twice as much as any usual recipe. {run.train_accuracy:.1%} of the training "
            f"and {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={"weight_decay": run.weight_decay, "share_of_a_step": share} | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"optimizer.weight_decay={USUAL_DECAY:g}",
        alternatives=("T3", "M1"),
    )
