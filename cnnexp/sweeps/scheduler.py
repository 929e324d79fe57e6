"""The main loop of a sweep: starts the next run where there is room, and acts on what the workers report.

Knows neither Hydra nor where jobs come from.
"""

from contextlib import suppress
from pathlib import Path

from cnnexp.config import SweepConfig
from cnnexp.report.model_room import ModelSize
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.executors import protocol
from cnnexp.sweeps.executors.leases import GpuNeed
from cnnexp.sweeps.executors.protocol import Executor, Message, TrainTask, WorkerHandle
from cnnexp.sweeps.inspector import DatasetInspector, ExecutorReader
from cnnexp.sweeps.jobs import JobSource
from cnnexp.sweeps.results import Results
from cnnexp.sweeps.run_queue import RunQueue
from cnnexp.sweeps.run_records import RunRecords, SweepRun
from cnnexp.sweeps.sweep_records import Parent, PreviousRuns
from cnnexp.system.signals import Interrupts
from cnnexp.tracking import OwnedRecord
from cnnexp.tracking.outbox.record_folder import readable

_TIMEOUT = 0.5  # seconds to wait for messages before checking for interrupts


class Scheduler:
    """Executes one sweep."""

    def __init__(
        self,
        *,
        settings: SweepConfig,
        source: JobSource,
        parent: Parent,
        previous: PreviousRuns,
        executor: Executor,
        report: SweepReport,
        folder: Path,
    ) -> None:
        self._settings = settings
        self._source = source
        self._executor = executor
        self._report = report
        self._folder = folder
        self._running: dict[WorkerHandle, SweepRun] = {}
        self._last_gpu: GpuNeed | None = None  # of the run that was started last
        self._warnings: set[str] = set()  # that were printed
        self._interrupts = Interrupts(report.note)
        self._records = RunRecords(source, report, objective=settings.objective)
        reader = ExecutorReader(
            executor,
            report,
            log=folder / "data.log",
            retries=settings.retries,
            on_message=self._handle,
            give_up=lambda: self._interrupts.stop_requested and not self._running,
        )
        self._queue = RunQueue(
            source,
            self._records,
            parent,
            previous,
            DatasetInspector(reader),
            executor,
            report,
            retries=settings.retries,
            is_idle=lambda: not self._running,
            is_stopping=lambda: self._interrupts.stop_requested,
        )

    @property
    def results(self) -> Results:
        """The results so far."""
        return self._records.results

    @property
    def runs_of_folds(self) -> list[SweepRun]:
        """Those that this command has begun."""
        return self._queue.runs_of_folds

    def run(self) -> str:
        """Execute all runs; return FINISHED, or KILLED after Ctrl-C."""
        with self._interrupts:
            try:
                while self._start_runs() or self._running:
                    for worker, message in self._executor.receive(timeout=_TIMEOUT):
                        self._handle(worker, message)
            finally:  # by now nothing is running, unless the sweep is stopped at once
                self._kill_all()
                self._queue.kill_unfinished_folds()
        return "KILLED" if self._interrupts.stop_requested else "FINISHED"

    def deliver(self) -> list[OwnedRecord]:
        """Wait until every record is in the store; return those that had to be kept in the outbox."""
        return self._records.deliver()

    def _start_runs(self) -> bool:
        """Start runs while there is room; return whether more may follow."""
        while not self._interrupts.stop_requested and (self._queue.is_independent or self._has_room_for_any()):
            if (run := self._queue.next_run()) is None:
                return False
            if self._interrupts.stop_requested or not self._has_room(run):  # interrupted meanwhile
                self._queue.put_back(run)
                return True
            self._start(run)
        return not self._interrupts.stop_requested

    def _has_room_for_any(self) -> bool:
        """Return whether a run can start that computes on what the last one does."""
        return self._executor.has_room(1, self._last_gpu)

    def _has_room(self, run: SweepRun) -> bool:
        if self._running and (run.attempts.alone or any(one.attempts.alone for one in self._running.values())):
            return False
        return self._executor.has_room(run.threads, run.gpu)

    def _start(self, run: SweepRun) -> None:
        self._records.begin(run)
        self._last_gpu = run.gpu
        job = run.job
        worker = self._executor.start(
            TrainTask(
                name=job.name,
                config=run.config if self._executor.remote else run.config_here,
                digest=run.data_digest if self._executor.remote else None,
                record=run.record.folder,
                environment=job.environment,
                prunable=self._source.prunes,
                command=job.command,
                checkpoint=run.checkpoint,
                folds=run.folds,
            ),
            log=self._folder / f"{job.number:04}-{readable(job.name)}.log",
            threads=run.threads,
            time_limit=self._settings.time_limit,
            gpu=run.gpu,
        )
        self._running[worker] = run
        self._report.started(job.key, job.label, epochs=job.config.training.all_epochs)

    def _handle(self, worker: WorkerHandle, message: Message) -> None:
        run = self._running[worker]
        number, key = run.job.number, run.job.key
        if isinstance(message, protocol.FINAL_MESSAGES):
            del self._running[worker]
        match message:
            case protocol.RecordGrew():
                run.record.notify()
            case protocol.Planned(info):
                run.info = info
                kept = run.job.config.tracking.models
                self._report.model_known(ModelSize.of_run(info), kept=kept)
            case protocol.Progressed(stage, done, total):
                self._report.stage(key, stage, done, total)
            case protocol.EpochEnded(values):
                self._report.epoch(key, values)
                prune = self._source.should_prune(number, values)
                if self._source.prunes:
                    worker.answer(prune)
            case protocol.Noted(text, attention):
                self._note(run, text, attention=attention)
            case protocol.FoldsPooled(summary):
                run.summary = summary
            case protocol.Finished(metrics, pruned_after, failed_learning):
                self._records.finish(run, metrics, pruned=pruned_after is not None, failed_learning=failed_learning)
                if run.job.fold is not None:
                    self._queue.fold_ended(run, failure=None)
            case protocol.Failed() | protocol.WorkerDied():
                self._retry_or_end(run, message)
            case protocol.NodeUnsuitable(reason):
                self._restart(run, reason)

    def _retry_or_end(self, run: SweepRun, ended: protocol.Failed | protocol.WorkerDied) -> None:
        if not run.attempts.another_after(ended):
            traceback = ended.traceback if isinstance(ended, protocol.Failed) else ""
            reason = ended.reason
            if ended.memory and run.attempts.alone and isinstance(ended, protocol.WorkerDied):
                reason += " Nothing ran beside it. training.accumulate=auto tries how many images fit at a time."
            self._records.fail(run, reason, traceback)
            if run.job.fold is not None:
                self._queue.fold_ended(run, failure=reason)
        elif self._interrupts.stop_requested:
            self._records.kill(run)
        else:
            run.attempts.begin_another(alone=ended.memory)
            self._restart(run, ended.reason)

    def _note(self, run: SweepRun, text: str, *, attention: bool) -> None:
        """Print what a run says, a warning that others have, too, once."""
        if not attention or text not in self._warnings:
            self._report.note(f"{run.job.label}: {text}", attention=attention)
        if attention:
            self._warnings.add(text)

    def _restart(self, run: SweepRun, reason: str) -> None:
        self._records.discard(run, reason)
        self._queue.put_back(run)

    def _kill_all(self) -> None:
        for worker in self._executor.kill_all():
            with suppress(KeyError):  # one that inspects data has no run
                self._records.kill(self._running.pop(worker))
