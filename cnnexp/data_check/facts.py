"""A surveyed data set in the shape that the checks look at."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Survey
from cnnexp.datasets.measures import Measures
from cnnexp.records import SPLIT_NAMES, DataImage, Labels

NO_SPLIT = -1

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """Entry i of labels, splits and files is the same image."""

    class_names: tuple[str, ...]
    labels: Labels  # (N,) classes as they are meant
    given: Labels  # (N,) classes as they are named, which a split may do otherwise
    files: tuple[str, ...]  # (N,)
    splits: NDArray[np.int8]  # (N,) index into SPLIT_NAMES, or NO_SPLIT: unreadable, or left out on purpose
    declared: NDArray[np.int8]  # (N,) index into SPLIT_NAMES, or negative
    related: Rows | None  # (N,) number of the group that an image is of, by `data.group`; None: no groups are known
    copies: Rows  # (N,) the first image with the same pixels
    measures: Measures
    unreadable: Mapping[int, str]
    tolerated: float  # share of unreadable files that the settings accept, 0..1
    empty: tuple[str, ...]

    @classmethod
    def of(cls, surveyed: Survey) -> "Facts":
        """Collect them from a survey."""
        read = surveyed.read
        splits = np.full(len(read.copies), NO_SPLIT, np.int8)
        for number, name in enumerate(SPLIT_NAMES):
            splits[surveyed.rows[name]] = number
        known = read.catalogue
        return cls(
            class_names=known.class_names,
            labels=known.labels,
            given=known.labels,
            files=known.files,
            splits=splits,
            declared=known.declared,
            related=known.groups,
            copies=read.copies,
            measures=read.read_measures(),
            unreadable=read.unreadable,
            tolerated=surveyed.tolerated,
            empty=known.empty,
        )

    def counts(self, split: str) -> Rows:
        """Images of each class in a split."""
        inside = self.labels[self.splits == SPLIT_NAMES.index(split)]
        return np.bincount(inside, minlength=len(self.class_names))

    def used(self) -> Rows:
        """Rows that are in a split."""
        return np.flatnonzero(self.splits != NO_SPLIT)

    def image(self, row: int, note: str = "") -> DataImage:
        """Name an image."""
        split = SPLIT_NAMES[self.splits[row]] if self.splits[row] != NO_SPLIT else ""
        return DataImage(int(row), self.files[row], split, self.class_names[self.given[row]], note)
