"""Files that cannot be read, and classes that are missing, renamed, small or uneven."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnnexp.data_check.facts import Facts
from cnnexp.records import SPLIT_NAMES, DataIssue
from cnnexp.system.text import closest, listed, plural

UNREADABLE = "D1"
CLOSE = 0.6  # similarity of names from which one is taken for the other, where several are missing


@dataclass(frozen=True, slots=True)
class Rename:
    """A class under another name."""

    split: str
    name: str  # that of its training images
    there: str  # in the split


def unreadable(facts: Facts) -> Iterator[DataIssue]:
    """List the files that cannot be read, and why."""
    rows = sorted(facts.unreadable)
    if rows:
        share = len(rows) / len(facts.labels)
        yield DataIssue(
            id=UNREADABLE,
            title="unreadable files",
            sentence=f"{len(rows):,} of {plural(len(facts.labels), 'file')} cannot be read.",
            stops=share > facts.tolerated,
            evidence={"files": len(rows), "share": share},
            groups=tuple((facts.image(row, facts.unreadable[row]),) for row in rows),
            repair="repair or remove them; data.on_bad_file=skip leaves up to data.max_bad_files of them out",
        )


def empty(facts: Facts) -> Iterator[DataIssue]:
    """Name classes and class folders without an image."""
    present = np.bincount(facts.given, minlength=len(facts.class_names)) > 0
    names = [name for name, there in zip(facts.class_names, present, strict=True) if not there]
    if found := [*facts.empty, *names]:
        yield DataIssue(
            id="S3",
            title="empty classes",
            sentence=f"{plural(len(found), 'class')} without an image: {listed(found)}.",
            stops=True,
            evidence={"classes": len(found)},
            groups=(),
            repair="put images there, or remove the class",
        )


def one_alone(facts: Facts) -> Iterator[DataIssue]:
    """Report that there is nothing to tell apart."""
    if len(facts.class_names) < 2:
        yield DataIssue(
            id="S3",
            title="one class",
            sentence=f"All images are of one class, {listed(facts.class_names)}: there is nothing to tell apart.",
            stops=True,
            evidence={"classes": len(facts.class_names)},
            groups=(),
            repair="name the folder above the class folders, or the column that holds the classes",
        )


def empty_splits(facts: Facts) -> Iterator[DataIssue]:
    """Name splits that every run needs and that hold no image."""
    for split in ("validation", "test"):
        if not facts.counts(split).any():
            yield DataIssue(
                id="S3",
                title=f"empty {split} split",
                sentence=f"The {split} split holds no image.",
                stops=True,
                evidence={"images": 0},
                groups=(),
                repair=f"raise data.{split} above 0, or give the data a {split} split with images, or more images",
            )


def renames(facts: Facts) -> Iterator[Rename]:
    """Find classes that a split lacks, and that are there under a name which has no training image."""
    trained = facts.counts("train") > 0
    for split in SPLIT_NAMES[1:]:
        there = facts.counts(split) > 0
        if trained.any() and there.any():
            absent, own = _names(facts, trained & ~there), _names(facts, there & ~trained)
            for name in absent:
                if other := _counterpart(name, own, absent):
                    yield Rename(split, name, other)


def _counterpart(name: str, own: list[str], absent: list[str]) -> str | None:
    """Find what a class that a split lacks is probably called there, among the names that only it has."""
    if len(own) == len(absent) == 1:
        return own[0]
    by_case = {other.casefold(): other for other in own}
    near = closest(name.casefold(), by_case, similarity=CLOSE)
    return None if near is None else by_case[near]


def under_one_name(facts: Facts, renamed: Sequence[Rename]) -> Facts:
    """Count the images of renamed classes under the name that training images have."""
    names = facts.class_names
    table = np.arange(len(names))
    for rename in renamed:
        table[names.index(rename.there)] = names.index(rename.name)
    return replace(facts, labels=table[facts.labels])


def renamed_classes(renamed: Sequence[Rename]) -> Iterator[DataIssue]:
    """Report each class that has another name in a split."""
    for rename in renamed:
        yield DataIssue(
            id="L4",
            title="class named differently",
            sentence=f"The {rename.split} split has no class {rename.name} but a class {rename.there}, which has no "
            "training image: probably the same class under two names.",
            stops=True,
            evidence={"classes": 1},
            groups=(),
            repair=f"give {rename.there} the name {rename.name} in the {rename.split} split",
        )


def missing(facts: Facts) -> Iterator[DataIssue]:
    """Name classes that a split lacks."""
    anywhere = np.bincount(facts.labels[facts.used()], minlength=len(facts.class_names)) > 0
    for split in SPLIT_NAMES:
        there = facts.counts(split) > 0
        if there.any() and (names := _names(facts, anywhere & ~there)):
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


def few(facts: Facts, least: int) -> Iterator[DataIssue]:
    """Name classes with few training images."""
    counts = facts.counts("train")
    names = [f"{facts.class_names[k]} ({counts[k]:,})" for k in np.flatnonzero((counts > 0) & (counts < least))]
    if names:
        yield DataIssue(
            id="D5",
            title="few images",
            sentence=f"{plural(len(names), 'class')} with fewer than {least:,} training images: {listed(names)}.",
            stops=False,
            evidence={"classes": len(names), "fewest": int(counts[counts > 0].min()), "data.few_images": least},
            groups=(),
            repair="collect more of them, or augment",
        )


def imbalance(facts: Facts, uneven: float) -> Iterator[DataIssue]:
    """Compare the largest class with the smallest."""
    counts = facts.counts("train")
    there = np.flatnonzero(counts)
    if not len(there):
        return
    most, fewest = there[counts[there].argmax()], there[counts[there].argmin()]
    ratio = counts[most] / counts[fewest]
    if ratio >= uneven:
        yield DataIssue(
            id="E1",
            title="imbalance",
            sentence=f"The largest class, {facts.class_names[most]} ({counts[most]:,} training images), has "
            f"{ratio:.3g} times those of the smallest, {facts.class_names[fewest]} ({counts[fewest]:,}): accuracy "
            "hides how the small ones do.",
            stops=False,
            evidence={"ratio": float(ratio), "data.uneven": uneven},
            groups=(),
            repair="training.class_weight=balanced",
        )


def _names(facts: Facts, chosen: np.ndarray) -> list[str]:
    return [facts.class_names[place] for place in np.flatnonzero(chosen)]
