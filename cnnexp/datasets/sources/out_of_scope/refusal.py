"""Data that cnnexp refuses by name, because its images have no single label: boxes, masks, several labels per image."""

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import DataError


class Task(StrEnum):
    """What the data seem to be made for, and what to do to classify their images."""

    DETECTION = "bounding boxes (object detection)"
    SEGMENTATION = "segmentation masks"
    SEVERAL_LABELS = "several labels per image"

    @property
    def remedy(self) -> str:
        """Return how such data become data of one label per image."""
        match self:
            case Task.DETECTION:
                return "Cut out the boxes and put them into one folder per class, or give each whole image one label."
            case Task.SEGMENTATION:
                return "Leave out the masks, and put the images, or regions cut out of them, into one folder per class."
            case Task.SEVERAL_LABELS:
                return "Keep one label per image, for example in a column of its own: data.label=COLUMN."


def out_of_scope(origin: object, task: Task, found: str, *, remedy: str = "") -> DataError:
    """Return the error that refuses a data set; `found` is a clause that says where this was seen."""
    return DataError(
        f"{origin} must give every image one label, because cnnexp classifies whole images; "
        f"it seems to hold {task}: {found}. {remedy or task.remedy}"
    )


def refuse_label_arrays(images: NDArray[Any], labels: NDArray[Any], *, origin: object) -> None:
    """Refuse labels (N, K) with several ones in a row, and labels of the images' own height and width.

    Raises:
        DataError: the labels are those of several labels per image, or masks.

    """
    if labels.ndim > 2 and labels.shape[:3] == images.shape[:3]:
        raise out_of_scope(origin, Task.SEGMENTATION, f"labels are {labels.shape}, a label for each pixel")
    if labels.ndim != 2 or labels.shape[1] < 2 or labels.dtype.kind not in "biuf":
        return
    if not labels.size or not np.isin(labels, (0, 1)).all():
        return
    ones = np.count_nonzero(labels, axis=1)
    if ones.max() > 1:
        row = int(ones.argmax())
        found = f"labels are {labels.shape} and row {row} has {ones[row]} ones"
        raise out_of_scope(origin, Task.SEVERAL_LABELS, found, remedy="Keep one label per image, as labels (N,).")
