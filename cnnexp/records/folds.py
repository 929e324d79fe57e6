"""The folds of a run: what each left behind, and what all of them together say."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.records.evaluation import Evaluation
from cnnexp.records.recorded import Curves, RecordedPredictions


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold, trained and recorded in a run of its own."""

    fold: int  # from 1
    run_id: str
    metrics: Mapping[str, float]  # final values
    curves: Curves
    predictions: RecordedPredictions  # of the images that it judges
    distances: NDArray[np.float32]  # of its calibration images to its training images, as its model measures them
    model_file: bytes | None  # the .keras file, where it is needed


@dataclass(frozen=True, slots=True)
class FoldScore:
    """What a reader is shown of a fold."""

    fold: int
    run_id: str
    images: int  # that it judges
    accuracy: float
    macro_f1: float
    log_loss: float
    best_epoch: int


@dataclass(frozen=True, slots=True)
class FoldsReport:
    """What a run of folds adds to the result of its final model."""

    scores: tuple[FoldScore, ...]  # in the order of the folds
    fold_of_each: NDArray[np.int64]  # (N,) the fold that judged each image, in the order of the predictions
    epochs: int | None  # of the final model, the median of the folds' best; None: it is the mean of the folds' models
    split_images: int  # of a single test split of these data, beside which the interval is shown
    declared: Evaluation | None  # of the final model on a declared test split; None: there is none
