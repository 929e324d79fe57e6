"""Cause 1c, preprocessing: which change of its pixels makes a split worse than another?"""

from cnnexp.diagnosis.between_splits import NamedChange, name_change
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.split_gap import OF_TRAIN, below_train, differing_split, is_train_apart, worse_split
from cnnexp.records import Finding

# What maps levels on levels in the same way, whatever it was meant to be.
SAME_MAP = {"P9": ("P3", "P4")}


def detect_changed_split(run: RunEvidence) -> Finding | None:
    """Report the change of pixels that explains why one split is below another.

    Asked where a split is far below, or below and its images differ by the data check: undoing a change is tested image
    by image, which excludes chance where the accuracies of two small splits do not. And where validation is far below
    train: over-fitting looks the same, but no change of pixels repairs it.
    """
    # Where train is unlike both others, these are not compared with each other.
    found = worse_split(run) or (None if is_train_apart(run) else differing_split(run)) or below_train(run)
    if found is None or run.images is None:
        return None
    change = name_change(
        better=run.images.sample(found.better),
        worse=run.images.sample(found.worse),
        predict=run.images.predict,
        seed=run.seed,
    )
    # Where test is no better than validation, train is the odd one out.
    worse = "validation and test" if found.better == "train" else found.worse
    return None if change is None else _finding(worse, found.better, change, gap=found.gap)


def _finding(worse: str, better: str, change: NamedChange, *, gap: float) -> Finding:
    candidate = change.candidate
    done = "undone" if candidate.undoes else "reproduced"
    verb = "are" if better == "train" else "is"
    basis = Basis.UNDONE if candidate.undoes else Basis.REPRODUCED
    if candidate.undoes:
        effect = (
            f"With {candidate.how}, {change.after:.1%} of its images are right instead of {change.before:.1%} (99 % "
            f"interval of the rise {100 * change.rise_low:.1f} to {100 * change.rise_high:.1f} points)"
        )
    else:
        effect = (
            f"With {candidate.how}, {change.after:.1%} of the {better} images are right, as {change.before:.1%} of the "
            f"{worse} images are"
        )
    return Finding(
        id=candidate.id,
        cause=1,
        title=f"{worse} {verb} {candidate.title}",
        sentence=(
            f"Compared with the {better} images, those of {worse} are {candidate.title}. {effect}, and the pixels of "
            f"both splits then agree: their distance falls from {change.distance_before:.2f} to "
            f"{change.distance_after:.2f}."
        ),
        evidence={
            "accuracy": change.before,
            f"accuracy_{done}": change.after,
            "rise_low": change.rise_low,
            "rise_high": change.rise_high,
            "distance_of_pixels": change.distance_before,
            f"distance_{done}": change.distance_after,
            **({OF_TRAIN: gap} if better == "train" else {}),
        },
        confidence=confidence_by(basis),
        basis=basis,
        repair=f"{worse}: {candidate.repair}",
        alternatives=tuple(dict.fromkeys((*change.others, *SAME_MAP.get(candidate.id, ())))),
    )
