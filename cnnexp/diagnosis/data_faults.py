"""Which issues of the data check are faults, whatever is trained on the data.

The others stay remarks about the data: an image far from the rest, names that may be those of groups, or a split of
another brightness do no harm by themselves. Where they do, a finding says so by the numbers of the run.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.possible_groups import GUESSED
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.records import DataImage, DataIssue, DataReport, Finding

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

Groups = Sequence[Sequence[DataImage]]


def faults_of(report: DataReport) -> Iterator[Finding]:
    """Yield a finding for each issue that is a fault."""
    for issue in report.issues:
        if issue.id in _MATTERS and _MATTERS[issue.id](issue, report):
            yield Finding(
                id=issue.id,
                cause=1,
                title=issue.title,
                sentence=issue.sentence,
                evidence=issue.evidence,
                confidence=confidence_by(Basis.FILES),
                basis=Basis.FILES,
                repair=issue.repair,
                files=tuple(dict.fromkeys(image.file for group in issue.groups for image in group))[:MOST_FILES],
            )


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

    Where nearly all images of a class come again, it was meant to count more.
    """
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
    if not issue.title.startswith(SHARES):
        return True
    counts = np.array([report.class_counts[split] for split in (TRAIN, issue.title.removeprefix(SHARES).split()[0])])
    for copied in (one for one in report.issues if one.id == "D4"):
        counts[0] -= _copies(copied, report)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return bool(0.5 * np.abs(shares[0] - shares[1]).sum() >= LEAST_MOVED)


def _divides(issue: DataIssue, report: DataReport) -> bool:
    """Return whether the groups are known, and not only guessed by names."""
    return "groups" in issue.evidence and issue.title != GUESSED


def _is_renamed(issue: DataIssue, report: DataReport) -> bool:
    return issue.title == "class named differently"


_MATTERS: Mapping[str, Callable[[DataIssue, DataReport], bool]] = {
    "D1": _always,
    "D4": _is_uneven,
    "S1": _is_leaked,
    "S2": _divides,
    "S3": _is_unstratified,
    "L1": _is_contradicted,
    "L4": _is_renamed,
}
