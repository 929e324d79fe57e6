"""From a tracking store to run summaries: which runs are meant, and what they recorded."""

import json
import math
import re
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from cnnexp.errors import TargetError
from cnnexp.records import RunSummary
from cnnexp.system.files import is_file
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import did_you_mean, listed
from cnnexp.tracking.store import run_files
from cnnexp.tracking.store.calls import calling, mlflow_uri
from cnnexp.tracking.store.connection import load_mlflow, reach
from cnnexp.tracking.store.sqlite import SqliteStore
from cnnexp.tracking.store.stored_run import RunStore, StoredRun
from cnnexp.tracking.tags import EVALUATES, FOLD, FOLDS, RECORD, SWEEP_KEY, SWEEP_WORDS

LATEST = "latest"
_RUN_ID = re.compile(r"[0-9a-f]{6,32}")  # whole, or enough of its beginning

Answer = TypeVar("Answer")


def ask(uri: str, question: Callable[[RunStore], Answer]) -> Answer:
    """Ask a store; an SQLite file is read directly where its schema is known, because MLflow takes seconds to import.

    Raises:
        TrackingError: The store cannot be reached, or refuses.

    """
    file = _plain_file(uri)
    if file is not None:
        store = SqliteStore(file)
        with suppress(sqlite3.OperationalError):  # other tables than expected, or kept busy by a writer
            if store.has_known_schema():
                return question(store)
    reach(uri)
    load_mlflow()
    from cnnexp.tracking.store.client import ClientStore

    with calling(uri):
        return question(ClientStore(mlflow_uri(uri)))


def _plain_file(uri: str) -> Path | None:
    """The file of an SQLite address; None for one with options, which are for MLflow to understand."""
    store = StoreUri(uri)
    return None if store.options else store.database


def _runs(uri: str, question: Callable[[RunStore], Sequence[StoredRun]]) -> Sequence[StoredRun]:
    """Ask a store for runs; none where there is no store yet: an SQLite file is created by the first run."""
    database = StoreUri(uri).database
    return ask(uri, question) if database is None or is_file(database) else ()


def sweeps_with(uri: str, *, key: str) -> Sequence[StoredRun]:
    """Return the parents of sweeps with this key, newest first; none where there is no store yet."""
    return _runs(uri, lambda store: store.tagged(SWEEP_KEY, key))


def run_recorded_as(uri: str, key: str) -> StoredRun | None:
    """Return the run with this record; None: there is none, or it is deleted."""
    return next(iter(_runs(uri, lambda store: store.tagged(RECORD, key))), None)


def runs_of(uri: str, parent_id: str) -> Sequence[StoredRun]:
    """Return the runs of a sweep, newest first."""
    return _runs(uri, lambda store: store.children(parent_id))


def newest_with_tag(uri: str, tag: str, value: str) -> RunSummary:
    """Return the run with this value of a tag that was started last; there is one. Its name may be that of others."""
    return find_runs([_runs(uri, lambda store: store.tagged(tag, value))[0].run_id], uri=uri)[0]


def runs_of_folds(uri: str, *, folds: int, experiment: str) -> Sequence[StoredRun]:
    """Return the runs of so many folds of an experiment, newest first."""
    found = _runs(uri, lambda store: store.tagged(FOLDS, str(folds)))
    return [run for run in found if run.experiment == experiment]


def runs_like(uri: str, *, experiment: str) -> Sequence[StoredRun]:
    """Return the finished runs of an experiment that trained one network, newest first."""
    found = _runs(uri, lambda store: store.in_experiment(experiment))
    return [run for run in found if run.status == "FINISHED" and {SWEEP_KEY, FOLDS}.isdisjoint(run.tags)]


def finished_runs(uri: str) -> Sequence[StoredRun]:
    """Return the finished runs of all experiments that are no sweep's parent, newest first."""
    found = _runs(uri, lambda store: [run for name in store.experiments() for run in store.in_experiment(name)])
    finished = [run for run in found if run.status == "FINISHED" and {SWEEP_KEY, FOLD}.isdisjoint(run.tags)]
    return sorted(finished, key=lambda run: -run.started_ms)


def find_sweep(uri: str, target: str) -> StoredRun:
    """Return the parent that `target` names: its id or the beginning of it, its name, or ``latest``.

    Raises:
        TargetError: No sweep, or more than one, has this name.

    """
    return _with_tag(SWEEP_KEY, "sweep", uri=uri, target=target)


def find_resumable(uri: str, target: str, *, is_kept: Callable[[StoredRun], bool]) -> StoredRun:
    """Return the sweep that `target` names, or the run that was a command of its own.

    ``latest`` is the newest that is not finished, of runs one whose checkpoint `is_kept`; else the newest sweep.

    Raises:
        TargetError: None, or more than one, has this name.

    """
    if target == LATEST:
        commands = [run for run in _runs(uri, _newest_first) if SWEEP_WORDS in run.tags]
        unfinished = (run for run in commands if _is_unfinished(run, uri, is_kept))
        if (found := next(unfinished, None)) is not None:
            return found
        return _with_tag(SWEEP_WORDS, "sweep or run that was stopped", uri=uri, target=target, of=_COMMANDS_OF_MANY)
    return _with_tag(SWEEP_WORDS, "sweep or run", uri=uri, target=target)


def _is_unfinished(run: StoredRun, uri: str, is_kept: Callable[[StoredRun], bool]) -> bool:
    if SWEEP_KEY in run.tags:
        return run.status != "FINISHED" or any(one.status != "FINISHED" for one in runs_of(uri, run.run_id))
    return run.status != "FINISHED" and (FOLDS in run.tags or is_kept(run))


def find_run(uri: str, target: str) -> StoredRun:
    """Return the run that `target` names: its id or the beginning of it, or its name.

    Raises:
        TargetError: No run, or more than one, has this name.

    """
    return _with_tag(RECORD, "run", uri=uri, target=target)


_NAMED = {RECORD: "A run is named by its id or name"}
_NAMED |= dict.fromkeys((SWEEP_KEY, SWEEP_WORDS), "A sweep is named by its parent run's id or name, or latest")
_COMMANDS_OF_MANY = frozenset((SWEEP_KEY, FOLDS))  # a sweep, a run of folds


def _with_tag(tag: str, what: str, *, uri: str, target: str, of: frozenset[str] = frozenset()) -> StoredRun:
    named = _runs(uri, lambda store: _newest_first(store) if target == LATEST else _named(store, target))
    found = [run for run in named if tag in run.tags and (not of or not of.isdisjoint(run.tags))]
    if not found:
        raise TargetError(
            f"{_NAMED[tag]}; no {what} at {StoreUri(uri).masked} is {target!r}. `cnnexp ui` shows what there is."
        )
    if len(found) > 1 and target != LATEST:
        ids = listed(run.run_id[:12] for run in found)
        raise TargetError(f"A {what} must be named alone; {target!r} names {len(found)}. Use an id: {ids}.")
    return found[0]


def _newest_first(store: RunStore) -> Sequence[StoredRun]:
    runs = [run for name in store.experiments() for run in store.in_experiment(name)]
    return sorted(runs, key=lambda run: -run.started_ms)


def _named(store: RunStore, target: str) -> Sequence[StoredRun]:
    """Return the runs with this id, or the beginning of it; else those with this name."""
    by_id = store.with_id(target) if _RUN_ID.fullmatch(target) else ()
    return by_id or store.named(target)


def find_runs(targets: Sequence[str], *, uri: str) -> tuple[RunSummary, ...]:
    """Return the runs that ``targets`` name in the store at ``uri``, oldest first, each once.

    A target is a run id or its first six characters or more, a run's name, an experiment's name, or ``latest``. A
    sweep's parent stands for its children; an experiment for its runs, without later evaluations of their models where
    it has any other; ``latest`` is the newest sweep, or run. A run of folds is one run; its folds are named by their
    own ids.

    Raises:
        TargetError: There is no store, or a target names nothing or more than one thing.
        TrackingError: The store cannot be reached.

    """
    database = StoreUri(uri).database
    if database is not None and not is_file(database):
        raise TargetError(
            f"No runs are recorded at {StoreUri(uri).masked}: there is no file {database.resolve()}. "
            "Train first, or name the store."
        )
    return ask(uri, lambda store: _summaries(store, targets, uri))


def _summaries(store: RunStore, targets: Sequence[str], uri: str) -> tuple[RunSummary, ...]:
    stored = {run.run_id: run for target in targets for run in _runs_meant(store, target)}
    oldest_first = sorted(stored.values(), key=lambda run: (run.started_ms, run.run_id))
    return tuple(_summary(run, store, uri) for run in oldest_first)


def _runs_meant(store: RunStore, target: str) -> Sequence[StoredRun]:
    if target == LATEST:
        return _latest(store)
    found = _named(store, target)
    if len(found) > 1:
        ids = listed(run.run_id[:12] for run in found)
        raise TargetError(f"A target must name one run or sweep; {target!r} is {len(found)} runs. Use an id: {ids}.")
    if found:
        return _whole(store, found[0])
    in_experiment = [run for run in store.in_experiment(target) if FOLD not in run.tags]
    if not in_experiment:
        raise TargetError(_nothing_named(store, target))
    parents = {run.parent_id for run in in_experiment}
    runs = [run for run in in_experiment if run.run_id not in parents and SWEEP_KEY not in run.tags]
    return [run for run in runs if EVALUATES not in run.tags] or runs


def _whole(store: RunStore, run: StoredRun) -> Sequence[StoredRun]:
    """Return the runs under a parent, or the run itself; a run of folds is one run, whatever is under it."""
    return [run] if FOLDS in run.tags else store.children(run.run_id) or [run]


def _latest(store: RunStore) -> Sequence[StoredRun]:
    found = store.newest()
    if not found:
        raise TargetError("latest needs at least one run; the store is empty. Train first.")
    newest = found[0]
    if FOLD in newest.tags and newest.parent_id is not None:
        newest = next(iter(store.with_id(newest.parent_id)), newest)
    if newest.parent_id is None:
        return _whole(store, newest)
    return store.children(newest.parent_id) or [newest]


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
        read_curves=cache(partial(store.curves, run.run_id)),
        read_predictions=cache(partial(run_files.predictions, run.artifact_uri, store=uri)),
        read_findings=cache(partial(run_files.findings, run.artifact_uri, store=uri)),
        read_data_warnings=cache(partial(run_files.data_warnings, run.artifact_uri, store=uri)),
    )


def _source(recorded: str) -> str | None:
    """Return the place a data set came from, such as a folder, from MLflow's JSON about it."""
    try:
        return str(json.loads(recorded)["uri"])
    except (ValueError, KeyError, TypeError):  # a kind of source that has no address
        return None


def _unbounded(value: float) -> float:
    """Return infinity where MLflow recorded it as the largest number."""
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value
