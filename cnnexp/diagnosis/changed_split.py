"""Cause 1c, preprocessing: which change of its pixels makes a split worse than another?"""

from collections.abc import Sequence
from dataclasses import replace

from cnnexp.diagnosis.between_splits import LEAST_RISE, NamedChange, Sample, name_change
from cnnexp.diagnosis.changed_share import ChangedShare, find_changed_share
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunImages, SplitsEvidence
from cnnexp.diagnosis.partly_changed import PartlyChanged, name_partial_change
from cnnexp.diagnosis.split_gap import Gap, differing_split, is_train_apart, unlike_train, worse_split
from cnnexp.diagnosis.spoilt_part import find_spoilt_part, spoilt_finding
from cnnexp.records import Finding

# What maps levels on levels in the same way, whatever it was meant to be.
SAME_MAP = {"P9": ("P3", "P4"), "P4": ("P9", "P3")}


def detect_changed_split(run: SplitsEvidence) -> Finding | None:
    """Report the change of pixels that explains why one split is below another.

    Asked where a split is far below, or three points below or its images differ: undoing a change is tested image
    by image, which excludes chance where the accuracies of two small splits do not. And where validation is far below
    train, or all other splits are unlike it: over-fitting looks the same, but no change of pixels repairs it.
    """
    far = worse_split(run)
    if far is not None:
        return _between(far, run)
    # What train is unlike explains more than what may be chance; then the others are not compared with each other.
    train = unlike_train(run)
    found = None if train is None else _between(train, run)
    slight = None if found is not None or is_train_apart(run) else differing_split(run)
    return found if slight is None else _between(slight, run)


def changes_not_tried(run: SplitsEvidence) -> str | None:
    """Return why no change of pixels was tried although a split is below another; None if it was, or none is."""
    if run.images is None or run.images.is_quick():
        return None
    gap = worse_split(run) or unlike_train(run)
    if gap is None:
        return None
    return (
        f"No change of pixels was tried to explain that {gap.worse} is below {gap.better}: images and network are so "
        "large that it takes long; cnnexp diagnose RUN does it."
    )


def _between(found: Gap, run: SplitsEvidence) -> Finding | None:
    """Return the finding of what explains a gap of two splits, with which of them is the odd one out."""
    said = _explained(found, run)
    return None if said is None else replace(said, evidence={**said.evidence, **found.place})


def _explained(found: Gap, run: SplitsEvidence) -> Finding | None:
    samples = run.samples(found.better, found.worse)
    if samples is None or run.images is None:
        return None
    better, worse = samples
    change = name_change(
        better=better,
        worse=worse,
        predict=run.images.predict,
        seed=run.seed,
        probabilities=run.images.probabilities,
        learned=found.better == "train",
    )
    # Where test is no better than validation, train is the odd one out.
    title = "validation and test" if found.better == "train" else found.worse
    if change is not None and (not change.candidate.numbers or found.better == "train"):
        return _finding(title, found.better, change)
    if found.better == "train":
        return None
    # Levels that were fitted, or detail that is lost, come near to what only a part suffered.
    part = name_partial_change(
        better=better,
        worse=worse,
        predict=run.images.predict,
        seed=run.seed,
        probabilities=run.images.probabilities,
    )
    if part is not None and (change is None or _is_better(part, change)):
        return _finding_of_a_part(found.worse, found.better, part, run.class_names)
    if change is not None:
        return _finding(title, found.better, change)
    return _of_some(found, better, worse, run.images, run.seed)


def _is_better(part: PartlyChanged, whole: NamedChange) -> bool:
    """Return whether undoing a change on a part brings back more than what was fitted to all images does."""
    return not whole.candidate.undoes or part.after >= whole.after + LEAST_RISE


def _of_some(found: Gap, better: Sample, worse: Sample, images: RunImages, seed: int) -> Finding | None:
    """Return the finding of what a share of the worse split suffered, or how a part of it is spoilt."""
    share = find_changed_share(better=better, worse=worse, predict=images.predict, seed=seed)
    if share is not None:
        return _finding_of_a_share(found.worse, found.better, share)
    spoilt = find_spoilt_part(clean=better.images, asked=worse.images)
    if spoilt is None:
        return None
    return spoilt_finding(spoilt, found.worse, found.better, right=images.predict(worse.images) == worse.labels)


def _finding(worse: str, better: str, change: NamedChange) -> Finding:
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
            f"With {candidate.how}, {change.after:.1%} of the {better} images are right instead of "
            f"{change.better:.1%}; of the {worse} images {change.before:.1%} are"
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
        },
        confidence=confidence_by(basis),
        basis=basis,
        repair=f"{worse}: {candidate.repair}",
        alternatives=tuple(dict.fromkeys((*change.others, *SAME_MAP.get(candidate.id, ())))),
    )


def _finding_of_a_part(worse: str, better: str, part: PartlyChanged, class_names: Sequence[str]) -> Finding:
    candidate = part.candidate
    if part.of_class is not None:
        seen = (
            f"The {worse} images of {class_names[part.of_class]} are answered far worse than those of {better}, and "
            f"rightly with {candidate.how}; of other images that makes none of that class."
        )
        return _of_a_part(part, worse, seen)
    if part.by_sureness:
        seen = (
            f"Where each of the {worse} images is answered as it is or with {candidate.how}, whichever the network is "
            f"surer of, {part.share:.0%} are answered otherwise than they are; of the {better} images that makes none "
            "right."
        )
        return _of_a_part(part, worse, seen)
    if part.told_apart is None:
        seen = (
            f"{part.share:.0%} of the {worse} images are answered wrongly, and nearly all of these rightly with "
            f"{candidate.how}; hard images or wrong labels would stay wrong."
        )
    else:
        seen = (
            f"{part.share:.0%} of the {worse} images look {candidate.title}, by their pixels beside those of {better}, "
            f"which tell {part.told_apart:.0%} of such images rightly."
        )
    return _of_a_part(part, worse, f"{seen} With {candidate.how} for these alone:")


def _of_a_part(part: PartlyChanged, worse: str, seen: str) -> Finding:
    candidate = part.candidate
    return Finding(
        id=candidate.id,
        cause=1,
        title=f"a part of {worse} is {candidate.title}",
        sentence=(
            f"{seen} {part.after:.1%} of all {worse} images are then answered right instead of {part.before:.1%}."
        ),
        evidence={
            "share": part.share,
            "accuracy": part.before,
            "accuracy_undone": part.after,
            **({} if part.told_apart is None else {"told_apart": part.told_apart}),
        },
        confidence=confidence_by(Basis.UNDONE),
        basis=Basis.UNDONE,
        repair=f"{worse}: {candidate.repair}, where it is so; find out which source these images came from",
        alternatives=SAME_MAP.get(candidate.id, ()),
    )


def _finding_of_a_share(worse: str, better: str, found: ChangedShare) -> Finding:
    candidate = found.candidate
    return Finding(
        id=candidate.id,
        cause=1,
        title=f"a part of {worse} is {candidate.title}",
        sentence=(
            f"By their pixels, {found.share:.0%} of the {worse} images (99 % interval {found.low:.0%} to "
            f"{found.high:.0%}) are {candidate.title}: where as many of the {better} images are made so, both are "
            f"alike (the distance of their pixels falls from {found.distance_before:.2f} to "
            f"{found.distance_after:.2f}), "
            f"and {found.made:.1%} of these are answered right instead of {found.plain:.1%}, as {found.before:.1%} of "
            f"the {worse} images are."
        ),
        evidence={
            "share": found.share,
            "share_low": found.low,
            "share_high": found.high,
            "accuracy": found.before,
            f"accuracy_of_{better}": found.plain,
            "accuracy_reproduced": found.made,
            "distance_of_pixels": found.distance_before,
            "distance_reproduced": found.distance_after,
        },
        confidence=confidence_by(Basis.REPRODUCED),
        basis=Basis.REPRODUCED,
        repair=f"{worse}: {candidate.repair}, where it is so; find out which source these images came from",
        alternatives=SAME_MAP.get(candidate.id, ()),
    )
