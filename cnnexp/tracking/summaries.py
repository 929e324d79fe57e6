"""From a tracking store to run summaries: which runs are meant, and what they recorded."""

import json
import math
import re
import sqlite3
import sys
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from cnnexp.errors import TargetError
from cnnexp.records import Curves, RecordedPredictions, RunSummary
from cnnexp.tracking import recorded_files
from cnnexp.tracking.sqlite_runs import SqliteRuns
from cnnexp.tracking.store import load_mlflow, one_line_errors, reach
from cnnexp.tracking.stored_run import EVALUATES, RunStore, StoredRun
from cnnexp.tracking.sweep_runs import SWEEP_KEY

LATEST = "latest"
_SQLITE = "sqlite:///"
_RUN_ID = re.compile(r"[0-9a-f]{6,32}")  # whole, or enough of its beginning


def find_runs(targets: Sequence[str], *, uri: str) -> tuple[RunSummary, ...]:
    """The runs that ``targets`` name in the store at ``uri``, oldest first, each once.

    A target is a run id or its first six characters or more, a run's name, an experiment's name, or ``latest``. A
    sweep's parent stands for its children; an experiment for its runs, without later evaluations of their models where
    it has any other; ``latest`` is the newest sweep, or run. Raises TargetError when there is no store, or a target
    names nothing or more than one thing; TrackingError when the store cannot be reached.
    """
    path = _sqlite_file(uri)
    if path is not None:
        if not path.is_file():
            raise TargetError(
                f"No runs are recorded at {uri}: there is no file {path.resolve()}. Train first, or name the store."
            )
        try:
            return _summaries(SqliteRuns(path), targets, uri)
        except sqlite3.OperationalError:  # tables of another MLflow, or held by a writer: its client knows them
            pass
    return _through_mlflow(uri, targets)


def _through_mlflow(uri: str, targets: Sequence[str]) -> tuple[RunSummary, ...]:
    reach(uri)
    load_mlflow()
    from cnnexp.tracking.client_runs import ClientRuns  # a second of imports, for stores that need it

    with one_line_errors(uri):
        return _summaries(ClientRuns(uri), targets, uri)


def _sqlite_file(uri: str) -> Path | None:
    """The file of a plain SQLite address; one with options is for MLflow to understand."""
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) and "?" not in uri else None


def _summaries(store: RunStore, targets: Sequence[str], uri: str) -> tuple[RunSummary, ...]:
    stored = {run.run_id: run for target in targets for run in _runs_meant(store, target)}
    oldest_first = sorted(stored.values(), key=lambda run: (run.started_ms, run.run_id))
    return tuple(_summary(run, store, uri) for run in oldest_first)


def _runs_meant(store: RunStore, target: str) -> Sequence[StoredRun]:
    if target == LATEST:
        return _latest(store)
    found = store.with_id(target) if _RUN_ID.fullmatch(target) else ()
    found = found or store.named(target)
    if len(found) > 1:
        ids = ", ".join(run.run_id[:12] for run in found[:5])
        raise TargetError(f"A target must name one run or sweep; {target!r} is {len(found)} runs. Use an id: {ids}.")
    if found:
        return store.children(found[0].run_id) or found
    in_experiment = store.in_experiment(target)
    if not in_experiment:
        raise TargetError(_nothing_named(store, target))
    parents = {run.parent_id for run in in_experiment}
    runs = [run for run in in_experiment if run.run_id not in parents and SWEEP_KEY not in run.tags]
    return [run for run in runs if EVALUATES not in run.tags] or runs


def _latest(store: RunStore) -> Sequence[StoredRun]:
    found = store.newest()
    if not found:
        raise TargetError("latest needs at least one run; the store is empty. Train first.")
    newest = found[0]
    return store.children(newest.parent_id or newest.run_id) or [newest]


def _nothing_named(store: RunStore, target: str) -> str:
    from difflib import get_close_matches  # only an error needs it

    known = [LATEST, *store.experiments()]
    near = get_close_matches(target, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return (
        f"A target must be a run id, a run's name, a sweep, an experiment or latest; nothing is named {target!r}. "
        f"Experiments: {', '.join(known[1:])}.{hint}"
    )


def _summary(run: StoredRun, store: RunStore, uri: str) -> RunSummary:
    return RunSummary(
        run_id=run.run_id,
        name=run.name,
        experiment=run.experiment,
        status=run.status,
        parent_id=run.parent_id,
        started=run.started_ms / 1000,
        seconds=None if run.ended_ms is None else (run.ended_ms - run.started_ms) / 1000,
        settings=run.settings,
        metrics={name: _unbounded(value) for name, value in run.metrics.items()},
        tags=run.tags,
        data_digest=" ".join(digest for digest, _ in run.datasets) or None,
        data_source=_source(run.datasets[0][1]) if run.datasets else None,
        read_curves=cache(partial(_curves, store, run.run_id)),
        read_predictions=cache(partial(_predictions, run.artifact_uri, store=uri)),
        read_findings=cache(partial(recorded_files.findings, run.artifact_uri, store=uri)),
    )


def _source(recorded: str) -> str | None:
    """The place a data set came from, such as a folder, of MLflow's JSON about it."""
    try:
        return str(json.loads(recorded)["uri"])
    except (ValueError, KeyError, TypeError):  # a kind of source that has no address
        return None


def _unbounded(value: float) -> float:
    """The infinity that MLflow recorded as the largest number."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def _curves(store: RunStore, run_id: str) -> Curves:
    return store.curves(run_id)


def _predictions(artifact_uri: str, *, store: str) -> RecordedPredictions | None:
    return recorded_files.predictions(artifact_uri, store=store)
