"""Which issues of the data check are faults, whatever is trained on the data.

The others stay remarks about the data: an image far from the rest, names that may be those of groups, or a split of
another brightness do no harm by themselves. Where they do, a finding says so by the numbers of the run.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.non_iid import RARE
from cnnexp.data_check.placeholders import OF_ONE_COLOUR, ONE_PICTURE
from cnnexp.data_check.possible_groups import GUESSED
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.split_gap import OF_TRAIN, OF_VALIDATION
from cnnexp.records import SPLIT_NAMES, DataImage, DataIssue, DataReport, Finding

MOST_FILES = 50  # that a finding lists
TRAIN = "train"
# How many images an issue must concern. Fewer than two in a hundred leaked or contradicting images change a score by
# less than two points, the least that counts; a class is unlike the others from a tenth of repeated images.
LEAST_SHARE = 0.02
FEWEST_NEAR = 3  # images that are nearly those of another split, where none is quite: of small images, two are chance
LEAST_REPEATED = 0.1
OVERSAMPLED = 0.9  # share of the images of a class that come again
LEAST_MOVED = 0.1  # share of a split that would have to change class; of stratified splits of hundreds it is 0.03
SHARES = "class shares of "  # how the title of that issue begins
MOST_LEFT_OUT = 0.5  # share of a split that other checks do without
# Of images on two sides, for each that is not of train: training images beside the first of their own. Of two versions
# each of objects, half of which are of train, 0.3, of three 0.4; of copies of test images in train 0.
AMONG_TRAIN, MOST_EXACT = 0.2, 0.25
REPEATED = "duplicates"  # title of the issue
PLACEHOLDERS = (OF_ONE_COLOUR, ONE_PICTURE)

Groups = Sequence[Sequence[DataImage]]


def faults_of(report: DataReport) -> Iterator[Finding]:
    """Yield a finding for each issue that is a fault."""
    for issue in report.issues:
        if issue.id == "S1" and _is_leaked(issue, report) and _are_versions(issue, report):
            yield _of_versions(issue)
        elif issue.id in _MATTERS and _MATTERS[issue.id](issue, report):
            yield Finding(
                id=issue.id,
                cause=1,
                title=issue.title,
                sentence=issue.sentence,
                evidence={**issue.evidence, **_places(issue)},
                confidence=confidence_by(Basis.FILES),
                basis=Basis.FILES,
                repair=issue.repair,
                files=_files(issue),
            )


def _files(issue: DataIssue) -> tuple[str, ...]:
    return tuple(dict.fromkeys(image.file for group in issue.groups for image in group))[:MOST_FILES]


def _are_versions(issue: DataIssue, report: DataReport) -> bool:
    """Return whether training images are nearly the same among themselves, too, as where objects have versions.

    Copies of test images, which were altered, and added to train, are not; nor are equal ones versions of anything.
    """
    exact, near = (float(issue.evidence.get(name, 0)) for name in ("exact", "near"))
    if not near or exact > MOST_EXACT * near:
        return False
    groups = [*issue.groups, *(group for one in report.issues if one.title == REPEATED for group in one.groups)]
    of_train = [sum(image.split == TRAIN for image in group) for group in groups]
    across = sum(image.split != TRAIN for group in issue.groups for image in group)
    return sum(max(0, count - 1) for count in of_train) >= AMONG_TRAIN * across


def _of_versions(issue: DataIssue) -> Finding:
    return Finding(
        id="S2",
        cause=1,
        title="versions of one object on two sides of a split",
        sentence=f"{issue.sentence} Training images are so among themselves, too: these are versions of one object.",
        evidence=issue.evidence,
        confidence=confidence_by(Basis.FILES),
        basis=Basis.FILES,
        repair="split by object, patient or scene (data.group), so that all versions of one are on one side",
        alternatives=("S1",),
        files=_files(issue),
    )


def placeholders(report: DataReport) -> frozenset[int]:
    """Return the rows of images that show nothing of what they are labelled as; none where a split has little else."""
    issues = [issue for issue in report.issues if issue.title in PLACEHOLDERS]
    left_out = [sum(float(one.evidence.get(f"share of {split}", 0)) for one in issues) for split in SPLIT_NAMES]
    if max(left_out) > MOST_LEFT_OUT:
        return frozenset()
    return frozenset(image.row for issue in issues for group in issue.groups for image in group)


def _places(issue: DataIssue) -> dict[str, float]:
    """Return the evidence that train or validation has images that show nothing."""
    shares = {OF_TRAIN: "share of train", OF_VALIDATION: "share of validation"}
    named = shares if issue.title in PLACEHOLDERS else {}
    return {place: float(issue.evidence[share]) for place, share in named.items() if share in issue.evidence}


def _always(issue: DataIssue, report: DataReport) -> bool:
    return True


def _is_leaked(issue: DataIssue, report: DataReport) -> bool:
    """Return whether a split other than train repeats enough of another."""
    leaked = Counter(image.split for group in issue.groups for image in group if image.split not in ("", TRAIN))
    fewest = 1 if issue.evidence.get("exact", 0) else FEWEST_NEAR
    return any(count >= max(fewest, LEAST_SHARE * sum(report.class_counts[split])) for split, count in leaked.items())


def _is_contradicted(issue: DataIssue, report: DataReport) -> bool:
    return sum(map(len, issue.groups)) >= LEAST_SHARE * report.images


def _is_uneven(issue: DataIssue, report: DataReport) -> bool:
    """Return whether a class repeats many of its images without being one that is smaller than others without them.

    Where nearly all images of a class come again, it was meant to count more. Or whether one picture is there in place
    of many.
    """
    if issue.title == ONE_PICTURE:
        return True
    counts, extra = np.array(report.class_counts[TRAIN]), _copies(issue, report)
    own = counts - extra
    come_again = Counter(group[0].label for group in issue.groups if group[0].split == TRAIN)
    meant = np.array([come_again[name] for name in report.class_names]) >= OVERSAMPLED * np.maximum(own, 1)
    return bool(((extra >= LEAST_REPEATED * np.maximum(counts, 1)) & (own >= np.median(own)) & ~meant).any())


def _copies(issue: DataIssue, report: DataReport) -> NDArray[np.int64]:
    """Return how many training images of each class repeat another one."""
    repeated = Counter(group[0].label for group in issue.groups for _ in group[1:] if group[0].split == TRAIN)
    return np.array([repeated[name] for name in report.class_names])


def _is_unstratified(issue: DataIssue, report: DataReport) -> bool:
    """Return whether a class is missing, or shares of classes differ not only by copies that were added to train."""
    if not issue.title.startswith(SHARES) or RARE in issue.evidence:
        return True
    counts = np.array([report.class_counts[split] for split in (TRAIN, issue.title.removeprefix(SHARES).split()[0])])
    for copied in (one for one in report.issues if one.id == "D4" and one.title != ONE_PICTURE):
        counts[0] -= _copies(copied, report)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return bool(0.5 * np.abs(shares[0] - shares[1]).sum() >= LEAST_MOVED)


def _divides(issue: DataIssue, report: DataReport) -> bool:
    """Return whether the groups are known, and not only guessed by names."""
    return "groups" in issue.evidence and issue.title != GUESSED


def _shows_nothing(issue: DataIssue, report: DataReport) -> bool:
    return issue.title == OF_ONE_COLOUR


def _is_renamed(issue: DataIssue, report: DataReport) -> bool:
    return issue.title == "class named differently"


_MATTERS: Mapping[str, Callable[[DataIssue, DataReport], bool]] = {
    "D1": _always,
    "D2": _shows_nothing,
    "D4": _is_uneven,
    "S1": _is_leaked,
    "S2": _divides,
    "S3": _is_unstratified,
    "L1": _is_contradicted,
    "L4": _is_renamed,
}
