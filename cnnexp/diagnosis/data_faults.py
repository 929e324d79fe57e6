"""Which issues of the data check are faults, whatever is trained on the data.

The others stay remarks about the data: an image far from the rest, names that may be those of groups, or a split of
another brightness do no harm by themselves. Where they do, a finding says so by the numbers of the run.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from cnnexp.records import DataImage, DataIssue, DataReport, Finding

MOST_FILES = 50
TRAIN = "train"
# How many images an issue must concern. Fewer than two in a hundred leaked or contradicting images change a score by
# less than two points, the least that counts; a class is unlike the others from a tenth of repeated images.
LEAST_SHARE = 0.02
LEAST_REPEATED = 0.1

Groups = Sequence[Sequence[DataImage]]


def faults_of(report: DataReport) -> Iterator[Finding]:
    """Yield a finding for each issue that is a fault."""
    for issue in report.issues:
        confidence = CONFIDENCE.get(issue.id)
        if confidence is not None and _MATTERS.get(issue.id, _always)(issue, report):
            yield Finding(
                id=issue.id,
                cause=1,
                title=issue.title,
                sentence=issue.sentence,
                evidence=issue.evidence,
                confidence=confidence,
                repair=issue.repair,
                files=tuple(dict.fromkeys(image.file for group in issue.groups for image in group))[:MOST_FILES],
            )


# Limits of the check exclude chance; what they leave open is whether the images were meant to be like that.
CONFIDENCE: Mapping[str, float] = {"D1": 0.95, "D4": 0.6, "S1": 0.9, "S2": 0.9, "S3": 0.85, "L1": 0.85, "L4": 0.85}


def _always(issue: DataIssue, report: DataReport) -> bool:
    return True


def _is_leaked(issue: DataIssue, report: DataReport) -> bool:
    """Return whether a split other than train repeats enough of another."""
    leaked = Counter(image.split for group in issue.groups for image in group if image.split not in ("", TRAIN))
    return any(count >= LEAST_SHARE * sum(report.class_counts[split]) for split, count in leaked.items())


def _is_contradicted(issue: DataIssue, report: DataReport) -> bool:
    return sum(map(len, issue.groups)) >= LEAST_SHARE * report.images


def _is_uneven(issue: DataIssue, report: DataReport) -> bool:
    """Return whether a class repeats many of its images without being one that is smaller than others without them."""
    counts = np.array(report.class_counts[TRAIN])
    repeated = Counter(group[0].label for group in issue.groups for _ in group[1:] if group[0].split == TRAIN)
    extra = np.array([repeated[name] for name in report.class_names])
    return bool(
        ((extra >= LEAST_REPEATED * np.maximum(counts, 1)) & (counts - extra >= np.median(counts - extra))).any()
    )


def _divides(issue: DataIssue, report: DataReport) -> bool:
    """Return whether the groups are known, and not only guessed by names."""
    return "groups" in issue.evidence and issue.title != "perhaps groups"


def _is_renamed(issue: DataIssue, report: DataReport) -> bool:
    return issue.title == "class named differently"


_MATTERS: Mapping[str, Callable[[DataIssue, DataReport], bool]] = {
    "D4": _is_uneven,
    "S1": _is_leaked,
    "S2": _divides,
    "L1": _is_contradicted,
    "L4": _is_renamed,
}
