"""A sweep under cnnexp's own launchers, which execute its runs on this machine or on a Ray cluster."""

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from cnnexp.config import SweepConfig, TrackingConfig
from cnnexp.config.defaults import from_variables
from cnnexp.errors import SweepError
from cnnexp.report.console import print_title
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.best_model import keep_best_model
from cnnexp.sweeps.executors.protocol import Executor
from cnnexp.sweeps.jobs import JobSource
from cnnexp.sweeps.results import Results
from cnnexp.sweeps.scheduler import Scheduler
from cnnexp.sweeps.summary import (
    SweepSummary,
    next_steps,
    print_end,
    seeds_note,
    summarize,
    summarize_with_comparison,
    tell_caller,
)
from cnnexp.sweeps.sweep_records import ParentRun, PreviousRuns, SweepSpec, begin_sweep
from cnnexp.system.files import remove_if_empty
from cnnexp.system.text import plural, program
from cnnexp.tracking import OwnedRecord

Lines = list[tuple[str, str]]  # label and text


class ExecutorLauncher(Protocol):
    """One of cnnexp's own launchers."""

    def executor(self, *, limit: int | None, per_gpu: int | None, notify: Callable[[str], None]) -> Executor:
        """Return what executes the runs, at most `limit` at a time and `per_gpu` on a GPU; None: as many as fit.

        `notify` prints a sentence for the user.
        """


class Sweep:
    """A sweep that has begun."""

    def __init__(
        self,
        spec: SweepSpec,
        settings: SweepConfig,
        tracking: TrackingConfig,
        *,
        folder: Path,
        executor: Executor,
        previous: PreviousRuns,
        parent: ParentRun,
        report: SweepReport,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._tracking = tracking
        self._folder = folder
        self._executor = executor
        self._previous = previous
        self._parent = parent
        self._report = report
        self._is_closed = False

    @classmethod
    @contextmanager
    def begin(
        cls, launcher: ExecutorLauncher, spec: SweepSpec, settings: SweepConfig, tracking: TrackingConfig, folder: Path
    ) -> Iterator[Self]:
        """Start the executor and begin the parent run; within the block TensorFlow and MLflow are being imported.

        A parent run under which nothing was run is discarded at the end of the block.

        Raises:
            CnnexpError: the sweep cannot begin.

        """
        print_title(spec.name)  # before anything that takes time
        report = SweepReport()
        limit = settings.workers if isinstance(settings.workers, int) else None
        per_gpu = settings.per_gpu if isinstance(settings.per_gpu, int) else None
        executor = launcher.executor(limit=limit, per_gpu=per_gpu, notify=report.note)
        previous, parent = begin_sweep(tracking, spec, resume=settings.resume)
        sweep = cls(
            spec,
            settings,
            tracking,
            folder=folder,
            executor=executor,
            previous=previous,
            parent=parent,
            report=report,
        )
        try:
            yield sweep
        finally:
            report.stop()
            if not sweep._is_closed:
                parent.discard()

    @property
    def key(self) -> str:
        """Names the sweep, the same for every command that continues it."""
        return self._parent.key

    def run(self, source: JobSource, *, total: int | None, failures_raise: bool = True) -> Results:
        """Execute every run that is not finished; return the results of all.

        Raises:
            SweepError: some runs failed.
            KeyboardInterrupt: the sweep was stopped; everything is recorded.
            CnnexpError: the sweep could not begin.

        """
        scheduler = self._scheduler(source)
        self._announce(total)
        try:
            status = scheduler.run()
        except KeyboardInterrupt:
            self._close(scheduler, "KILLED")
            raise
        except BaseException:
            if scheduler.results.all:
                self._close(scheduler, "FAILED")
            raise
        self._close(scheduler, status)
        if status == "KILLED":
            raise KeyboardInterrupt
        results = scheduler.results
        failed = len(results.with_status("FAILED")) + len(results.refusals)
        if failed and failures_raise:
            count = len(results.all) + len(results.refusals)
            raise SweepError(f"{failed} of {plural(count, 'run')} failed; the reasons stand above.")
        return results

    def _scheduler(self, source: JobSource) -> Scheduler:
        return Scheduler(
            settings=self._settings,
            source=source,
            parent=self._parent,
            previous=self._previous,
            executor=self._executor,
            report=self._report,
            folder=self._folder,
        )

    def _announce(self, total: int | None) -> None:
        runs = "runs" if total is None else plural(total, "run")
        lines = [("runs", f"{runs}, {self._executor.capacity}"), *self._spec.varied.items()]
        if note := seeds_note(self._spec.varied):
            lines.append(("seeds", note))
        store = from_variables(uri=self._tracking.uri, experiment=self._tracking.experiment)
        if store is not None:
            lines.append(("store", store))
        if self._previous.parent is not None:
            before = plural(len(self._previous.finished), "run was", "runs were")
            lines.append(("resuming", f"{before} finished before; sweep.resume=never starts another sweep"))
        self._report.begin(lines, total=total)

    def _close(self, scheduler: Scheduler, status: str) -> None:
        """Record how the sweep ended, wait until all of it is delivered, and print what to type next."""
        self._is_closed = True
        self._report.stop()
        kept = scheduler.deliver()
        complete = status == "FINISHED" and not kept
        summary = self._summary(scheduler.results, complete=complete)
        model = self._keep_best_model() if complete else []
        record = self._parent.end(status, summary.description, summary.files, summary.metrics)
        record.wait()
        remove_if_empty(self._folder)
        kept += [record] if record.kept_reason is not None else []
        self._print_end(scheduler.results, summary, record, kept, model, stopped=status == "KILLED")

    def _summary(self, results: Results, *, complete: bool) -> SweepSummary:
        """Compare the runs, unless the sweep was stopped or some records had to be kept in the outbox."""
        if not complete:
            return summarize(results)
        return summarize_with_comparison(results, uri=self._tracking.uri, parent_id=self._parent.run_id)

    def _keep_best_model(self) -> Lines:
        if self._tracking.models != "best":
            return []
        return keep_best_model(self._tracking.uri, self._parent.run_id, objective=self._settings.objective)

    def _print_end(
        self,
        results: Results,
        summary: SweepSummary,
        record: OwnedRecord,
        kept: list[OwnedRecord],
        model: Lines,
        *,
        stopped: bool,
    ) -> None:
        lines = list(model)
        for one in kept:
            send = f"{program()} send {shlex.quote(str(one.folder))}"
            lines.append(("kept", f"{one.kept_reason} Complete it later: {send}"))
        if record.run_id is not None and record.kept_reason is None:
            lines = next_steps(summary, lines, uri=self._tracking.uri, parent_id=record.run_id, stopped=stopped)
        print_end(results, summary, self._report, lines)
        tell_caller(record, uri=self._tracking.uri)
