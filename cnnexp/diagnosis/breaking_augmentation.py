"""Cause 1c, preprocessing: does augmentation turn training images into something that no image to judge looks like?"""

import re

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.training_course import has_learned_little, is_unfitted
from cnnexp.diagnosis.unlearned import learned_too_little
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES

# Degrees. Recipes for photographs turn by 10 to 30; from about a quarter turn on, a 6 is a 9 and a shoe stands on end.
WIDE = 60.0


def detect_breaking_augmentation(run: RunEvidence) -> Finding | None:
    """Report P8 when a network that learned too little got training images that were turned by any angle."""
    found = re.search(r"\brotation ([\d.]+)", run.augmentation)
    if found is None or float(found[1]) < WIDE:
        return None
    if not is_unfitted(run) or not (learned_too_little(run) or has_learned_little(run)):
        return None
    return Finding(
        id="P8",
        cause=1,
        title=NAMES["P8"],
        sentence=(
            f"Training images were turned by up to {float(found[1]):g}°, and the network learned too little of them: "
            f"{run.train_accuracy:.1%} of the training images are right as they are, {run.val_accuracy:.1%} of the "
            "validation images. What is turned so far may look like another class, and no image to judge is turned."
        ),
        evidence={
            "rotation": float(found[1]),
            "train_accuracy": run.train_accuracy,
            "validation_accuracy": run.val_accuracy,
        },
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair="augmentation=none",
        alternatives=("M1", "T3"),
    )
