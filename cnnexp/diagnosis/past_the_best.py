"""Cause 3, the training method: were the weights kept of an epoch after the best one?"""

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval
from cnnexp.diagnosis.overfitting import loss_turn
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES

LEAST_DROP = 0.02  # of validation accuracy; less does not matter, as everywhere in this package
LEAST_DROP_TURNED = 0.01  # where the validation loss has also risen, steadily and by a tenth


def detect_past_the_best(run: RunEvidence) -> Finding | None:
    """Report T4 when the last weights were kept, and validation accuracy has fallen since the best epoch."""
    epochs, best = run.history.epochs, run.history.best_epoch
    if run.keep != "last" or len(epochs) - best < 3:
        return None
    around = [epoch.val_accuracy for epoch in epochs[max(best - 2, 0) : best + 1]]
    then, now = float(np.median(around)), float(np.median([epoch.val_accuracy for epoch in epochs[-3:]]))
    drop, low, high = combination_interval([1, -1], [then, now], [run.val_images, run.val_images])
    turn = loss_turn(run.history)
    if not (turn.turned and drop >= LEAST_DROP_TURNED) and not (drop >= LEAST_DROP and low > 0):
        return None
    return Finding(
        id="T4",
        cause=3,
        title=NAMES["T4"],
        sentence=(
            f"The weights of the last epoch were kept, and training had passed its best: around epoch {best} "
            f"{then:.1%} of the validation images were right, and {now:.1%} in the last epochs ({100 * drop:.1f} "
            f"points fewer, 99 % interval {100 * low:.1f} to {100 * high:.1f})."
        ),
        evidence={"best_epoch": best, "epochs": len(epochs), "drop": drop, "validation_loss_rise": turn.rise},
        confidence=confidence_by(Basis.CURVES),
        basis=Basis.CURVES,
        repair="training.keep=best",
        alternatives=("M2",),
    )
