"""A sweep under our own launchers: processes that do its runs, on this machine or on a Ray cluster."""

import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from cnnexp.config import SweepConfig, TrackingConfig
from cnnexp.errors import SweepError
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps import summary
from cnnexp.sweeps.executors.protocol import Workforce
from cnnexp.sweeps.inspector import Surveyor
from cnnexp.sweeps.results import Results
from cnnexp.sweeps.scheduler import Conductor, Source
from cnnexp.sweeps.summary import LastWord
from cnnexp.sweeps.sweep_records import Parent, Plan, read_past, settle
from cnnexp.system.text import program
from cnnexp.tracking import OwnedRecord


class OwnLauncher(Protocol):
    """One of those that come with cnnexp."""

    def workers(self, *, limit: int | None, say: Callable[[str], None]) -> Workforce:
        """Return who does the runs, at most `limit` at a time; `say` tells the user."""


class Sweep:
    """Begins at once what takes seconds elsewhere: the imports of TensorFlow and MLflow."""

    def __init__(
        self, launcher: OwnLauncher, plan: Plan, settings: SweepConfig, tracking: TrackingConfig, *, folder: Path
    ) -> None:
        self._plan = plan
        self._settings = settings
        self._tracking = tracking
        self._folder = folder
        self._report = SweepReport()
        limit = settings.workers if isinstance(settings.workers, int) else None
        self._workers = launcher.workers(limit=limit, say=self._report.note)
        settle(tracking, plan, resume=settings.resume)
        self._past = read_past(tracking, plan, resume=settings.resume)
        self._parent: Parent | None = Parent(tracking, plan, self._past)

    @property
    def key(self) -> str:
        """Names the sweep, whichever command goes on with it."""
        assert self._parent is not None
        return self._parent.key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._report.stop()
        if self._parent is not None:
            self._parent.discard()

    def carry_out(self, source: Source, *, total: int | None, failures_raise: bool = True) -> Results:
        """Do every run that is not finished; return what all came to.

        Raises:
            SweepError: some runs failed.
            KeyboardInterrupt: the sweep was stopped; everything is recorded.
            CnnexpError: the sweep could not begin.

        """
        conductor = self._conductor(source)
        self._announce(total)
        try:
            status = conductor.conduct()
        except KeyboardInterrupt:
            self._close(conductor, "KILLED")
            raise
        except BaseException:
            if conductor.results.all:
                self._close(conductor, "FAILED")
            raise
        self._close(conductor, status)
        if status == "KILLED":
            raise KeyboardInterrupt
        results = conductor.results
        failed = len(results.with_status("FAILED")) + len(results.refusals)
        if failed and failures_raise:
            asked = len(results.all) + len(results.refusals)
            raise SweepError(f"{failed} of {asked} runs failed; the reasons stand above.")
        return results

    def _conductor(self, source: Source) -> Conductor:
        assert self._parent is not None
        return Conductor(
            settings=self._settings,
            source=source,
            parent=self._parent,
            past=self._past,
            workers=self._workers,
            surveyor=Surveyor(self._workers, self._report, self._folder, retries=self._settings.retries),
            report=self._report,
            folder=self._folder,
        )

    def _announce(self, total: int | None) -> None:
        runs = "runs" if total is None else f"{total} runs"
        lines = [("runs", f"{runs}, {self._workers.in_words}"), *self._plan.varied.items()]
        if self._past.parent is not None:
            lines.append(
                ("goes on", f"{len(self._past.finished)} runs were finished before; sweep.resume=never begins anew")
            )
        self._report.begin(self._plan.name, lines, total=total)

    def _close(self, conductor: Conductor, status: str) -> None:
        """Record how the sweep ended, see to the delivery of all of it, and say what to type next."""
        assert self._parent is not None
        parent, self._parent = self._parent, None
        self._report.stop()
        kept = conductor.deliver()
        word = self._last_word(conductor.results, parent, whole=status == "FINISHED" and not kept)
        record = parent.end(status, word.description, word.files)
        record.wait()
        _remove_empty(self._folder)
        self._tell(conductor.results, word, record, [*kept, *([record] if record.kept_reason is not None else [])])

    def _last_word(self, results: Results, parent: Parent, *, whole: bool) -> LastWord:
        """Compare the runs of a sweep that was neither stopped nor is partly kept in the outbox."""
        if not whole:
            return summary.plain(results)
        return summary.compared(results, uri=self._tracking.uri, parent_id=parent.run_id)

    def _tell(self, results: Results, word: LastWord, record: OwnedRecord, kept: list[OwnedRecord]) -> None:
        summary.tell_fairness(results, self._report)
        lines = [("best", results.best_in_words)] if results.best_in_words else []
        for one in kept:
            lines.append(
                ("kept", f"{one.kept_reason} Complete it later: {program()} send {shlex.quote(str(one.folder))}")
            )
        if record.run_id is not None and record.kept_reason is None:
            lines += summary.next_steps(word, uri=self._tracking.uri, parent_id=record.run_id)
        self._report.closing(lines)


def _remove_empty(folder: Path) -> None:
    """Leave no folder behind, nor the day it stands in, when no run has printed anything."""
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()
