"""All checks of a data set; each returns the issues it finds, and most find none."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from cnnexp.data_check import class_imbalance, duplicates, missing, non_iid, outliers, placeholders, possible_groups
from cnnexp.data_check.checked_dataset import CheckedDataset, Rows
from cnnexp.datasets import InspectedDataset
from cnnexp.records import SPLIT_NAMES, DataIssue, DataReport, Probabilities

if TYPE_CHECKING:
    from cnnexp.data_check.label_issues import Features  # scikit-learn takes a second

CHECKS = (
    "unreadable files",
    "empty, missing, renamed and similarly named classes, empty splits",
    "class sizes",
    "images of one colour, and one picture in place of many",
    "exact and near duplicates within classes, across classes and across splits",
    "size, aspect ratio, colour mode, brightness and sharpness of single images",
    "the same properties and the class shares between splits",
    "groups on two sides of a split, and names that may be those of groups",
)
LABELS = "labels against out-of-fold predictions"
BY_FEATURES = "labels against out-of-fold predictions from features of a pretrained network"


def check(
    inspected: InspectedDataset,
    *,
    few_images: int,
    uneven: float,
    balanced: bool,
    labels: bool,
    features: "Features | None" = None,
) -> DataReport:
    """Check a data set.

    Args:
        inspected: the data set, decoded and split
        few_images: a class with fewer training images is reported
        uneven: a largest class of at least so many times the smallest is reported
        balanced: training counts the classes alike, by weight or by sampling
        labels: also look for labels that out-of-fold predictions contradict, which takes a while
        features: (N, F) of all images by a network that has not learned their labels, for that; None: pixels have to do

    """
    given = CheckedDataset.of(inspected)
    renamed = tuple(missing.find_renamed(given))
    dataset = missing.with_training_names(given, renamed)
    issues = [*missing.renamed_classes(renamed), *_issues(dataset, few_images, uneven, balanced)]
    if labels:
        from cnnexp.data_check import label_issues  # scikit-learn takes a second

        issues += label_issues.label_issues(dataset, inspected.decoded.images, features)
    return DataReport(
        name=inspected.name,
        source=inspected.origin,
        digest=inspected.digest,
        images=len(dataset.labels),
        input_shape=inspected.decoded.spec.shape,
        class_names=dataset.class_names,
        class_counts={split: tuple(given.counts(split).tolist()) for split in SPLIT_NAMES},
        issues=tuple(sorted(issues, key=lambda issue: not issue.stops)),
        checks=(*CHECKS, LABELS if features is None else BY_FEATURES) if labels else CHECKS,
        notes=inspected.notes,
    )


def with_labels_of_run(
    report: DataReport, inspected: InspectedDataset, *, rows: Rows, probabilities: Probabilities, folds: bool
) -> DataReport:
    """Return a report with the labels that a run contradicts.

    `probabilities` (n, K) are of the images `rows` (n,), each by a model that was not trained on it: those of `folds`,
    or one that judged its test images.
    """
    from cnnexp.data_check import label_issues  # scikit-learn takes a second

    contradicted = label_issues.contradicted_by(inspected, rows=rows, probabilities=probabilities)
    check = label_issues.BY_FOLDS if folds else label_issues.BY_RUN
    return replace(report, issues=(*report.issues, *contradicted), checks=(*report.checks, check))


def _issues(dataset: CheckedDataset, few_images: int, uneven: float, balanced: bool) -> Iterator[DataIssue]:
    yield from missing.unreadable_files(dataset)
    yield from missing.empty_classes(dataset)
    yield from missing.single_class(dataset)
    yield from missing.empty_splits(dataset)
    yield from missing.missing_classes(dataset)
    yield from missing.similar_classes(dataset)
    yield from class_imbalance.few_images(dataset, few_images)
    yield from class_imbalance.class_imbalance(dataset, uneven, balanced=balanced)
    yield from placeholders.placeholders(dataset)
    yield from duplicates.duplicates(dataset)
    yield from duplicates.divided_groups(dataset)
    yield from possible_groups.possible_groups(dataset)
    yield from outliers.outliers(dataset)
    yield from non_iid.non_iid(dataset)


def summary_of_images(inspected: InspectedDataset) -> tuple[str, ...]:
    """Return a sentence for each issue of single images and copies, which needs no other split: of those judged."""
    dataset = CheckedDataset.of(inspected)
    found = (*missing.unreadable_files(dataset), *duplicates.duplicates(dataset), *outliers.outliers(dataset))
    return tuple(issue.sentence for issue in found)


def summary(report: DataReport) -> tuple[str, ...]:
    """Return a sentence for each issue, for a run's notes, which name unreadable files already."""
    return tuple(issue.sentence for issue in report.issues if issue.id != missing.UNREADABLE)
