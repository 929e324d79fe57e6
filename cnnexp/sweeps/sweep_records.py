"""The records of a sweep as a whole: what identifies it, what earlier commands left of it, and its parent run.

The parent run is begun before the first run of the sweep, and continued when the command is rerun.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, Self

from omegaconf import DictConfig, OmegaConf

from cnnexp.compose import config_dir_of
from cnnexp.config import Override, Setting, TrackingConfig, all_settings, as_number
from cnnexp.config.extended import all_added
from cnnexp.errors import SweepError
from cnnexp.sweeps.resume_tags import code_given, tags_to_resume
from cnnexp.sweeps.run_hash import hash_sweep, is_of_one_command
from cnnexp.system import slurm
from cnnexp.system.files import at_home
from cnnexp.tracking import OwnedRecord, begun_alone, deliver_orphans, is_running
from cnnexp.tracking.provenance import Commit, CommitReader
from cnnexp.tracking.store.connection import absolute_uri, reach
from cnnexp.tracking.store.find_runs import runs_of, sweeps_with
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import (
    FOLDS,
    PARENT,
    RECORD,
    RUN_HASH,
    SLURM_FOLDER,
    SLURM_JOBS,
    SWEEP_ID,
    SWEEP_KEY,
    VARIED,
)


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """What a sweep is, before anything of it is done."""

    name: str
    key: str  # see `run_hash.hash_sweep`
    overrides: Sequence[str]  # of the command
    varied: Mapping[str, str]  # setting -> its values, as written
    extend: Sequence[str] = ()  # files of the user's code, and entry points
    config_dir: str | None = None  # of further YAML files


def sweep_spec(config: DictConfig, varied: Mapping[str, str], tracking: TrackingConfig) -> SweepSpec:
    """Return what a multirun command asks for; `config` is as Hydra hands it to a sweeper."""
    given = config.hydra.overrides
    overrides = [override for override in (*given.task, *given.hydra) if Override.parse(override).key != "hydra.mode"]
    short = "-".join(key.rpartition(".")[2] for key in varied)
    return SweepSpec(
        name=tracking.run_name or f"sweep-{short}".rstrip("-"),
        key=hash_sweep(
            overrides,
            experiment=tracking.experiment,
            settings=_settings_of_runs(config) + _code_of_runs(),
            varied=varied,
        ),
        overrides=[override for override in dict.fromkeys(overrides) if not is_of_one_command(override)],
        varied=varied,
        extend=code_given(),
        config_dir=config_dir_of(config.hydra.runtime.config_sources),
    )


def _code_of_runs() -> str:
    """Return what changes when the code is edited that users have added; empty without any."""
    return "".join(sorted(f"{one}: {one.code.digest}\n" for one in all_added()))


def _settings_of_runs(config: DictConfig) -> str:
    """Return, as YAML, the settings that all runs share and that can change a result; the path of the data is one."""
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    groups: dict[str, Any] = OmegaConf.to_container(own)  # type: ignore[assignment]
    kept = {group: _consequential(group, values) for group, values in groups.items()}
    return OmegaConf.to_yaml({group: values for group, values in kept.items() if values not in ({}, None)})


def _consequential(group: str, values: Any) -> Any:  # noqa: ANN401 - of a group its settings, or one plain value
    """Return the values of a group that can change a result; `sweep.zip` and its like only say which runs there are."""
    if not isinstance(values, dict):
        return values if _is_consequential(group, values) else None
    named = {key: group if key == "name" else f"{group}.{key}" for key in values}
    return {key: as_number(name, values[key]) for key, name in named.items() if _is_consequential(name, values[key])}


def _is_consequential(name: str, value: object) -> bool:
    setting = all_settings().get(name, Setting())
    return setting.affects != "sweep" and setting.in_sweep_hash(value)


@dataclass(frozen=True, slots=True)
class PreviousRuns:
    """What earlier commands have done of the same sweep."""

    parent: StoredRun | None  # None: this is the first command
    finished: Mapping[str, StoredRun]  # by run hash
    unfinished: Mapping[str, StoredRun]  # by `describe_varied`; they are repeated, and then deleted
    continues: bool = False  # a run that was stopped is continued instead

    def to_continue(self, run_hash: str) -> StoredRun | None:
        """Return the unfinished run with this hash if it is continued, as runs of folds are, whose folds are kept."""
        found = (run for run in self.unfinished.values() if run.tags[RUN_HASH] == run_hash)
        return next((run for run in found if FOLDS in run.tags or (self.continues and run.status != "FAILED")), None)


def find_previous_runs(tracking: TrackingConfig, spec: SweepSpec, *, resume: str) -> PreviousRuns:
    """Return what the store has of a sweep; nothing where `resume` is ``never``.

    Raises:
        SweepError: `resume` is an id, but not one of this sweep.

    """
    found = [] if resume == "never" else list(sweeps_with(tracking.uri, key=spec.key))
    if resume not in ("auto", "never"):
        found = [run for run in found if run.run_id.startswith(resume)]
        if not found:
            raise SweepError(
                f"sweep.resume must be auto, never, or the id of a sweep with exactly these overrides; {resume!r} is "
                f"none of them. {_how_to_resume(spec, resume)}"
            )
    if not found:
        return PreviousRuns(None, {}, {})
    return previous_runs_of(found[0], tracking.uri)


def previous_runs_of(parent: StoredRun, uri: str) -> PreviousRuns:
    """Return what the store has under a parent run."""
    children = [run for run in runs_of(uri, parent.run_id) if RUN_HASH in run.tags]
    finished = {run.tags[RUN_HASH]: run for run in children if run.status == "FINISHED"}
    unfinished = {run.tags[VARIED]: run for run in children if run.status != "FINISHED"}
    return PreviousRuns(parent, finished, unfinished)


def _how_to_resume(spec: SweepSpec, resume: str) -> str:
    if spec.extend:
        return "Code of --extend counts too: give it as its runs recorded it, in their artifacts extensions/."
    return f"`cnnexp resume {resume}` uses the overrides of that sweep."


def begin_sweep(tracking: TrackingConfig, spec: SweepSpec, *, resume: str) -> "tuple[PreviousRuns, ParentRun]":
    """Deliver what killed sweeps left in the outbox, find what was done before, and begin or continue the parent run.

    Raises:
        TrackingError: there is no store; within ten seconds.
        SweepError: the sweep is running in another process, or `resume` is an id, but not one of this sweep.

    """
    reach(absolute_uri(tracking.uri))
    outbox = at_home(tracking.outbox)
    with begun_alone(outbox, spec.key):
        if resume != "never" and is_running(outbox, uri=tracking.uri, tag=SWEEP_KEY, value=spec.key):
            raise SweepError(
                "A sweep can be executed by one process at a time; one with the same overrides is running. Wait for "
                "it, or start another sweep: sweep.resume=never."
            )
        deliver_orphans(outbox, tags=(SWEEP_ID, SWEEP_KEY, FOLDS))
        previous = find_previous_runs(tracking, spec, resume=resume)
        if previous.parent is not None:
            _refuse_queued(previous.parent)
        return previous, ParentRun.begin(tracking, spec, continued=previous.parent)


def _refuse_queued(parent: StoredRun) -> None:
    """Refuse a sweep that waits or runs in the queue of Slurm."""
    jobs = [int(number) for number in parent.tags.get(SLURM_JOBS, "").split()]
    if jobs and slurm.are_queued(jobs):
        *runs, comparison = jobs
        listed = ",".join(map(str, jobs))
        raise SweepError(
            "A sweep can be executed once at a time; this one is in the queue of Slurm, its comparison as job "
            f"{comparison}. Watch it: squeue --jobs={listed}. Stop it: scancel {' '.join(map(str, runs))}. Or start "
            "another sweep: sweep.resume=never."
        )


class Parent(Protocol):
    """What runs are recorded under: a sweep, or a run of folds."""

    @property
    def commit(self) -> Commit | None:
        """The state of the code, the same for all runs."""

    def tags(self, *, varied: Mapping[str, str], run_hash: str) -> dict[str, str]:
        """Return the tags of one of its runs."""


class ParentRun:
    """The parent run of a sweep, whose record this process owns."""

    def __init__(self, record: OwnedRecord, commit_reader: CommitReader, *, continued: StoredRun | None) -> None:
        self._record = record
        self._commit_reader = commit_reader
        self._continued = continued

    @classmethod
    def begin(cls, tracking: TrackingConfig, spec: SweepSpec, *, continued: StoredRun | None) -> Self:
        """Begin a parent run, or continue that of an earlier command."""
        commit_reader = CommitReader.start(Path.cwd())
        record = OwnedRecord.begin(
            tracking,
            run_name=spec.name,
            parameters=spec.varied,
            config_yaml=None,
            tags={
                SWEEP_KEY: spec.key,
                VARIED: ", ".join(spec.varied),
                **tags_to_resume(spec.overrides, config_dir=spec.config_dir),
            },
            commit=None,
            run_id=None if continued is None else continued.run_id,
        )
        return cls(record, commit_reader, continued=continued)

    @property
    def key(self) -> str:
        """Names the sweep, the same for every command that continues it."""
        return self._record.key if self._continued is None else self._continued.tags[RECORD]

    @cached_property
    def run_id(self) -> str:
        """Its id; waits until the store has taken it.

        Raises:
            TrackingError: the store refuses, or does not answer.

        """
        return self._record.wait_for_run_id()

    @property
    def commit(self) -> Commit | None:
        """The state of the code, the same for all runs."""
        return self._commit_reader.result()

    def tags(self, *, varied: Mapping[str, str], run_hash: str) -> dict[str, str]:
        """Return the tags of one of its runs."""
        return tags_under(self.run_id, varied=varied, run_hash=run_hash)

    def hand_over(self, jobs: Sequence[int], folder: Path) -> OwnedRecord:
        """Let go of the parent, which the jobs of Slurm go on with, the last of them ending it."""
        self._record.add(tags={SLURM_JOBS: " ".join(map(str, jobs)), SLURM_FOLDER: str(folder)}, files={})
        self._record.hand_over()
        return self._record

    def discard(self) -> None:
        """Remove the parent of a sweep that cannot begin; leave one that is continued as it was."""
        if self._continued is None:
            self._record.discard()
        else:
            self._record.end(self._continued.status)

    def end(
        self, status: str, description: str, files: Mapping[str, bytes], metrics: Mapping[str, float]
    ) -> OwnedRecord:
        """End the parent with a description in Markdown; the caller waits for the delivery of its record."""
        self._record.add(tags={"mlflow.note.content": description}, files=files, metrics=metrics)
        self._record.end(status)
        return self._record


def tags_under(parent_id: str, *, varied: Mapping[str, str], run_hash: str) -> dict[str, str]:
    """Return the tags of a run under a parent run."""
    return {PARENT: parent_id, SWEEP_ID: parent_id, VARIED: describe_varied(varied), RUN_HASH: run_hash}


def describe_varied(varied: Mapping[str, str]) -> str:
    """Return what distinguishes a run from the others of its sweep, whatever the order of the overrides."""
    return ", ".join(f"{key}={value}" for key, value in sorted(varied.items()))
