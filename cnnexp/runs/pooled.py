"""The results of the folds, put together in the order of the data: what the whole run is judged by."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import DataConfig
from cnnexp.datasets import InspectedDataset, Split
from cnnexp.datasets.measured_images import measured
from cnnexp.datasets.split_rows import split_rows
from cnnexp.errors import DataError
from cnnexp.evaluation import MetricResampler, expected_calibration_error
from cnnexp.evaluation.out_of_fold import calibrated_across, pooled_temperature, without_temperatures
from cnnexp.records import EpochValues, FoldResult, FoldScore, History, SplitPredictions

Rows = NDArray[np.int64]

_MEANS = ("best/val_loss", "best/val_accuracy", "best/train_accuracy", "gap/accuracy")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pooled:
    """All images that folds judge, in the order of the data set, each by the model that was not trained on it."""

    judged: Split
    folds: Rows  # (N,) the fold that judged each
    predictions: SplitPredictions  # each fold calibrated by the others
    temperature: float | None  # that all folds ask for, for a model trained on everything; None: too few images
    ece_uncalibrated: float
    class_counts: Mapping[str, tuple[int, ...]]  # of one fold, as large as any: train and validation; test: all folds


def pool(results: Sequence[FoldResult], inspected: InspectedDataset, data: DataConfig, *, seed: int) -> Pooled:
    """Put the predictions of all folds together; `seed` is that of the run.

    Raises:
        DataError: a fold judged other images than these data give it.

    """
    splits = [_splits_of(result, inspected, data, seed=seed) for result in results]
    rows = [each["test"] for each in splits]
    order = np.argsort(np.concatenate(rows))
    folds = np.repeat([result.fold for result in results], [len(each) for each in rows])[order]
    judged = _split(inspected, np.concatenate(rows)[order])
    recorded = np.concatenate([result.predictions.probabilities for result in results])[order]
    digests = [digest for result in results for digest in result.predictions.digests or ()]
    plain = without_temperatures(recorded, folds, [result.metrics["temperature"] for result in results])
    return Pooled(
        judged=judged,
        folds=folds,
        predictions=SplitPredictions(
            files=judged.files,
            digests=tuple(digests[place] for place in order.tolist()),
            labels=judged.labels,
            probabilities=calibrated_across(plain, judged.labels, folds),
            properties=measured(judged),
        ),
        temperature=pooled_temperature(plain, judged.labels),
        ece_uncalibrated=expected_calibration_error(probabilities=plain, labels=judged.labels),
        class_counts={
            name: _class_counts(inspected, rows_of_split)
            for name, rows_of_split in {**splits[0], "calibration": judged.rows, "test": judged.rows}.items()
        },
    )


def _splits_of(result: FoldResult, inspected: InspectedDataset, data: DataConfig, *, seed: int) -> dict[str, Rows]:
    rows = split_rows(inspected.decoded, dataclasses.replace(data, fold=result.fold, final="refit"), seed=seed)
    files = inspected.decoded.manifest.files
    if tuple(files[row] for row in rows["test"].tolist()) != result.predictions.files:
        raise DataError(
            f"The folds of a run must be of the same data; fold {result.fold} (run {result.run_id}) judged other "
            "images than it would now. Train all of them again: sweep.resume=never."
        )
    return rows


def _split(inspected: InspectedDataset, rows: Rows) -> Split:
    manifest = inspected.decoded.manifest
    files = tuple(manifest.files[row] for row in rows.tolist())
    return Split(inspected.decoded.images, rows, manifest.labels[rows], files, inspected.decoded.properties)


def _class_counts(inspected: InspectedDataset, rows: Rows) -> tuple[int, ...]:
    manifest = inspected.decoded.manifest
    return tuple(np.bincount(manifest.labels[rows], minlength=len(manifest.class_names)).tolist())


def fold_scores(results: Sequence[FoldResult], pooled: Pooled) -> tuple[FoldScore, ...]:
    """Return the scores of each fold on the images that it judged."""
    predictions = pooled.predictions
    resampler = MetricResampler.of(probabilities=predictions.probabilities, labels=predictions.labels)
    own = np.stack([pooled.folds == result.fold for result in results], axis=1).astype(np.float64)
    found = resampler.metrics(own)
    return tuple(
        FoldScore(
            fold=result.fold,
            run_id=result.run_id,
            images=int(own[:, place].sum()),
            accuracy=float(found["accuracy"][place]),
            macro_f1=float(found["macro_f1"][place]),
            log_loss=float(found["log_loss"][place]),
            best_epoch=int(result.metrics["best/epoch"]),
        )
        for place, result in enumerate(results)
    )


def median_epochs(results: Sequence[FoldResult], *, keep: str) -> int:
    """Return the median of the epochs whose weights the folds ended with, the larger of two in the middle.

    `keep` is ``best`` or ``last``, as in `training.keep`.
    """
    kept = [result.metrics["best/epoch"] if keep == "best" else len(result.curves["val/loss"]) for result in results]
    return int(statistics.median_high(kept))


def mean_metrics(results: Sequence[FoldResult]) -> dict[str, float]:
    """Return the means over the folds of what each measured on its own validation and training images."""
    return {name: statistics.fmean(result.metrics[name] for result in results) for name in _MEANS}


def mean_history(results: Sequence[FoldResult], *, steps: int, seconds: float) -> History:
    """Return the mean course of the folds, as far as at least half of them went; the best epoch is their median."""
    lengths = sorted((len(result.curves["val/loss"]) for result in results), reverse=True)
    epochs = lengths[math.ceil(len(results) / 2) - 1]
    names = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate")
    means = zip(*(_mean_curve(results, name, epochs) for name in names), [0.0] * epochs, strict=True)
    return History(
        epochs=tuple(EpochValues(epoch, *values) for epoch, values in enumerate(means, start=1)),
        best_epoch=median_epochs(results, keep="best"),
        stopped_early=False,
        steps=steps,
        seconds=seconds,
    )


def _mean_curve(results: Sequence[FoldResult], name: str, epochs: int) -> list[float]:
    """Return the mean of each epoch over the folds that had it."""
    curves = [[value for _, value in result.curves[name]] for result in results]
    return [statistics.fmean(curve[epoch] for curve in curves if len(curve) > epoch) for epoch in range(epochs)]
