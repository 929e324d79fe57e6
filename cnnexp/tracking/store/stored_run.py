"""One row of a tracking store, the same whichever way it was read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cnnexp.config.columns import SETTINGS
from cnnexp.tracking.tags import PARENT

CURVES = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate")  # metrics with a value an epoch


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as its store has it, without its files."""

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
        """Every setting that was recorded, as text: the parameters, and the settings in a tag."""
        beside = json.loads(self.tags[SETTINGS]) if SETTINGS in self.tags else {}
        return {**beside, **self.params}

    @property
    def parent_id(self) -> str | None:
        """The sweep this run belongs to."""
        return self.tags.get(PARENT)


@dataclass(frozen=True, slots=True)
class Locations:
    """Where the files of a run are, as URIs."""

    artifacts: str
    model: str | None  # of its newest logged model; None: it has none


class RunStore(Protocol):
    """The questions asked of a store; every answer leaves out deleted runs and is sorted, newest first."""

    def with_id(self, beginning: str) -> Sequence[StoredRun]:
        """Runs whose id begins with this text."""

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

    def locations(self, run_id: str) -> Locations:
        """Where the files of a run are."""
