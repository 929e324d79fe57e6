"""From a tracking store to run summaries: which runs are meant, and what they recorded."""

import json
import math
import re
import sqlite3
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path

from cnnexp.errors import TargetError
from cnnexp.records import Curves, RecordedPredictions, RunSummary
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import did_you_mean, listed
from cnnexp.tracking.store import run_files
from cnnexp.tracking.store.connection import absolute_uri, load_mlflow, one_line_errors, reach
from cnnexp.tracking.store.sqlite import SqliteStore
from cnnexp.tracking.store.stored_run import EVALUATES, RunStore, StoredRun

SWEEP_KEY = "sweep.key"  # tag of a parent: hash of the words, the same for the same command
SWEEP_WORDS = "sweep.words"  # tag of a parent: the words, as a JSON list
SWEEP_ID = "sweep_id"  # tag of a run: id of its parent, for the filters of the UI
VARIED = "sweep.varied"  # tag of a parent and of a run: what differs between the runs
IDENTITY = "identity"  # tag of a run: hash of everything that can change what comes out
PRUNED = "pruned"  # tag of a run that a search stopped: the epoch


def sweeps_with(uri: str, *, key: str) -> Sequence[StoredRun]:
    """Return the parents of sweeps with this key, newest first; none where there is no store yet."""
    return _ask(uri, lambda store: store.tagged(SWEEP_KEY, key))


def runs_of(uri: str, parent_id: str) -> Sequence[StoredRun]:
    """Return the runs of a sweep, newest first."""
    return _ask(uri, lambda store: store.children(parent_id))


def runs_like(uri: str, *, experiment: str) -> Sequence[StoredRun]:
    """Return the finished runs of an experiment that are no sweep's parent, newest first."""
    found = _ask(uri, lambda store: store.in_experiment(experiment))
    return [run for run in found if run.status == "FINISHED" and SWEEP_KEY not in run.tags]


def find_sweep(uri: str, target: str) -> StoredRun:
    """Return the parent that `target` names: its id or the beginning of it, its name, or ``latest``.

    Raises:
        TargetError: Nothing, or more than one sweep, is named so.

    """
    found = [run for run in _ask(uri, lambda store: _named(store, target)) if SWEEP_KEY in run.tags]
    if not found:
        raise TargetError(
            f"A sweep is named by its parent run's id or name, or latest; no sweep at {uri} is {target!r}. "
            "`cnnexp ui` shows what there is."
        )
    if len(found) > 1 and target != "latest":
        ids = listed(run.run_id[:12] for run in found)
        raise TargetError(f"A sweep must be named alone; {target!r} is {len(found)} sweeps. Use an id: {ids}.")
    return found[0]


def _named(store: RunStore, target: str) -> Sequence[StoredRun]:
    if target == "latest":
        every = [run for name in store.experiments() for run in store.in_experiment(name)]
        return sorted((run for run in every if SWEEP_KEY in run.tags), key=lambda run: -run.started_ms)
    by_id = store.with_id(target) if len(target) >= 6 and set(target) <= set("0123456789abcdef") else ()
    return by_id or store.named(target)


def _ask(uri: str, question: Callable[[RunStore], Sequence[StoredRun]]) -> Sequence[StoredRun]:
    """Ask a store; an SQLite file is read directly, because MLflow takes seconds to import. No file: no runs."""
    uri = absolute_uri(uri)
    database = StoreUri(uri).database
    if database is not None:
        if not database.exists():
            return ()
        try:
            return question(SqliteStore(database))
        except sqlite3.OperationalError:  # tables of another MLflow: its client knows them
            pass
    load_mlflow()
    from cnnexp.tracking.store.client import ClientStore

    return question(ClientStore(uri))


LATEST = "latest"
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
            return _summaries(SqliteStore(path), targets, uri)
        except sqlite3.OperationalError:  # tables of another MLflow, or held by a writer: its client knows them
            pass
    return _through_mlflow(uri, targets)


def _through_mlflow(uri: str, targets: Sequence[str]) -> tuple[RunSummary, ...]:
    reach(uri)
    load_mlflow()
    from cnnexp.tracking.store.client import ClientStore  # a second of imports, for stores that need it

    with one_line_errors(uri):
        return _summaries(ClientStore(uri), targets, uri)


def _sqlite_file(uri: str) -> Path | None:
    """The file of a plain SQLite address; one with options is for MLflow to understand."""
    store = StoreUri(uri)
    return None if store.options else store.database


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
        ids = listed(run.run_id[:12] for run in found)
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
    known = [LATEST, *store.experiments()]
    return (
        f"A target must be a run id, a run's name, a sweep, an experiment or latest; nothing is named {target!r}. "
        f"Experiments: {', '.join(known[1:])}.{did_you_mean(target, known)}"
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
        read_findings=cache(partial(run_files.findings, run.artifact_uri, store=uri)),
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
    return run_files.predictions(artifact_uri, store=store)
