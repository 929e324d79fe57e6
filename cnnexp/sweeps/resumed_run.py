"""A run that is a command of its own, or of an external launcher: the run that was stopped and that it goes on with.

What it goes on with is found by the folder of its checkpoint, which a living process holds: see `checkpoint_folder`.
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cnnexp.config import ExperimentConfig, TrackingConfig
from cnnexp.errors import CheckpointError, TrackingError
from cnnexp.runs.checkpoint_folder import CheckpointFolder, key_of
from cnnexp.sweeps.context import SweepContext
from cnnexp.sweeps.resume_tags import tags_to_resume
from cnnexp.system.files import at_home
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import program
from cnnexp.tracking.outbox.owned_record import deliver_left
from cnnexp.tracking.outbox.record_folder import new_key
from cnnexp.tracking.store.connection import absolute_uri, reach
from cnnexp.tracking.store.find_runs import find_run, run_recorded_as
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import LOST, RECORD


@dataclass(frozen=True, kw_only=True, slots=True)
class ResumedRun:
    """The folder of a run, and the run in the store that it goes on with."""

    folder: CheckpointFolder
    store: str
    key: str | None = None  # of the record; None: the run is part of a sweep, which looks after its runs
    run_id: str | None = None  # None: a new run
    tags: Mapping[str, str] = field(default_factory=dict)
    lost: str | None = None  # what is known of how its process ended, where that recorded no end

    def how_to_resume(self, run_id: str | None) -> list[tuple[str, str]]:
        """Return label and command of each way to go on with the run."""
        if self.key is None or run_id is None:
            return [("resume", "the same command goes on with this run")]
        store = shlex.quote(f"tracking.uri={StoreUri(absolute_uri(self.store)).masked}")
        command = f"{program()} resume {run_id[:12]} {store}"
        return [("resume", command), ("finish", f"{command} --finish")]


def resumed_run(
    config: ExperimentConfig,
    *,
    name: str,
    overrides: Sequence[str],
    context: SweepContext,
    config_dir: str | None = None,
) -> ResumedRun:
    """Return the run that was asked for by the same settings and stopped, or that `training.resume` names; else a new.

    `overrides` and `config_dir`, the folder of ``--config-dir``, are what a new run is resumed with.

    Raises:
        CheckpointError: the run that is named cannot be resumed.
        TrackingError: the store cannot be reached.

    """
    tracking, resume = config.tracking, config.training.resume
    key = key_of(config, store=absolute_uri(tracking.uri), tags=context.tags)
    named = None
    if resume not in ("auto", "never"):
        named = _named(tracking, resume)
    if resume == "never" or "MLFLOW_RUN_ID" in os.environ:
        folder = CheckpointFolder.new(config, key)
    else:
        folder = CheckpointFolder.claim(config, key, record=None if named is None else named.tags[RECORD])
    if context.tags:
        return ResumedRun(folder=folder, store=tracking.uri)
    try:
        command = tags_to_resume(overrides, config_dir=config_dir)
        return _in_store(folder, config, named, name=name, command=command)
    except BaseException:
        if folder.record is None:  # a new one
            folder.remove()
        folder.release()
        raise


def _in_store(
    folder: CheckpointFolder,
    config: ExperimentConfig,
    named: StoredRun | None,
    *,
    name: str,
    command: Mapping[str, str],
) -> ResumedRun:
    tracking = config.tracking
    record = folder.record
    if named is not None and record is None:
        raise CheckpointError(
            f"A run is resumed where its checkpoint is, with the settings that it had; for run {named.run_id[:12]} the "
            "cache of this machine has none, or its process is alive. Without training.resume a new run begins."
        )
    found = None if record is None else _stopped(tracking, record)
    if record is not None and found is None:
        if config.training.finish:
            raise CheckpointError("--finish needs a run that was stopped; this one is finished, or was deleted.")
        record = None
    if found is None:
        folder.restart()  # what is there is of no run
    if config.training.finish and not folder.has_state:
        raise CheckpointError(
            "training.finish judges the best epoch of a run that was stopped; there is none with these settings whose "
            "checkpoint is on this machine."
        )
    record = new_key(name) if record is None else record
    lost = None if found is None else found.tags.get(LOST) or None
    folder.begin(record)
    return ResumedRun(
        folder=folder,
        store=tracking.uri,
        key=record,
        run_id=None if found is None else found.run_id,
        tags={**command, **({LOST: ""} if lost else {})},
        lost=lost,
    )


def _stopped(tracking: TrackingConfig, record: str) -> StoredRun | None:
    """Return the run of a record whose process died or was stopped; None: it has finished, or is deleted."""
    reach(absolute_uri(tracking.uri))
    reason = deliver_left(at_home(tracking.outbox), record)
    if reason is not None:
        raise TrackingError(
            f"A run is resumed when the store has what it recorded before, and it cannot be sent: {reason} "
            "training.resume=never starts another run."
        )
    found = run_recorded_as(tracking.uri, record)
    return None if found is None or found.status == "FINISHED" else found


def _named(tracking: TrackingConfig, target: str) -> StoredRun:
    found = find_run(tracking.uri, target)
    if found.status == "FINISHED":
        raise CheckpointError(f"A run that was stopped can be resumed; {target!r} is finished.")
    return found
