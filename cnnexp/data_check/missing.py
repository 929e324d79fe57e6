"""What is missing: readable files, images of a class or split, a class in a split under its name; and names alike."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnnexp.data_check.checked_dataset import CheckedDataset
from cnnexp.datasets import similar_names
from cnnexp.records import SPLIT_NAMES, DataIssue
from cnnexp.system.text import closest, listed, plural

UNREADABLE = "D1"
CLOSE = 0.6  # similarity from which two names are taken for the same class, where several are missing


@dataclass(frozen=True, slots=True)
class RenamedClass:
    """A class under another name."""

    split: str
    name: str  # that of its training images
    name_in_split: str


def unreadable_files(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report the files that cannot be read, and why."""
    rows = sorted(dataset.unreadable)
    if rows:
        share = len(rows) / len(dataset.labels)
        yield DataIssue(
            id=UNREADABLE,
            title="unreadable files",
            sentence=f"{len(rows):,} of {plural(len(dataset.labels), 'file')} cannot be read.",
            stops=share > dataset.tolerance,
            evidence={"files": len(rows), "share": share},
            groups=tuple((dataset.image(row, dataset.unreadable[row]),) for row in rows),
            repair="repair or remove them; data.on_bad_file=skip leaves up to data.max_bad_files of them out",
        )


def empty_classes(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report classes and class folders without an image."""
    present = np.bincount(dataset.given_labels, minlength=len(dataset.class_names)) > 0
    if found := [*dataset.empty_classes, *_names(dataset, ~present)]:
        yield DataIssue(
            id="S3",
            title="empty classes",
            sentence=f"{plural(len(found), 'class')} without an image: {listed(found)}.",
            stops=True,
            evidence={"classes": len(found)},
            groups=(),
            repair="put images there, remove the class, or leave its folder out: data.exclude=[FOLDER]",
        )


def single_class(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report a data set of one class only."""
    if len(dataset.class_names) < 2:
        yield DataIssue(
            id="S3",
            title="one class",
            sentence=f"All images are of one class, {listed(dataset.class_names)}: there is nothing to classify.",
            stops=True,
            evidence={"classes": len(dataset.class_names)},
            groups=(),
            repair="name the folder above the class folders, or the column that holds the classes",
        )


def empty_splits(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report splits that a run needs and that hold no image."""
    for split in dataset.needed:
        if not dataset.counts(split).any():
            yield DataIssue(
                id="S3",
                title=f"empty {split} split",
                sentence=f"The {split} split holds no image.",
                stops=True,
                evidence={"images": 0},
                groups=(),
                repair=f"raise data.{split} above 0, or give the data a {split} split with images, or more images",
            )


def find_renamed(dataset: CheckedDataset) -> Iterator[RenamedClass]:
    """Find classes that a split lacks while it has a class of another name that has no training image."""
    trained = dataset.counts("train") > 0
    for split in SPLIT_NAMES[1:]:
        present = dataset.counts(split) > 0
        if trained.any() and present.any():
            lacking, extra = _names(dataset, trained & ~present), _names(dataset, present & ~trained)
            for name in lacking:
                if other := _counterpart(name, extra, lacking):
                    yield RenamedClass(split, name, other)


def _counterpart(name: str, extra: list[str], lacking: list[str]) -> str | None:
    """Return the name that a class which a split lacks probably has there, among the names that only it has."""
    if len(extra) == len(lacking) == 1:
        return extra[0]
    by_case = {other.casefold(): other for other in extra}
    near = closest(name.casefold(), by_case, similarity=CLOSE)
    return None if near is None else by_case[near]


def with_training_names(dataset: CheckedDataset, renamed: Sequence[RenamedClass]) -> CheckedDataset:
    """Return the data set with the images of renamed classes counted under the name in training."""
    names = dataset.class_names
    table = np.arange(len(names))
    for one in renamed:
        table[names.index(one.name_in_split)] = names.index(one.name)
    return replace(dataset, labels=table[dataset.labels])


def renamed_classes(renamed: Sequence[RenamedClass]) -> Iterator[DataIssue]:
    """Report each class that has another name in a split."""
    for one in renamed:
        yield DataIssue(
            id="L4",
            title="class named differently",
            sentence=f"The {one.split} split has no class {one.name} but a class {one.name_in_split}, which has no "
            "training image: probably the same class under two names.",
            stops=True,
            evidence={"classes": 1},
            groups=(),
            repair=f"give {one.name_in_split} the name {one.name} in the {one.split} split",
        )


def similar_classes(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report classes whose names differ only in how they are written; classes renamed in one split are told already."""
    present = np.bincount(dataset.labels, minlength=len(dataset.class_names)) > 0
    found: dict[str, list[str]] = defaultdict(list)
    for similar in similar_names(_names(dataset, present)):
        found[similar.difference].append(" and ".join(similar.names))
    for difference, groups in found.items():
        yield DataIssue(
            id="L4",
            title="classes named alike",
            sentence=f"Classes differ only in {difference}: {listed(groups)}. They are kept apart.",
            stops=False,
            evidence={"groups": len(groups)},
            groups=(),
            repair="if they are one class, give them one name",
        )


def missing_classes(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report classes that a split lacks."""
    anywhere = np.bincount(dataset.labels[dataset.used()], minlength=len(dataset.class_names)) > 0
    for split in SPLIT_NAMES:
        present = dataset.counts(split) > 0
        if present.any() and (names := _names(dataset, anywhere & ~present)):
            yield _missing(split, names)


def _missing(split: str, names: list[str]) -> DataIssue:
    them = "it" if len(names) == 1 else "them"
    about = f"nothing can be learned about {them}" if split == "train" else f"nothing can be said about {them} there"
    return DataIssue(
        id="S3",
        title=f"classes missing from {split}",
        sentence=f"The {split} split has no image of {listed(names)}: {about}.",
        stops=split == "train",
        evidence={"classes": len(names)},
        groups=(),
        repair="add images, or let cnnexp make the split",
    )


def _names(dataset: CheckedDataset, chosen: np.ndarray) -> list[str]:
    return [dataset.class_names[place] for place in np.flatnonzero(chosen)]
