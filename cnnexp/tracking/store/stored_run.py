"""One row of a tracking store, the same whichever way it was read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cnnexp.config.columns import SETTINGS

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate")  # metrics with a value an epoch
PARENT = "mlflow.parentRunId"
EVALUATES = "cnnexp.evaluates"  # tag of a run that judges a saved model: the run, or the exported folder, it is of


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What a store says about a run, files apart."""

    run_id: str
    name: str
    experiment: str  # its name
    status: str
    started_ms: int
    ended_ms: int | None
    artifact_uri: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]  # last values; NaN as NaN, infinities as MLflow keeps them: ±1.8e308
    tags: Mapping[str, str]
    datasets: tuple[tuple[str, str], ...]  # digest and source (JSON) of each data set, sorted

    @property
    def settings(self) -> Mapping[str, str]:
        """Every setting that was recorded, as text: the parameters, and those beside them."""
        beside = json.loads(self.tags[SETTINGS]) if SETTINGS in self.tags else {}
        return {**beside, **self.params}

    @property
    def parent_id(self) -> str | None:
        """The sweep this run belongs to."""
        return self.tags.get(PARENT)


class RunStore(Protocol):
    """The questions asked of a store; every answer leaves deleted runs out, newest first."""

    def with_id(self, beginning: str) -> Sequence[StoredRun]:
        """Runs whose id begins so."""

    def named(self, name: str) -> Sequence[StoredRun]:
        """Runs of this name."""

    def children(self, run_id: str) -> Sequence[StoredRun]:
        """The runs of a sweep."""

    def in_experiment(self, name: str) -> Sequence[StoredRun]:
        """All runs of an experiment."""

    def tagged(self, name: str, value: str) -> Sequence[StoredRun]:
        """Runs with this value of a tag."""

    def newest(self) -> Sequence[StoredRun]:
        """The run started last; empty for an empty store."""

    def experiments(self) -> Sequence[str]:
        """Names of all experiments."""

    def curves(self, run_id: str) -> Mapping[str, tuple[tuple[int, float], ...]]:
        """Every value of the metrics in ``CURVES``, in order of epochs."""
