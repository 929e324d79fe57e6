"""Cause 1c, preprocessing: does augmentation turn training images into something that no image to judge looks like?"""

import re

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.neighbours import share_answered
from cnnexp.diagnosis.training_course import has_learned_little, is_unfitted
from cnnexp.diagnosis.unlearned import learned_too_little
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES

# Degrees. Recipes for photographs turn by 10 to 30; from about a quarter turn on, a 6 is a 9 and a shoe stands on end.
WIDE = 60.0
# Of the way from chance to what nearest neighbours answer of validation images, that is left once these are turned. Of
# digits, Fashion-MNIST 0 to 4 and CIFAR-10 airplane to deer 0.0 to 0.3; of what has no upper side all of it.
LEFT = 0.5
FEWEST = 60  # images of each
_CHANGED = ("basic", "strong", "mix")  # options in which the angle was set; the usual changes of images do no harm


def detect_breaking_augmentation(run: RunEvidence) -> Finding | None:
    """Report P8 when a network that learned too little got training images that were turned by any angle."""
    found = re.search(r"\brotation ([\d.]+)", run.augmentation)
    if found is None or float(found[1]) < WIDE:
        return None
    if not is_unfitted(run) or not (learned_too_little(run) or has_learned_little(run) or _stand_upright(run)):
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
        repair=f"augmentation={'basic' if run.augmentation_group in _CHANGED else 'none'}",
        alternatives=("M1", "T3"),
    )


def _stand_upright(run: RunEvidence) -> bool:
    """Return whether images have an upper side, so that none to judge is turned: their neighbours would not know it."""
    samples = run.samples("train", "validation")
    if samples is None or min(len(one.labels) for one in samples) < FEWEST:
        return False
    train, asked = samples
    chance = float(np.bincount(asked.labels).max() / len(asked.labels))
    plain, turned = (
        share_answered(train.images, train.labels, images, asked.labels)
        for images in (asked.images, asked.images[:, ::-1, ::-1])
    )
    return plain > chance and turned - chance < LEFT * (plain - chance)
