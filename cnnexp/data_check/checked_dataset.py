"""A data set in the form in which the checks see it: one entry per image, whatever split it is in."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.image_properties import ImageProperties
from cnnexp.datasets import InspectedDataset
from cnnexp.records import SPLIT_NAMES, DataImage, Labels

NO_SPLIT = -1

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CheckedDataset:
    """Entry i of labels, splits and files is the same image."""

    class_names: tuple[str, ...]
    labels: Labels  # (N,) index into the class names, where a class renamed in one split has its name in training
    given_labels: Labels  # (N,) the same, by the names in the data
    files: tuple[str, ...]  # (N,)
    splits: NDArray[np.int8]  # (N,) index into SPLIT_NAMES, or NO_SPLIT: unreadable, or left out by the settings
    groups: Rows | None  # (N,) number of an image's group, by `data.group`; None: no groups are known
    duplicate_of: Rows  # (N,) the first image with the same pixels
    properties: ImageProperties
    unreadable: Mapping[int, str]
    tolerance: float  # share of unreadable files that the settings accept, 0..1
    needed: tuple[str, ...]  # splits, beside training, that must hold an image
    empty_classes: tuple[str, ...]  # folders that should hold images of a class and hold none

    @classmethod
    def of(cls, inspected: InspectedDataset) -> "CheckedDataset":
        """Collect what is checked; properties of images are computed where they were not before."""
        decoded, manifest = inspected.decoded, inspected.decoded.manifest
        splits = np.full(len(manifest.labels), NO_SPLIT, np.int8)
        for number, name in enumerate(SPLIT_NAMES):
            splits[inspected.rows[name]] = number
        return cls(
            class_names=manifest.class_names,
            labels=manifest.labels,
            given_labels=manifest.labels,
            files=manifest.files,
            splits=splits,
            groups=manifest.groups,
            duplicate_of=decoded.duplicate_of,
            properties=ImageProperties.of(decoded),
            unreadable=decoded.unreadable,
            tolerance=inspected.tolerance,
            needed=inspected.needed,
            empty_classes=manifest.empty_classes,
        )

    def counts(self, split: str) -> Rows:
        """Return the number of images of each class in a split."""
        inside = self.labels[self.splits == SPLIT_NAMES.index(split)]
        return np.bincount(inside, minlength=len(self.class_names))

    def used(self) -> Rows:
        """Return the rows that are in a split."""
        return np.flatnonzero(self.splits != NO_SPLIT)

    def image(self, row: int, note: str = "") -> DataImage:
        """Return an image as an issue names it."""
        split = SPLIT_NAMES[self.splits[row]] if self.splits[row] != NO_SPLIT else ""
        return DataImage(int(row), self.files[row], split, self.class_names[self.given_labels[row]], note)
