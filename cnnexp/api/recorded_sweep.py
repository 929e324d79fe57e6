"""A recorded sweep as a program reads it: its runs as a table, and their comparison."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from cnnexp.api.compared_runs import ComparedRuns, compare
from cnnexp.api.recorded_run import Run
from cnnexp.cli.targets import separate_store
from cnnexp.config import Override
from cnnexp.errors import ConfigError, TargetError
from cnnexp.records import RunSummary
from cnnexp.system.text import listed, plural, printable
from cnnexp.tracking.store.find_runs import find_runs, find_sweep
from cnnexp.tracking.tags import PRUNED, VARIED

if TYPE_CHECKING:
    import pandas as pd

_METRICS = ("best/val_loss", "best/val_accuracy", "test/accuracy", "test/macro_f1")  # of the table


def get_sweep(target: str, *settings: str) -> "Sweep":
    """Read a recorded sweep, whoever started it.

    Args:
        target: The id, the beginning of it, or the name of its parent run, or ``latest``.
        settings: ``tracking.uri=URI``, where it is recorded elsewhere than by default.

    Raises:
        TargetError: No sweep is meant, or several are.

    """
    others, uri = separate_store(settings)
    if others:
        raise ConfigError(f"get_sweep takes a sweep and tracking.uri=URI; got also {' '.join(others)}.")
    parent = find_sweep(uri, target)
    children = [run for run in find_runs([parent.run_id], uri=uri) if run.run_id != parent.run_id]
    varied = tuple(name for name in parent.tags[VARIED].split(", ") if name)
    return Sweep(parent.run_id, parent.name, parent.status, varied, tuple(children), uri)


@dataclass(frozen=True, eq=False, repr=False)
class Sweep:
    """A recorded sweep."""

    run_id: str  # of its parent run
    name: str
    status: str  # as MLflow has it: FINISHED, FAILED, KILLED, RUNNING
    varied: tuple[str, ...]  # the settings that have several values
    summaries: tuple[RunSummary, ...]  # of its runs, oldest first
    store: str  # its address

    @property
    def runs(self) -> "pd.DataFrame":
        """One row a run, best on validation first: what varied, status, scores, seconds; its id is the index."""
        import pandas as pd

        rows = [_row(run, self.varied) for run in self.summaries]
        columns = ["run_id", "name", *self.varied, "status", *_METRICS, "seconds", "failure"]
        return pd.DataFrame(rows, columns=columns).sort_values("best/val_loss", kind="stable").set_index("run_id")

    def run(self, target: str) -> Run:
        """Return one of its runs by the id, its beginning, or the name.

        Raises:
            TargetError: It has no such run, or several.

        """
        found = [run for run in self.summaries if run.run_id.startswith(target) or run.name == target]
        if len(found) != 1:
            known = listed(f"{run.run_id[:12]} ({run.name})" for run in found or self.summaries)
            raise TargetError(f"One run of the sweep must be meant; {target!r} is {len(found)}. Choose from {known}.")
        return Run.of(found[0], uri=self.store)

    @property
    def best(self) -> Run:
        """The finished run with the lowest validation loss.

        Raises:
            TargetError: No run has finished.

        """
        finished = self.runs[self.runs["status"] == "FINISHED"]
        if finished.empty:
            raise TargetError(f"The best run needs a finished one; sweep {self.run_id} ({self.name}) has none.")
        return self.run(str(finished.index[0]))

    @cached_property
    def comparison(self) -> ComparedRuns:
        """What differs between its settings, and what of it is more than chance; see `cnnexp.compare`.

        Raises:
            ConfigError: No run has finished.

        """
        return compare(self.run_id, str(Override.setting("tracking.uri", self.store)))

    @property
    def headline(self) -> str:
        """How many runs have finished, and where any has, the verdict."""
        head = f"{self._counts()}; sweep {self.run_id[:12]}"
        return f"{head}\n{printable(self.comparison.verdict)}" if self._finished() else head

    def __repr__(self) -> str:
        return f"{self._counts()}; sweep {self.run_id[:12]}\n{self.comparison if self._finished() else self.runs}"

    def _repr_html_(self) -> str:
        shown: str = (self.comparison if self._finished() else self.runs)._repr_html_()
        return shown

    def _finished(self) -> list[RunSummary]:
        return [run for run in self.summaries if run.status == "FINISHED" and PRUNED not in run.tags]

    def _counts(self) -> str:
        finished = len([run for run in self.summaries if run.status == "FINISHED"])
        return f"{printable(self.name)}: {finished} of {plural(len(self.summaries), 'run')} finished"


def _row(run: RunSummary, varied: tuple[str, ...]) -> dict[str, object]:
    return {
        "run_id": run.run_id,
        "name": run.name,
        **{name: run.settings.get(name) for name in varied},
        "status": "pruned" if PRUNED in run.tags else run.status,
        **{name: run.metrics.get(name) for name in _METRICS},
        "seconds": run.seconds,
        "failure": run.tags.get("failure", ""),
    }
