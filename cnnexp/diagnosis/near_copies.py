"""Cause 1d, the split: are images that are judged far nearer to one of train than to all others, as its copies are?

Distances to the nearest images of a data set grow as their number to the power of 1 / D, in D dimensions that images
vary in (Levina & Bickel 2004). So the distances to the 20th and the 60th nearest image say how near the first one may
be by chance. A copy, dimmed, mirrored or noisy, is far nearer, and the next image is as far away as any. Where training
images have copies among themselves as well, these are versions of one object. It needs no names, and that all images
have versions hides nothing.
"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, exact_interval
from cnnexp.records import Finding

# Share of the images that have a copy in train. Of digits, Fashion-MNIST 0 to 4 and CIFAR-10 airplane to deer, drawn 60
# times, it is 0.004 at most, of drawn shapes without any noise 0.06; of copied and mirrored images what was copied.
LEAST_SHARE, SURELY = 0.08, 0.02  # and the low end of its 99 % interval
AS_IN_TRAIN = 0.4  # of that share, that training images have among themselves where they are versions of one object


def detect_near_copies(run: RunEvidence) -> Finding | None:
    """Report S2 where validation and test images have copies in train, as these have among themselves, or else S1."""
    found = None if run.neighbours is None else run.neighbours.copies
    if found is None:
        return None
    plain, mirrored = found.near.mean(), found.mirrored.mean()
    share = float(max(plain, mirrored))
    low, high = (float(bound) for bound in exact_interval(share, len(found.near)))
    if share < LEAST_SHARE or low < SURELY:
        return None
    if plain < LEAST_SHARE:
        return _finding("S1", "mirrored copies on two sides of a split", "a mirrored copy", share, low, high)
    if found.among_train >= AS_IN_TRAIN * plain:
        return _finding("S2", "versions of one object on two sides of a split", "several versions", share, low, high)
    if any(issue.id == "S1" for issue in (run.report.issues if run.report is not None else ())):
        return None  # the data check has their files
    return _finding("S1", "near copies on two sides of a split", "a near copy", share, low, high)


def _finding(fault: str, title: str, what: str, share: float, low: float, high: float) -> Finding:
    by_group = "split by object, patient or scene (data.group), so that all versions of one are on one side"
    return Finding(
        id=fault,
        cause=1,
        title=title,
        sentence=(
            f"{share:.0%} of the validation and test images (99 % interval {low:.0%} to {high:.0%}) have {what} in "
            "train: they are far nearer to it than images of this data set are to each other. The network has seen "
            "them, so that scores are better than on new ones."
        ),
        evidence={"share": share, "share_low": low, "share_high": high},
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair=by_group if fault == "S2" else "keep each image, with its copies, on one side of the split",
        alternatives=("S1",) if fault == "S2" else ("S2",),
    )
