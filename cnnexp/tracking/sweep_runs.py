"""Asking a store about sweeps: which there are, and what their runs have come to."""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from cnnexp.errors import TargetError
from cnnexp.tracking.sqlite_runs import SqliteRuns
from cnnexp.tracking.store import absolute_uri, load_mlflow
from cnnexp.tracking.stored_run import RunStore, StoredRun

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
        ids = ", ".join(run.run_id[:12] for run in found[:5])
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
    if uri.startswith(_SQLITE):
        path = Path(uri.removeprefix(_SQLITE).partition("?")[0])
        if not path.exists():
            return ()
        try:
            return question(SqliteRuns(path))
        except sqlite3.OperationalError:  # tables of another MLflow: its client knows them
            pass
    load_mlflow()
    from cnnexp.tracking.client_runs import ClientRuns

    return question(ClientRuns(uri))
