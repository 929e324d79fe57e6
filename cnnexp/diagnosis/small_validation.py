"""Cause 1d, the split: are there enough validation images to choose an epoch by?"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, exact_interval
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES
from cnnexp.system.text import plural

FEWEST = 30  # images: of fewer, the 99 % interval of an accuracy of 0.9 is wider than 0.3


def detect_small_validation(run: RunEvidence) -> Finding | None:
    """Report S5 when validation has so few images that its accuracy says next to nothing."""
    if not 0 < run.val_images < FEWEST:
        return None
    low, high = (float(bound) for bound in exact_interval(run.val_accuracy, run.val_images))
    return Finding(
        id="S5",
        cause=1,
        title=NAMES["S5"],
        sentence=(
            f"Validation has {plural(run.val_images, 'image')}, by which the best epoch was chosen. "
            f"{run.val_accuracy:.1%} of them are right, which could be anything from {low:.0%} to {high:.0%} (99 % "
            "interval)."
        ),
        evidence={"validation_images": run.val_images, "accuracy_low": low, "accuracy_high": high},
        confidence=confidence_by(Basis.FILES),
        basis=Basis.FILES,
        repair="hold out at least 100 images (data.validation), or let all images judge by turns: data.folds=5",
    )
