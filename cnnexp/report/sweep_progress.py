"""A sweep in the terminal: a lasting line for each run that has ended, and below them what is running."""

import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from cnnexp.records import EpochValues
from cnnexp.report.console import bar_width, open_console, print_line
from cnnexp.report.model_room import ModelSize, room_for_models
from cnnexp.report.moving import MovingPart
from cnnexp.report.table import Column, print_table
from cnnexp.system.streams import print_error
from cnnexp.system.text import printable

SCREEN = 24  # lines of the smallest usual terminal, with that of the prompt
HANGING = 12  # columns
COPIED = ("compare", "open", "kept", "page", "watch", "cancel", "resume")  # lines that hold a command or an address
MOST_RUNNING = 12  # runs shown at a time


@dataclass(slots=True)
class _Running:
    name: str
    epochs: int
    stage: str
    last: EpochValues | None


class SweepReport:
    """Shows a sweep while it runs; a context manager, so that an error leaves the terminal clean."""

    def __init__(self) -> None:
        self._console = open_console(required=False)
        self._bar = Progress(
            TextColumn("  {task.description}", markup=False, style="label"),
            BarColumn(bar_width=bar_width(self._console)),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}", markup=False, style="progress.remaining"),
            console=self._console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("runs", total=None, left="")
        self._running: dict[Hashable, _Running] = {}  # by what its sweep calls it
        self._data: _Running | None = None  # None: no data are being read
        self._best = ""
        self._began = time.monotonic()
        self._done_before = 0
        self._model_is_known = False
        self._moving = MovingPart(self._console, self._render)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def begin(self, lines: Sequence[tuple[str, str]], *, total: int | None) -> None:
        """Print what the sweep is; `total` is its number of runs, None where that is not known."""
        self._labelled(lines)
        self._console.print()
        self._bar.update(self._task, total=total)
        self._moving.start()

    def model_known(self, size: ModelSize, *, kept: str) -> None:
        """Print, when the first network is known, how much room the models of the sweep take."""
        if not self._model_is_known:
            total = self._bar.tasks[0].total
            count = None if total is None else round(total)
            self._labelled([("models", room_for_models(count, size, kept=kept))])
        self._model_is_known = True

    def expect(self, more: int) -> None:
        """Note that the sweep has more trainings than were announced: the folds of a run."""
        total = self._bar.tasks[0].total
        if total is not None:
            self._bar.update(self._task, total=total + more)

    def started(self, run: Hashable, name: str, *, epochs: int, stage: str = "starting") -> None:
        """Show a run that begins."""
        self._running[run] = _Running(name, epochs, stage, None)

    def stage(self, run: Hashable, stage: str, done: int, total: int) -> None:
        """Show how far a stage of a run is."""
        if run in self._running:
            self._running[run].stage = _share(stage, done, total)

    def epoch(self, run: Hashable, values: EpochValues) -> None:
        """Show an epoch of a run."""
        if run in self._running:
            self._running[run].last = values

    def data_started(self) -> None:
        """Show that a data set is being read."""
        self._data = _Running("the data", 0, "starting", None)

    def data_progress(self, stage: str, done: int, total: int) -> None:
        """Show how much of a data set has been read."""
        if self._data is not None:
            self._data.stage = _share(stage, done, total)

    def data_ended(self) -> None:
        """Show no more of a data set that has been read."""
        self._data = None

    def ended(self, run: Hashable, name: str, text: str, *, good: bool, best: str) -> None:
        """Print how a run ended; `best` describes the best run so far."""
        self._running.pop(run, None)
        self._print_ended(name, text, good=good, best=best)

    def not_composed(self, reason: str, *, best: str) -> None:
        """Print why a run could not be composed; it has no number."""
        self._print_ended("not composed", reason, good=False, best=best)

    def _print_ended(self, name: str, text: str, *, good: bool, best: str) -> None:
        self._best = best
        self._bar.advance(self._task)
        self._bar.update(self._task, left=self._left())
        mark = ("✓ " if self._console.encoding.startswith("utf") else "+ ") if good else "! "
        style = "" if good else "attention"
        task = self._bar.tasks[0]
        position = f"{task.completed:>5.0f} of {task.total:.0f} " if task.total is not None else ""
        line = Text.assemble((position, "muted"), (mark + printable(name), style or "label"), "  ", (text, style))
        print_line(self._console, line, hanging=8)

    def retried(self, run: Hashable, name: str, reason: str, *, alone: bool = False) -> None:
        """Print that an attempt at a run was lost and another one follows; `alone`: nothing runs beside it."""
        self._running.pop(run, None)
        line = f"        ! {printable(name)}  {printable(reason)} It is tried again."
        line += " Nothing runs beside it." if alone else ""
        print_line(self._console, Text(line, style="attention"), hanging=8)

    def stopped(self, run: Hashable, name: str, reason: str) -> None:
        """Print that a run was stopped by others than the sweep; it may go on later."""
        self._running.pop(run, None)
        line = Text(f"        ! {printable(name)}  {printable(reason)}", style="attention")
        print_line(self._console, line, hanging=8)

    def skipped(self, best: str) -> None:
        """Count a run as done without a line: it was done before."""
        self._best = best
        self._done_before += 1
        self._bar.advance(self._task)

    def note(self, text: str, *, attention: bool = False) -> None:
        """Print a sentence."""
        print_line(self._console, Text(printable(text), style="attention" if attention else ""), hanging=2)

    def table(self, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a small table; all columns but the first hold numbers, which are never cut."""
        columns = [Column(heading, numeric=place > 0) for place, heading in enumerate(headings)]
        print_table(self._console, columns, [list(map(printable, row)) for row in rows], indent=2)
        self._console.print()

    def closing(self, lines: Sequence[tuple[str, str]], table: Callable[[Console, int], None] | None = None) -> None:
        """Print a table, which gets the lines of a screen that are left, and label and text of each line.

        Sentences are broken between words in a terminal; what is to be copied never is.
        """
        self.stop()
        width = max((len(label) for label, _ in lines), default=0) + 2
        if table is not None:
            rows = sum(-(-(width + len(text)) // (self._console.width - HANGING)) for _, text in lines)
            self._console.print()
            table(self._console, max(0, SCREEN - rows - 2))
            self._console.print()
        for label, text in lines:
            line = Text.assemble((f"{label:<{width}}", "label"), printable(text))
            if label in COPIED:
                self._console.print(line, soft_wrap=True)
            else:
                print_line(self._console, line, hanging=width)

    def warn(self, text: str) -> None:
        """Print a warning on standard error."""
        print_error(f"warning: {printable(text)}")

    def stop(self) -> None:
        """Remove the moving part."""
        self._moving.stop()

    def _labelled(self, lines: Sequence[tuple[str, str]]) -> None:
        width = max((len(label) for label, _ in lines), default=0) + 2
        for label, text in lines:
            self._console.print(Text.assemble((f"{label:<{width}}", "label"), printable(text)), soft_wrap=True)

    def _left(self) -> str:
        task = self._bar.tasks[0]
        done = task.completed - self._done_before
        if task.total is None or done < 1:
            return ""
        seconds = round((time.monotonic() - self._began) / done * (task.total - task.completed))
        hours, rest = divmod(seconds, 3600)
        return f"{hours}:{rest // 60:02}:{rest % 60:02} left" if hours else f"{rest // 60}:{rest % 60:02} left"

    def _render(self) -> RenderableType:
        running = [*([self._data] if self._data else []), *self._running.values()]
        rows = [_row(one) for one in running[:MOST_RUNNING]]
        best = [Text(f"  best so far  {self._best}", style="label")] if self._best else []
        return Group(*rows, *best, self._bar)


def _share(stage: str, done: int, total: int) -> str:
    return f"{stage} {100 * done // max(total, 1)} %"


def _row(running: _Running) -> Text:
    name = printable(running.name)
    if running.last is None:
        return Text.assemble(f"  … {name}  ", (running.stage, "muted"))
    last = running.last
    scores = f"epoch {last.epoch}/{running.epochs}  val loss {last.val_loss:.4f}  accuracy {last.val_accuracy:.3f}"
    return Text.assemble(f"  … {name}  ", (scores, "muted"))
