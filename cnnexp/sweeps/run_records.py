"""The runs of a sweep from their beginning to their end: each run's record, result, and line in the terminal."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cnnexp.compose import columns, other_settings, to_yaml
from cnnexp.config import ExperimentConfig
from cnnexp.records import FoldResult, FoldsSummary, RunInfo
from cnnexp.report.run.folds import headline
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.runs.checkpoint_folder import hashed
from cnnexp.sweeps.attempts import Attempts
from cnnexp.sweeps.executors.leases import GpuNeed
from cnnexp.sweeps.jobs import Job, JobSource
from cnnexp.sweeps.results import Result, Results
from cnnexp.sweeps.run_hash import memory_form
from cnnexp.sweeps.sweep_records import Parent, PreviousRuns, describe_varied
from cnnexp.system.secrets import masked
from cnnexp.tracking import OwnedRecord
from cnnexp.tracking.outbox import entries
from cnnexp.tracking.store.connection import absolute_uri
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import FOLDS, PARENT, PRUNED, RECORD


@dataclass(slots=True)
class SweepRun:
    """A run that is to be done, or is being done."""

    job: Job
    run_hash: str  # empty: its data could not be read
    config: ExperimentConfig  # of the job, with device, threads and precision decided
    data_digest: str
    attempts: Attempts
    parent: Parent  # that it is recorded under
    previous: PreviousRuns  # under the same parent
    started: float = 0.0  # monotonic seconds
    info: RunInfo | None = None
    folds: tuple[FoldResult, ...] | None = None  # of a run of folds, when all of them have ended
    summary: FoldsSummary | None = None  # of a run of folds, when its final model is finished
    has_ended: bool = False
    _record: OwnedRecord | None = None

    @property
    def threads(self) -> int:
        """Cores it computes on."""
        return int(self.config.training.threads)

    @property
    def gpu(self) -> GpuNeed | None:
        """The GPU that it computes on; None: the processor."""
        if self.config.training.device != "gpu":
            return None
        number = self.job.config.training.device.partition(":")[2]
        form = hashed([self.data_digest, memory_form(self.config)])
        every = self.config.training.strategy == "mirrored"
        return GpuNeed(form, int(number) if number else None, every)

    @property
    def config_here(self) -> ExperimentConfig:
        """Its configuration for a process of this machine, with the device decided: the process sees only that."""
        device = self.config.training.device
        return replace(self.job.config, training=replace(self.job.config.training, device=device))

    @property
    def checkpoint(self) -> str:
        """Key of the folder of its checkpoint, the same for every attempt at it under the same parent."""
        return hashed([absolute_uri(self.job.config.tracking.uri), self._tags.get(PARENT), self.run_hash])

    @property
    def _tags(self) -> Mapping[str, str]:
        return self.parent.tags(varied=self.job.varied, run_hash=self.run_hash)

    @property
    def record(self) -> OwnedRecord:
        """Record of the current attempt, once that has begun."""
        assert self._record is not None
        return self._record

    def begin_record(self) -> None:
        """Begin a record under the parent; it replaces that of an earlier command in which the run did not finish.

        Where that is continued, as a run of folds is because its finished folds are under it, the run stays the same.
        """
        config, previous = self.job.config, self.previous
        continued = previous.to_continue(self.run_hash)
        repeated = continued is None and not config.data.has_folds
        unfinished = previous.unfinished.get(describe_varied(self.job.varied)) if repeated else None
        self._record = OwnedRecord.begin(
            config.tracking,
            run_name=self.job.name,
            parameters=columns(config, self.job.overrides),
            config_yaml=to_yaml(config),
            tags={
                **self._tags,
                **other_settings(config, self.job.overrides),
                **({FOLDS: str(config.data.folds)} if config.data.has_folds else {}),
            },
            commit=self.parent.commit,
            run_id=continued.run_id if continued is not None else None,
            replaces=unfinished.tags[RECORD] if unfinished is not None else None,
        )

    def end_record(self, status: str, tags: Mapping[str, str], traceback: str | None) -> None:
        """Record how the run ended, and after how many attempts."""
        files = {} if traceback is None else entries.traceback_file(traceback)
        number = self.attempts.number
        attempts = {"attempts": str(number)} if number > 1 else {}
        self.record.add(tags={**tags, **attempts}, files=files)
        self.record.end(status)
        self.has_ended = True


class RunRecords:
    """Begins and ends the runs of a sweep: in their records, among the results, for the source and in the terminal."""

    def __init__(self, source: JobSource, report: SweepReport, *, objective: str) -> None:
        self._source = source
        self._report = report
        self._ended: list[OwnedRecord] = []
        self.results = Results(objective)

    def begin(self, run: SweepRun) -> None:
        """Begin an attempt at a run; a run of folds has begun with the first of them."""
        if run.folds is None:
            run.started = time.monotonic()
            run.begin_record()

    def finish(self, run: SweepRun, metrics: Mapping[str, float], *, pruned: bool, failed_learning: str | None) -> None:
        """End a run that has finished, or was pruned."""
        seconds = time.monotonic() - run.started
        if run.job.fold is not None:
            self._end_record(run, "FINISHED", {})
            accuracy, epoch = metrics["test/accuracy"], metrics["best/epoch"]
            text = f"accuracy {accuracy:.3f} on the images that it judges (epoch {epoch:.0f}, {seconds:.1f} s)"
            self._report_end(run, text, good=failed_learning is None)
            return
        status = "pruned" if pruned else "FINISHED"
        result = Result.from_job(run.job, status, metrics, run.info, seconds, failed_learning=failed_learning)
        if run.config.tracking.models == "best" and self.results.is_beaten(result):
            run.record.remove_model()  # nothing of it has been delivered: a model goes with the end of its record
        self._end_record(run, "FINISHED", {})
        self.results.add(result)
        self._source.run_ended(run.job.number, metrics, pruned=pruned)
        self._report_end(run, _folds_text(run) or result.summary, good=failed_learning is None)

    def fail(self, run: SweepRun, reason: str, traceback: str) -> None:
        """End a run that has failed."""
        self._end_record(run, "FAILED", {"failure": masked(reason)}, traceback or f"{reason}\n")
        if run.job.fold is not None:
            self._report_end(run, reason, good=False)
            return
        self.results.add(Result.from_job(run.job, "FAILED", {}, run.info, None, reason=reason))
        self._source.run_ended(run.job.number, None, pruned=False)
        self._report_end(run, reason, good=False)

    def kill(self, run: SweepRun) -> None:
        """End a run that was stopped with the sweep."""
        self._end_record(run, "KILLED", {})
        if run.job.fold is not None:
            return
        self.results.add(Result.from_job(run.job, "KILLED", {}, run.info, None))
        self._source.run_ended(run.job.number, None, pruned=False)

    def discard(self, run: SweepRun, reason: str) -> None:
        """End an attempt that another one follows: nothing of it stays in the store."""
        if run.folds is None:
            run.record.discard()
            self._ended.append(run.record)
        else:
            run.record.remove_model()  # its folds are under it
        self._report.retried(run.job.key, run.job.label, reason, alone=run.attempts.alone)

    def refuse(self, reason: str) -> None:
        """Note a combination that cannot be composed."""
        self.results.refused(reason)
        self._report.not_composed(reason, best=self.results.best_summary)

    def skip_finished(self, job: Job, run_hash: str, stored: StoredRun) -> None:
        """Note a run that an earlier command has finished."""
        self.results.expect(run_hash, job.number)
        self.results.add(Result.from_store(job.number, job.name, job.varied, stored))
        self._source.run_ended(job.number, stored.metrics, pruned=PRUNED in stored.tags)
        self._report.skipped(self.results.best_summary)

    def skip_duplicate(self, job: Job, run_hash: str) -> None:
        """Note a run that equals one before; the source gets what it got, or will get, for that one."""
        duplicate = self.results.of(run_hash)
        metrics = None if duplicate is None else duplicate.metrics
        self._source.run_ended(job.number, metrics, pruned=duplicate is not None and duplicate.status == "pruned")
        self._report.skipped(self.results.best_summary)

    def deliver(self) -> list[OwnedRecord]:
        """Wait until every record is in the store; return those that had to be kept in the outbox."""
        for record in self._ended:
            record.wait()
        return [record for record in self._ended if record.kept_reason is not None]

    def _end_record(self, run: SweepRun, status: str, tags: Mapping[str, str], traceback: str | None = None) -> None:
        run.end_record(status, tags, traceback)
        self._ended.append(run.record)

    def _report_end(self, run: SweepRun, text: str, *, good: bool) -> None:
        self._report.ended(run.job.key, run.job.label, text, good=good, best=self.results.best_summary)


def _folds_text(run: SweepRun) -> str:
    """Return what the folds of a run say together; empty for an ordinary run."""
    return "" if run.summary is None else headline(run.summary.evaluation, run.summary.folds)
