"""Progress: a few lasting lines everywhere, and on a terminal a bar that moves below them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, inf, isfinite

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from cnnexp.records import EpochValues
from cnnexp.report.console import bar_width, open_console
from cnnexp.report.moving import MovingPart

LASTING_LINES = 10  # about how many epochs of a run leave a line
SILENT_SECONDS = 2.0  # that a stage may take before it prints a line where no bar can move
TRAINING = "training"

# Sixty columns: as wide as half a screen, or a terminal beside a browser.
HEAD = (
    "          training         validation       learning",
    " epoch     loss accuracy     loss accuracy      rate seconds",
)
# After the last epoch of the first stage, where there are two.
NEXT_STAGE = "        the head alone until here, then all that is not frozen"


class ProgressReport:
    """Follows stages and epochs; `stop` takes the bar away and gives the terminal back."""

    def __init__(self, console: Console, *, clock: Callable[[], float]) -> None:
        """Write to `console`; `clock` gives seconds from any fixed moment."""
        self._console = console
        self._clock = clock
        self._bars = Progress(
            TextColumn("  {task.description}", markup=False, style="label"),
            BarColumn(bar_width=bar_width(console)),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("left", markup=False, style="progress.remaining"),
            console=console,
            auto_refresh=False,
        )
        self._tasks: dict[str, TaskID] = {}
        self._printed: dict[str, tuple[float, int]] = {}  # stage -> when and which quarter was printed last
        self._epochs = 0
        self._head_epochs = 0
        self._monitor = ""
        self._best: EpochValues | None = None
        self._last: EpochValues | None = None
        self._printed_epoch = 0  # the last one that has a line
        self._moving = MovingPart(console, self._render)  # renders at once: all that it needs is set above

    def begin_epochs(self, epochs: int, *, head_epochs: int, monitor: str) -> None:
        """Announce at most `epochs` epochs, of which the best by `monitor` (val/loss or val/accuracy) gets a line.

        The first `head_epochs` are a stage of their own.
        """
        self._epochs, self._head_epochs, self._monitor = epochs, head_epochs, monitor
        for line in HEAD:
            self._console.print(Text(line, style="label"))
        self._move(TRAINING, 0, epochs)

    def epoch(self, values: EpochValues) -> None:
        """Show an epoch; the first, the best, the last and about every tenth part leave a line.

        The best so far gets its line before the next regular one: the lines are in order, and at the end the best of
        all is among them.
        """
        self._last = values
        if self._best is None or self._score(values) > self._score(self._best):
            self._best = values
        every = ceil(self._epochs / LASTING_LINES)
        if values.epoch in {1, self._epochs} or values.epoch % every == 0:
            self._print_last()
        if values.epoch == self._head_epochs:
            self._print_last()
            self._console.print(Text(NEXT_STAGE, style="label"))
        self._move(TRAINING, values.epoch, self._epochs)

    def stage(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is, such as the decoding of images; steps move the bar of the epochs."""
        if stage == TRAINING:
            self._move(TRAINING, self._epochs * done / total, self._epochs)
        elif self._moving.is_shown:
            self._move(stage, done, total)
            if done >= total:
                self._bars.remove_task(self._tasks.pop(stage))
        else:
            self._print_quarter(stage, done, total)

    def stop(self) -> None:
        """Take the bar away; the last epoch gets its line, wherever training stopped."""
        self._moving.stop()
        self._print_last()

    def _move(self, task: str, done: float, total: int) -> None:
        if not self._moving.is_shown:
            return
        self._moving.start()
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total)
        self._bars.update(self._tasks[task], completed=done)

    def _print_quarter(self, stage: str, done: int, total: int) -> None:
        """Print a line for each quarter of a stage that takes long; none for a short one."""
        now, quarter = self._clock(), 4 * done // max(total, 1)
        since, printed = self._printed.setdefault(stage, (now, 0))
        if quarter > printed and now - since >= SILENT_SECONDS:
            self._printed[stage] = (now, quarter)
            self._console.print(f"  {stage}: {done:,} of {total:,}")

    def _score(self, values: EpochValues) -> float:
        """Higher is better; a loss that is not a number is worse than any."""
        score = values.val_accuracy if self._monitor == "val/accuracy" else -values.val_loss
        return score if isfinite(score) else -inf

    def _print_last(self) -> None:
        """Print the last epoch, and the best one before it, unless they have their lines."""
        for values in (self._best, self._last):
            if values is not None and values.epoch > self._printed_epoch:
                self._printed_epoch = values.epoch
                self._console.print(Text(epoch_line(values)))

    def _render(self) -> RenderableType:
        if self._last is None or self._last.epoch <= self._printed_epoch:
            return self._bars
        return Group(Text(epoch_line(self._last), style="muted"), self._bars)


@contextmanager
def reading_shown() -> Iterator[Callable[[int, int], None]]:
    """Give a callback that shows on standard output how many images have been read, for a command without a run."""
    progress = ProgressReport(open_console(required=False), clock=time.monotonic)
    try:
        yield lambda done, total: progress.stage("reading images", done, total)
    finally:
        progress.stop()


def epoch_line(values: EpochValues) -> str:
    """One epoch under the columns of the table of epochs."""
    return (
        f"{values.epoch:>6} {_loss(values.train_loss):>8} {values.train_accuracy:>8.3f} "
        f"{_loss(values.val_loss):>8} {values.val_accuracy:>8.3f} "
        f"{values.learning_rate:>9.3g} {values.seconds:>7.1f}"
    )


def _loss(value: float) -> str:
    return f"{value:.4f}" if isfinite(value) and value < 1000 else f"{value:.3g}"
