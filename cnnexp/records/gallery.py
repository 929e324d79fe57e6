"""The images of a run that a person should look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.records.arrays import Images, Labels
from cnnexp.records.preview import Preview


@dataclass(frozen=True, slots=True)
class PredictedImage:
    """A test image and what the model predicts."""

    pixels: NDArray[np.uint8]  # (H, W, C), not read before it is drawn
    file: str
    label: int  # index into the class names
    predicted: int
    label_probability: float
    predicted_probability: float
    unlike: bool  # the training data


@dataclass(frozen=True, slots=True)
class Confusion:
    """Test images of one class that were taken for another."""

    label: int
    predicted: int
    count: int
    images: tuple[PredictedImage, ...]  # some of them, the highest loss first; where there are none, of the label


@dataclass(frozen=True, kw_only=True, slots=True)
class Gallery:
    """The images of a run that a person should look at."""

    top_losses: tuple[PredictedImage, ...]  # of the test split, highest loss first
    confused: tuple[tuple[Confusion, Confusion], ...]  # both directions, the most confused classes first
    seen: Images  # some training images of each class, augmented as they were in the first epoch
    seen_labels: Labels
    seen_files: tuple[str, ...]
    kinds: Preview  # some training images plain, and after each kind of change alone
