"""The data set as everything above knows it: decoded images in four splits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.images import ImageSpec
from cnnexp.records import Images, Labels


@dataclass(frozen=True, slots=True)
class Split:
    """One share of the data; entry i of rows, labels and files is the same image."""

    images: Images  # (M, H, W, C), the whole data set, shared by all splits; may be a memory map
    rows: NDArray[np.int64]  # (N,) which of `images` belong to this split, in the fixed order of evaluation
    labels: Labels  # (N,)
    files: tuple[str, ...]  # (N,) path relative to the data folder, or "index-17" where there are no files

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Splits:
    """A data set, ready to train on."""

    name: str
    class_names: tuple[str, ...]
    spec: ImageSpec
    train: Split
    validation: Split
    calibration: Split
    test: Split
    digest: str  # sha256 (hex) of images, labels, files, class names, spec and split
    source: str  # where it came from: a path, or the library that ships it
    notes: tuple[str, ...]  # what a reader of the results has to know, one sentence each

    def __getitem__(self, name: str) -> Split:
        split: Split = getattr(self, name)
        return split
