"""Carrying out a sweep: free cores get the next run, lost runs are tried again, every state is told and recorded.

Knows neither Hydra nor where runs come from.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cnnexp.config import SweepConfig
from cnnexp.errors import CnnexpError
from cnnexp.records import EpochValues
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.executors import protocol
from cnnexp.sweeps.executors.protocol import Assignment, Message, Worker, Workforce
from cnnexp.sweeps.inspector import Surveyor
from cnnexp.sweeps.jobs import Job
from cnnexp.sweeps.results import Result, Results
from cnnexp.sweeps.run_hash import hash_run, resolve
from cnnexp.sweeps.sweep_records import Parent, Past, Run
from cnnexp.system.signals import Interrupts
from cnnexp.tracking import OwnedRecord
from cnnexp.tracking.outbox.record_folder import readable

_PATIENCE = 0.5  # seconds to listen before looking around


class Source(Protocol):
    """Where the runs of a sweep come from, and who hears how they go."""

    may_stop: bool  # it has a say after every epoch

    @property
    def ahead(self) -> bool:
        """Whether what comes next does not depend on how the runs before it go."""

    def next(self) -> Job | None:
        """Return the next run; None: there is none, or none before another has ended.

        Raises:
            ConfigError: the settings of this run contradict each other; asking again gives the run after it.

        """

    def hopeless(self, number: int, values: EpochValues) -> bool:
        """Hear of an epoch and say whether the run should stop."""

    def ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Hear how a run ended; None: it failed, or was not let finish."""


class Conductor:
    """One sweep while it is carried out."""

    def __init__(
        self,
        *,
        settings: SweepConfig,
        source: Source,
        parent: Parent,
        past: Past,
        workers: Workforce,
        surveyor: Surveyor,
        report: SweepReport,
        folder: Path,
    ) -> None:
        self._settings = settings
        self._source = source
        self._parent = parent
        self._past = past
        self._workers = workers
        self._surveyor = surveyor
        self._report = report
        self._folder = folder
        self._running: dict[Worker, Run] = {}
        self._waiting: list[Run] = []  # composed, or lost and to be tried again
        self._ended: list[OwnedRecord] = []
        self._interrupts = Interrupts(report.note)
        self.results = Results(settings.objective)

    def conduct(self) -> str:
        """Carry out all runs; return FINISHED, or KILLED after Ctrl-C."""
        with self._interrupts:
            try:
                while self._goes_on():
                    for worker, message in self._workers.listen(patience=_PATIENCE):
                        self._hear(worker, message)
            finally:  # nothing is running any more, unless it is stopped now
                self._kill_all()
        return "KILLED" if self._interrupts.asked else "FINISHED"

    def _goes_on(self) -> bool:
        """Start what there is room for; tell whether there is anything to wait for."""
        if self._interrupts.asked:
            return bool(self._running)
        left = self._fill()
        return left or bool(self._running)

    def deliver(self) -> list[OwnedRecord]:
        """Wait until every record is in the store; return those that had to be kept."""
        for record in self._ended:
            record.wait()
        return [record for record in self._ended if record.kept_reason is not None]

    def _fill(self) -> bool:
        """Start runs while there is room; tell whether there may be more."""
        while self._waiting or self._source.ahead or self._workers.has_room(1):
            if (run := self._next()) is None:
                return False
            if self._interrupts.asked or not self._workers.has_room(run.threads):  # it may have been asked meanwhile
                self._waiting.insert(0, run)
                return True
            self._start(run)
        return True

    def _next(self) -> Run | None:
        if self._waiting:
            return self._waiting.pop(0)
        while not self._interrupts.asked and (job := self._composed()) is not None:
            run = self._prepared(job)
            if run is not None:
                return run
        return None

    def _composed(self) -> Job | None:
        while True:
            try:
                return self._source.next()
            except CnnexpError as error:
                self.results.refused(str(error))
                self._report.ended(-1, "not composed", str(error), good=False, best=self.results.best_in_words)

    def _prepared(self, job: Job) -> Run | None:
        """Return the run of a job; None: it is done already, or cannot be done on its data."""
        try:
            facts = self._surveyor.facts(job.config.data, otherwise=self._hear, give_up=self._nothing_may_finish)
        except CnnexpError as error:
            if not self.results.all and not self._running:
                raise  # nothing has begun, and most likely nothing can
            run = Run(job, identity="", config=job.config, digest="")
            run.begin_record(self._parent, self._past)
            self._failed(run, str(error), traceback="")
            return None
        config = resolve(job.config, facts, cores=self._workers.cores)
        mark = hash_run(config, facts)
        if mark in self._past.finished:
            self._done_before(job, mark)
            return None
        if self.results.knows(mark):
            self._report.note(f"{job.name} is the same run as one before; it is done once.")
            self._tell_as_twin(job, mark)
            return None
        self.results.expect(mark, job.number)
        return Run(job, mark, config, facts.digest)

    def _nothing_may_finish(self) -> bool:
        """Tell whether the sweep is to stop and has no run to wait for."""
        return self._interrupts.asked and not self._running

    def _done_before(self, job: Job, mark: str) -> None:
        if self.results.knows(mark):
            self._tell_as_twin(job, mark)
            return
        self.results.expect(mark, job.number)
        recorded = self._past.finished[mark]
        self.results.add(Result.recorded(job.number, job.name, job.varied, recorded))
        self._source.ended(job.number, recorded.metrics, pruned="pruned" in recorded.tags)
        self._report.skipped(self.results.best_in_words)

    def _tell_as_twin(self, job: Job, mark: str) -> None:
        """Have the source hear of a run what it has heard, or will hear, of the one that is the same."""
        twin = self.results.of(mark)
        pruned = twin is not None and twin.status == "pruned"
        self._source.ended(job.number, None if twin is None else twin.metrics, pruned=pruned)
        self._report.skipped(self.results.best_in_words)

    def _start(self, run: Run) -> None:
        run.attempt += 1
        run.began = time.monotonic()
        run.begin_record(self._parent, self._past)
        job = run.job
        worker = self._workers.start(
            Assignment(
                name=job.name,
                config=run.config if self._workers.far else job.config,
                digest=run.digest if self._workers.far else None,
                record=run.record.folder,
                environment=job.environment,
                may_be_stopped=self._source.may_stop,
            ),
            log=self._folder / f"{job.number:04}-{readable(job.name)}.log",
            threads=run.threads,
            time_limit=self._settings.time_limit,
        )
        self._running[worker] = run
        self._report.started(job.number, job.name, epochs=job.config.training.epochs)

    def _hear(self, worker: Worker, message: Message) -> None:
        run = self._running[worker]
        number = run.job.number
        match message:
            case protocol.Grown():
                run.record.notify()
            case protocol.Planned(info):
                run.info = info
            case protocol.Progressed(stage, done, total):
                self._report.stage(number, stage, done, total)
            case protocol.EpochEnded(values):
                self._report.epoch(number, values)
                hopeless = self._source.hopeless(number, values)
                if self._source.may_stop:
                    worker.answer(hopeless)
            case protocol.Finished(metrics, pruned):
                del self._running[worker]
                self._finished(run, metrics, pruned)
            case protocol.Failed(reason, traceback, expected):
                del self._running[worker]
                self._broken(run, reason, traceback, again=not expected)
            case protocol.Lost(reason):
                del self._running[worker]
                self._broken(run, reason, "", again=True)
            case protocol.Unfit(reason):
                del self._running[worker]
                run.attempt -= 1  # it has not been one
                self._begin_again(run, reason)

    def _finished(self, run: Run, metrics: Mapping[str, float], pruned: int | None) -> None:
        self._end_record(run, "FINISHED", {})
        result = Result.of(run.job, "pruned" if pruned else "FINISHED", metrics, run.info, time.monotonic() - run.began)
        self.results.add(result)
        self._source.ended(run.job.number, metrics, pruned=pruned is not None)
        self._report.ended(run.job.number, run.job.name, result.in_words, good=True, best=self.results.best_in_words)

    def _broken(self, run: Run, reason: str, traceback: str, *, again: bool) -> None:
        if not again or run.attempt > self._settings.retries:
            self._failed(run, reason, traceback)
        elif self._interrupts.asked:
            self._killed(run)
        else:
            self._begin_again(run, reason)

    def _begin_again(self, run: Run, reason: str) -> None:
        run.record.discard()
        self._ended.append(run.record)
        self._waiting.insert(0, run)
        self._report.again(run.job.number, run.job.name, reason)

    def _failed(self, run: Run, reason: str, traceback: str) -> None:
        self._end_record(run, "FAILED", {"failure": reason}, traceback or f"{reason}\n")
        self.results.add(Result.of(run.job, "FAILED", {}, run.info, None, reason=reason))
        self._source.ended(run.job.number, None, pruned=False)
        self._report.ended(run.job.number, run.job.name, reason, good=False, best=self.results.best_in_words)

    def _end_record(self, run: Run, status: str, tags: Mapping[str, str], traceback: str | None = None) -> None:
        run.end_record(status, tags, traceback)
        self._ended.append(run.record)

    def _kill_all(self) -> None:
        """Stop now: what was running is KILLED."""
        for worker in self._workers.kill_all():
            with suppress(KeyError):  # a reader of data has no run
                self._killed(self._running.pop(worker))

    def _killed(self, run: Run) -> None:
        self._end_record(run, "KILLED", {})
        self.results.add(Result.of(run.job, "KILLED", {}, run.info, None))
        self._source.ended(run.job.number, None, pruned=False)
