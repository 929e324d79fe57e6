"""Cause 1d, the split: are there enough validation images to choose an epoch by, and are they not those of the test?"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, exact_interval
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES
from cnnexp.system.text import plural

FEWEST = 30  # images: of fewer, the 99 % interval of an accuracy of 0.9 is wider than 0.3
SAME = 0.5  # share of the validation images that are test images, from which it is no leak of some but one split twice
IS_TEST = "validation_images_in_test"  # evidence that explains the leak


def detect_small_validation(run: RunEvidence) -> Finding | None:
    """Report S5 when validation has so few images that its accuracy says next to nothing, or when it is the test."""
    if not 0 < run.val_images < FEWEST:
        return _is_the_test(run)
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


def _is_the_test(run: RunEvidence) -> Finding | None:
    leaks = [issue for issue in (run.report.issues if run.report is not None else ()) if issue.id == "S1"]
    found = [
        sum(image.split == "validation" for image in group)
        for issue in leaks
        for group in issue.groups
        if {image.split for image in group} >= {"validation", "test"} and all(image.split != "train" for image in group)
    ]
    share = sum(found) / max(run.val_images, 1)
    if share < SAME:
        return None
    return Finding(
        id="S5",
        cause=1,
        title="validation is used as the test",
        sentence=(
            f"{share:.0%} of the validation images are test images, too: the epoch was chosen by the images that judge "
            "it, so that nothing says how good it is on others."
        ),
        evidence={IS_TEST: sum(found), "share": share},
        confidence=confidence_by(Basis.FILES),
        basis=Basis.FILES,
        repair="divide the images between the two, or let cnnexp make the splits",
    )
