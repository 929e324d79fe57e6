"""One look at everything: each check says what it finds, and most have nothing to say."""

from collections.abc import Iterator

from cnnexp.data_check import class_imbalance, duplicates, non_iid, outliers
from cnnexp.data_check.facts import Facts
from cnnexp.datasets import Survey
from cnnexp.records import SPLIT_NAMES, DataIssue, DataReport

CHECKS = (
    "unreadable files",
    "empty, missing and renamed classes, empty splits",
    "class sizes",
    "exact and near duplicates within classes, across classes and across splits",
    "size, aspect ratio, colour mode, brightness and sharpness of single images",
    "the same properties and the class shares between splits",
    "groups on two sides of a split",
)
DISPUTED = "labels against out-of-fold predictions"


def check(surveyed: Survey, *, few_images: int, uneven: float, labels: bool) -> DataReport:
    """Check a data set.

    Args:
        surveyed: the data set, decoded and split
        few_images: a class with fewer training images is reported
        uneven: a largest class of at least so many times the smallest is reported
        labels: also look for labels that out-of-fold predictions dispute, which takes a while

    """
    found = Facts.of(surveyed)
    renamed = tuple(class_imbalance.renames(found))
    facts = class_imbalance.under_one_name(found, renamed)
    issues = [*class_imbalance.renamed_classes(renamed), *_issues(facts, few_images=few_images, uneven=uneven)]
    if labels:
        from cnnexp.data_check import label_issues  # scikit-learn takes a second

        issues += label_issues.disputed_labels(facts, surveyed.read.images)
    return DataReport(
        name=surveyed.name,
        source=surveyed.source,
        digest=surveyed.digest,
        images=len(facts.labels),
        input_shape=surveyed.read.spec.shape,
        class_names=facts.class_names,
        class_counts={split: tuple(found.counts(split).tolist()) for split in SPLIT_NAMES},
        issues=tuple(sorted(issues, key=lambda issue: not issue.stops)),
        checks=(*CHECKS, DISPUTED) if labels else CHECKS,
    )


def _issues(facts: Facts, *, few_images: int, uneven: float) -> Iterator[DataIssue]:
    yield from class_imbalance.unreadable(facts)
    yield from class_imbalance.empty(facts)
    yield from class_imbalance.one_alone(facts)
    yield from class_imbalance.empty_splits(facts)
    yield from class_imbalance.missing(facts)
    yield from class_imbalance.few(facts, few_images)
    yield from class_imbalance.imbalance(facts, uneven)
    yield from duplicates.duplicates(facts)
    yield from duplicates.groups_apart(facts)
    yield from outliers.outliers(facts)
    yield from non_iid.differing_splits(facts)


def gist(report: DataReport) -> tuple[str, ...]:
    """Say in a sentence each what a reader of a run's results has to know; unreadable files are noted by reading."""
    return tuple(issue.sentence for issue in report.issues if issue.id != class_imbalance.UNREADABLE)
