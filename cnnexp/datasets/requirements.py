"""What makes a run on this data meaningless is refused; everything else is for `cnnexp.data_check` to report."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import DataConfig, FolderDataConfig
from cnnexp.datasets.cache.entry import Decoded
from cnnexp.datasets.sources.layout import endings
from cnnexp.datasets.sources.source import Catalogue
from cnnexp.errors import DataError
from cnnexp.records import SPLIT_NAMES

_LISTED = 5  # files named in a message

Rows = NDArray[np.int64]


def refuse_empty(catalogue: Catalogue, origin: str) -> None:
    """Refuse a data set with class folders that hold no image.

    Raises:
        DataError: there is one.

    """
    if catalogue.empty:
        raise DataError(
            f"Every class folder must hold an image; in {origin} there is none in "
            f"{', '.join(catalogue.empty[:_LISTED])}. {endings()} Put images there or remove the folder."
        )


def tolerance(data: DataConfig) -> float | None:
    """Return the share of unreadable files that may be skipped, 0..1; None: not one may."""
    return data.max_bad_files if isinstance(data, FolderDataConfig) and data.on_bad_file == "skip" else None


def set_unreadable_aside(read: Decoded, origin: str, *, tolerated: float | None) -> tuple[Rows, tuple[str, ...]]:
    """Give the rows that could be read, and a note about the others.

    Raises:
        DataError: there are others and they are not to be skipped, or they are too many.

    """
    total, count = len(read.images), len(read.unreadable)
    if not count:
        return np.arange(total), ()
    listed = "; ".join(f"{read.catalogue.files[row]}: {why}" for row, why in sorted(read.unreadable.items())[:_LISTED])
    more = f" And {count - _LISTED:,} more." if count > _LISTED else ""
    if tolerated is None:
        raise DataError(
            f"Every image must be readable; {count:,} of {total:,} in {origin} are not. {listed}{more} "
            "Repair or remove them, or leave them out with data.on_bad_file=skip where the data are files."
        )
    if count > tolerated * total:
        raise DataError(
            f"At most {tolerated:.3%} of the images may be unreadable (data.max_bad_files); {count:,} of {total:,} "
            f"in {origin} are. {listed}{more}"
        )
    readable = np.setdiff1d(np.arange(total), np.fromiter(read.unreadable, np.int64, count))
    return readable, (f"{count:,} of {total:,} images cannot be read and were left out. {listed}{more}",)


def refuse_splits(read: Decoded, rows: Mapping[str, Rows]) -> None:
    """Refuse splits that nothing can be learned or judged on.

    Raises:
        DataError: there are fewer than two classes, a class has no training image, or a split is empty that is needed.

    """
    names = read.catalogue.class_names
    counts = {split: np.bincount(read.catalogue.labels[rows[split]], minlength=len(names)) for split in SPLIT_NAMES}
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
