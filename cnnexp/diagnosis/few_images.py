"""Cause 1a, the data: are there enough training images?"""

from cnnexp.diagnosis.evidence import RunEvidence, Z
from cnnexp.records import Finding

# Accuracy that nearest neighbours lose with half of the training images. Of sets of a thousand images and more it is
# 0.03 at most, of a twentieth of them 0.16 and 0.29 (digits, Fashion-MNIST).
LEAST_RISE = 0.08
SURE_RISE = 0.02  # low end of its 99 % interval
GOOD = 0.95  # validation accuracy from which more images matter little
CONFIDENCE = 0.8


def detect_few_images(run: RunEvidence) -> Finding | None:
    """Report D5 when half of the training images would be answered far worse, so that twice as many would help."""
    near = run.neighbours
    if near is None or run.val_accuracy >= GOOD:
        return None
    low, high = near.rise - Z * near.rise_error, near.rise + Z * near.rise_error
    if near.rise < LEAST_RISE or low < SURE_RISE:
        return None
    classes = sum(count > 0 for count in run.class_counts["train"])
    return Finding(
        id="D5",
        cause=1,
        title="too few images",
        sentence=(
            f"There are too few training images, {run.train_images:,} of {classes} classes: with half of them, their "
            f"nearest neighbours would answer {100 * near.rise:.1f} points fewer correctly (99 % interval "
            f"{100 * low:.1f} to {100 * high:.1f}), so twice as many should bring about as much."
        ),
        evidence={
            "training_images": run.train_images,
            "rise": near.rise,
            "rise_low": low,
            "rise_high": high,
            "validation_accuracy": run.val_accuracy,
        },
        confidence=CONFIDENCE,
        repair="collect at least twice as many images; until then, augment or start from a pretrained network",
        alternatives=("T3",),
    )
