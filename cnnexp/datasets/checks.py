"""What makes a run on this data meaningless is refused; what a reader of its results has to know is noted."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.entry import Decoded
from cnnexp.errors import DataError
from cnnexp.records import SPLIT_NAMES

_LISTED = 5  # files named in a message

Rows = NDArray[np.int64]


def set_unreadable_aside(
    read: Decoded, origin: str, *, skip: bool, largest_share: float
) -> tuple[Rows, tuple[str, ...]]:
    """Give the rows that could be read, and a note about the others.

    Raises:
        DataError: there are others and they are not to be skipped, or they are too many.

    """
    total, count = len(read.images), len(read.unreadable)
    if not count:
        return np.arange(total), ()
    listed = "; ".join(f"{read.catalogue.files[row]}: {why}" for row, why in sorted(read.unreadable.items())[:_LISTED])
    more = f" And {count - _LISTED:,} more." if count > _LISTED else ""
    if not skip:
        raise DataError(
            f"Every image must be readable; {count:,} of {total:,} in {origin} are not. {listed}{more} "
            "Repair or remove them, or leave them out with data.on_bad_file=skip where the data are files."
        )
    if count > largest_share * total:
        raise DataError(
            f"At most {largest_share:.3%} of the images may be unreadable (data.max_bad_files); {count:,} of {total:,} "
            f"in {origin} are. {listed}{more}"
        )
    readable = np.setdiff1d(np.arange(total), np.fromiter(read.unreadable, np.int64, count))
    return readable, (f"{count:,} of {total:,} images cannot be read and were left out. {listed}{more}",)


def check_splits(read: Decoded, rows: Mapping[str, Rows], *, declared: NDArray[np.int8]) -> tuple[str, ...]:
    """Look at what each split got, and note what a reader has to know.

    Raises:
        DataError: there are fewer than two classes, a class has no training image, or a split is empty that is needed.

    """
    names = read.catalogue.class_names
    counts = {split: np.bincount(read.catalogue.labels[rows[split]], minlength=len(names)) for split in SPLIT_NAMES}
    _refuse(names, counts)
    return (*_missing(names, counts), *_copies(read, rows))


def _refuse(names: tuple[str, ...], counts: Mapping[str, Rows]) -> None:
    if len(names) < 2:
        raise DataError(f"At least two classes are needed to tell apart; got {len(names)}: {', '.join(names)}.")
    if untrained := [name for name, count in zip(names, counts["train"], strict=True) if not count]:
        raise DataError(
            f"Every class needs a training image; there is none of {', '.join(untrained[:_LISTED])}. "
            f"Classes with training images: {', '.join(name for name in names if name not in untrained) or 'none'}. "
            "Is a class named differently in one split?"
        )
    for split in ("validation", "test"):
        if not counts[split].any():
            raise DataError(
                f"The {split} split must hold an image; it is empty. "
                f"Raise data.{split} above 0, or give the data a {split} split with images, or more images."
            )


def _missing(names: tuple[str, ...], counts: Mapping[str, Rows]) -> list[str]:
    return [
        f"The {split} split has no image of {', '.join(missing)}: nothing can be said about "
        f"{'it' if len(missing) == 1 else 'them'} there."
        for split in ("validation", "calibration", "test")
        if counts[split].any()
        and (missing := [name for name, count in zip(names, counts[split], strict=True) if not count])
    ]


def _copies(read: Decoded, rows: Mapping[str, Rows]) -> list[str]:
    """Note images that occur more than once: in several splits (leakage), under several labels, or just so."""
    split_of = np.full(len(read.images), -1)
    for number, name in enumerate(SPLIT_NAMES):
        split_of[rows[name]] = number
    used = np.flatnonzero(split_of >= 0)
    again = used[read.copies[used] != used]
    if not len(again):
        return []
    return [
        f"{len(again):,} images are exact copies of another.",
        *_differing(read, again, split_of, "occur in more than one split, so that scores on them flatter"),
        *_differing(read, again, read.catalogue.labels, "occur under more than one label"),
    ]


def _differing(read: Decoded, again: Rows, values: NDArray[np.int64], what: str) -> list[str]:
    first = read.copies[again]
    differ = np.flatnonzero(values[again] != values[first])
    if not len(differ):
        return []
    one, other = read.catalogue.files[first[differ[0]]], read.catalogue.files[again[differ[0]]]
    return [f"{len(differ):,} images {what} (identical pixels), such as {one} and {other}."]
