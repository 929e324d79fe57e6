"""A run as it is read back from the store that recorded it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.records.arrays import Labels, Probabilities
from cnnexp.records.evaluation import Finding


@dataclass(frozen=True, slots=True)
class RecordedPredictions:
    """The recorded probabilities of a run's model for each test image, in the recorded order."""

    class_names: tuple[str, ...]
    files: tuple[str, ...]  # (N,) path relative to the data folder, or "index-17"
    digests: tuple[str, ...] | None  # (N,) of the pixels; None: recorded by cnnexp 0.1.0
    reading: str | None  # by which rule files became these pixels: the same text for the same rule; None: as above
    content_digest: str | None  # of the whole data set, read by this rule; None: as above
    labels: Labels
    probabilities: Probabilities
    folds: NDArray[np.int64] | None = None  # (N,) the fold that judged each image; None: one model judged all
    decided: Labels | None = None  # (N,) the answers; None: the most probable classes
    properties: Mapping[str, NDArray[Any]] = field(default_factory=dict)  # (N,) by IMAGE_PROPERTIES

    @property
    def predicted(self) -> Labels:
        """The answer for each image, (N,)."""
        return self.probabilities.argmax(axis=1) if self.decided is None else self.decided


Curves = Mapping[str, tuple[tuple[int, float], ...]]  # metric name -> (epoch, value) in the order of epochs


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One recorded run, detached from its store; large parts are read on demand."""

    run_id: str
    name: str
    experiment: str
    status: str  # as MLflow has it: FINISHED, FAILED, KILLED, RUNNING, SCHEDULED
    parent_id: str | None  # of the sweep
    started: float  # seconds since 1970, UTC
    seconds: float | None  # wall time; None while it runs
    settings: Mapping[str, str]  # flat, text as recorded, such as {"optimizer.learning_rate": "0.001"}
    metrics: Mapping[str, float]  # final values
    tags: Mapping[str, str]
    data_digest: str | None
    data_source: str | None  # folder or name of the data, as recorded
    read_curves: Callable[[], Curves]
    read_predictions: Callable[[], RecordedPredictions | None]  # of the test split; None: none were recorded
    read_findings: Callable[[], tuple[Finding, ...]]
    read_data_warnings: Callable[[], tuple[tuple[str, str], ...]] = tuple  # title and sentence of each
