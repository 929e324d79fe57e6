"""Refuses data that makes a run meaningless; everything else is reported by `cnnexp.data_check`."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import DataConfig, FileDataConfig
from cnnexp.datasets.cache.entry import DecodedDataset
from cnnexp.datasets.folds import separable
from cnnexp.datasets.sources.folders.layout import endings
from cnnexp.datasets.sources.source import Manifest
from cnnexp.errors import DataError
from cnnexp.records import SPLIT_NAMES, Labels
from cnnexp.system.text import listed, plural

_LISTED = 5  # files named in a message

Rows = NDArray[np.int64]


def refuse_empty_classes(manifest: Manifest, origin: str) -> None:
    """Refuse a data set with class folders that hold no image.

    Raises:
        DataError: there is one.

    """
    if manifest.empty_classes:
        raise DataError(
            f"Every class folder must hold an image; in {origin} there is none in "
            f"{listed(manifest.empty_classes)}. {endings()} Put images there, remove the folder, "
            "or leave it out: data.exclude=[FOLDER]."
        )


def tolerance(data: DataConfig) -> float | None:
    """Return the share of unreadable files that may be skipped, 0..1; None: every file must be readable."""
    return data.max_bad_files if isinstance(data, FileDataConfig) and data.on_bad_file == "skip" else None


def exclude_unreadable(
    decoded: DecodedDataset, origin: str, *, tolerance: float | None, hint: Callable[[str], str] = lambda file: ""
) -> tuple[Rows, tuple[str, ...]]:
    """Return the rows that could be read, and a note about the others.

    Args:
        decoded: the data set
        origin: where it is, for messages
        tolerance: largest share of unreadable images; None: there may be none
        hint: returns a sentence, or nothing, about a file that cannot be read

    Raises:
        DataError: there are others, and they may not be skipped or are too many.

    """
    total, count = len(decoded.images), len(decoded.unreadable)
    if not count:
        return np.arange(total), ()
    reasons = [f"{decoded.manifest.files[row]}: {why}" for row, why in sorted(decoded.unreadable.items())]
    named = "; ".join(reasons[:_LISTED]) + (f" And {count - _LISTED:,} more." if count > _LISTED else "")
    if tolerance is None:
        raise DataError(
            f"Every image must be readable; {count:,} of {total:,} in {origin} {'is' if count == 1 else 'are'} not. "
            f"{named}{hint(decoded.manifest.files[min(decoded.unreadable)])} "
            "Repair or remove them, or leave them out with data.on_bad_file=skip where the data are files."
        )
    if count > tolerance * total:
        raise DataError(
            f"At most {tolerance:.3%} of the images may be unreadable (data.max_bad_files); {count:,} of {total:,} "
            f"in {origin} are. {named}"
        )
    readable = np.setdiff1d(np.arange(total), np.fromiter(decoded.unreadable, np.int64, count))
    return readable, (
        f"{count:,} of {plural(total, 'image')} cannot be read and {'was' if count == 1 else 'were'} left out. {named}",
    )


def needed_splits(data: DataConfig) -> tuple[str, ...]:
    """Return the splits, beside training, that must hold an image; with folds, each of them has its own."""
    return () if data.has_folds else ("validation", "test")


def refuse_tiny_classes(labels: Labels, groups: Rows, class_names: Sequence[str], *, folds: int) -> None:
    """Refuse folds of which some have no image of a class to judge.

    Args:
        labels: (N,) of the images that folds judge.
        groups: (N,) images of one group stay together.
        class_names: Of the labels.
        folds: Their number.

    Raises:
        DataError: a class has fewer images, or groups of them, than there are folds.

    """
    apart = separable(labels, groups, classes=len(class_names))
    tiny = np.flatnonzero(apart < folds)
    if not len(tiny):
        return
    counts = np.bincount(labels, minlength=len(class_names))
    together = ", and images of one group, or copies, stay together" if (counts[tiny] > apart[tiny]).any() else ""
    found = (f"{class_names[k]} has {_apart(int(counts[k]), int(apart[k]))}" for k in tiny.tolist())
    fewest = int(apart.min())
    fewer = f"Take data.folds={fewest}, or add" if fewest > 1 else "Add"
    raise DataError(
        f"Every fold must judge an image of every class{together}; data.folds is {folds}, and {listed(found)}. "
        f"{fewer} images, or leave such a class out."
    )


def _apart(images: int, apart: int) -> str:
    return plural(images, "image") if images == apart else f"{plural(images, 'image')} in {plural(apart, 'group')}"


def refuse_unusable_splits(decoded: DecodedDataset, rows: Mapping[str, Rows], *, needed: Sequence[str]) -> None:
    """Refuse splits on which nothing can be learned or evaluated.

    Raises:
        DataError: there are fewer than two classes, a class has no training image, or a `needed` split is empty.

    """
    names = decoded.manifest.class_names
    counts = {split: np.bincount(decoded.manifest.labels[rows[split]], minlength=len(names)) for split in SPLIT_NAMES}
    if len(names) < 2:
        raise DataError(
            f"At least two classes are needed; got {len(names)}: {', '.join(names)}. Name the folder above the class "
            "folders, or the column that holds the classes."
        )
    trained = [name for name, count in zip(names, counts["train"], strict=True) if count]
    if untrained := [name for name, count in zip(names, counts["train"], strict=True) if not count]:
        raise DataError(
            f"Every class needs a training image; there is none of {listed(untrained)}. "
            f"Classes with training images: {listed(trained, most=20) or 'none'}. "
            "Is a class named differently in one split?"
        )
    for split in needed:
        if not counts[split].any():
            raise DataError(
                f"The {split} split must hold an image; it is empty. "
                f"Raise data.{split} above 0, or add images of that split, or more images."
            )
