"""The parent run of a sweep: begun before its first run, gone on with by a later command of the same words."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cnnexp.compose import columns, other_settings, to_yaml
from cnnexp.config import ExperimentConfig, TrackingConfig
from cnnexp.errors import SweepError
from cnnexp.records import RunInfo
from cnnexp.sweeps.jobs import Job
from cnnexp.tracking import OwnedRecord, deliver_orphans, is_running
from cnnexp.tracking.provenance import Commit, CommitReader
from cnnexp.tracking.store.connection import absolute_uri, reach
from cnnexp.tracking.store.find_runs import runs_of, sweeps_with
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import PARENT, RECORD, RUN_HASH, SWEEP_ID, SWEEP_KEY, SWEEP_WORDS, VARIED


@dataclass(frozen=True, slots=True)
class Past:
    """What earlier commands of the same words have come to."""

    parent: StoredRun | None  # None: this is the first
    finished: Mapping[str, StoredRun]  # by identity
    broken: Mapping[str, StoredRun]  # begun and not finished, by what varied: repeated, and then deleted


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep is, before anything of it is done."""

    name: str
    key: str  # see `run_hash.hash_sweep`
    words: Sequence[str]  # of the command
    varied: Mapping[str, str]  # setting -> its values, as written


def read_past(tracking: TrackingConfig, plan: Plan, *, resume: str) -> Past:
    """Return what there is of the sweep already.

    Raises:
        SweepError: `resume` names no such sweep.

    """
    found = [] if resume == "never" else list(sweeps_with(tracking.uri, key=plan.key))
    if resume not in ("auto", "never"):
        found = [run for run in found if run.run_id.startswith(resume)]
        if not found:
            raise SweepError(
                f"sweep.resume must be auto, never, or the id of a sweep of these very words; {resume!r} is none. "
                f"`cnnexp resume {resume}` uses the words of that sweep."
            )
    if not found:
        return Past(None, {}, {})
    children = [run for run in runs_of(tracking.uri, found[0].run_id) if RUN_HASH in run.tags]
    finished = {run.tags[RUN_HASH]: run for run in children if run.status == "FINISHED"}
    broken = {run.tags[VARIED]: run for run in children if run.status != "FINISHED"}
    return Past(found[0], finished, broken)


def settle(tracking: TrackingConfig, plan: Plan, *, resume: str) -> None:
    """Deliver what sweeps left behind whose process was killed.

    Raises:
        TrackingError: within ten seconds, where there is no store to deliver to.
        SweepError: this very sweep, which is to be gone on with, is going on in another process.

    """
    reach(absolute_uri(tracking.uri))
    outbox = Path(tracking.outbox)
    if resume != "never" and is_running(outbox, uri=tracking.uri, tag=SWEEP_KEY, value=plan.key):
        raise SweepError(
            "A sweep is carried out by one process at a time; one with these words is going on. Wait for it, or begin "
            "another: sweep.resume=never."
        )
    deliver_orphans(outbox, tags=(SWEEP_ID, SWEEP_KEY))


class Parent:
    """The parent's record, held while the sweep lasts."""

    def __init__(self, tracking: TrackingConfig, plan: Plan, past: Past) -> None:
        self._commit_reader = CommitReader.start(Path.cwd())
        self._tracking = tracking
        self._before = past.parent
        self._record = OwnedRecord.begin(
            tracking,
            run_name=plan.name,
            parameters=plan.varied,
            config_yaml=None,
            tags={
                SWEEP_KEY: plan.key,
                SWEEP_WORDS: json.dumps(list(plan.words)),
                VARIED: ", ".join(plan.varied),
            },
            commit=None,
            run_id=None if past.parent is None else past.parent.run_id,
        )

    @property
    def key(self) -> str:
        """Names the sweep, whichever command goes on with it."""
        return self._record.key if self._before is None else self._before.tags[RECORD]

    @cached_property
    def run_id(self) -> str:
        """Its id; waits until the store has taken it.

        Raises:
            TrackingError: the store refuses, or says nothing.

        """
        return self._record.wait_for_run_id()

    @property
    def commit(self) -> Commit | None:
        """The state of the code, the same for all runs."""
        return self._commit_reader.result()

    def tags(self, *, varied: Mapping[str, str], identity: str) -> dict[str, str]:
        """Return the tags of one of its runs."""
        return {
            PARENT: self.run_id,
            SWEEP_ID: self.run_id,
            VARIED: in_words(varied),
            RUN_HASH: identity,
        }

    def discard(self) -> None:
        """Take a parent back whose sweep cannot begin; one that was there before is left as it was."""
        if self._before is None:
            self._record.discard()
        else:
            self._record.end(self._before.status)

    def end(self, status: str, description: str, files: Mapping[str, bytes]) -> OwnedRecord:
        """End the parent with a description in Markdown; its delivery is still to be waited for."""
        self._record.add(tags={"mlflow.note.content": description}, files=files)
        self._record.end(status)
        return self._record


def in_words(varied: Mapping[str, str]) -> str:
    """Return what distinguishes a run from the others of its sweep, whatever the order of the words."""
    return ", ".join(f"{key}={value}" for key, value in sorted(varied.items()))


@dataclass(slots=True)
class Run:
    """What the sweep knows of a run that is not done."""

    job: Job
    identity: str
    config: ExperimentConfig  # of the job, with threads and precision decided
    digest: str  # of its data
    attempt: int = 0
    began: float = 0.0  # monotonic seconds
    info: RunInfo | None = None
    _record: OwnedRecord | None = None

    @property
    def threads(self) -> int:
        """Cores it computes on."""
        return int(self.config.training.threads)

    @property
    def record(self) -> OwnedRecord:
        """Of the current attempt, once it has begun."""
        assert self._record is not None
        return self._record

    def begin_record(self, parent: Parent, past: Past) -> None:
        """Begin a record under the parent; it replaces that of an earlier command in which the run was broken."""
        config = self.job.config
        broken = past.broken.get(in_words(self.job.varied))
        self._record = OwnedRecord.begin(
            config.tracking,
            run_name=self.job.name,
            parameters=columns(config, self.job.words),
            config_yaml=to_yaml(config),
            tags={
                **parent.tags(varied=self.job.varied, identity=self.identity),
                **other_settings(config, self.job.words),
            },
            commit=parent.commit,
            replaces=broken.tags[RECORD] if broken is not None else None,
        )

    def end_record(self, status: str, tags: Mapping[str, str], traceback: str | None) -> None:
        """Record how the run ended, and after how many attempts."""
        files = {} if traceback is None else {"traceback.txt": traceback.encode()}
        attempts = {"attempts": str(self.attempt)} if self.attempt > 1 else {}
        self.record.add(tags={**tags, **attempts}, files=files)
        self.record.end(status)
