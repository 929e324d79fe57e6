"""One run, told in the terminal."""

import sys
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from rich.text import Text

from cnnexp.printable import printable
from cnnexp.records import EpochValues, RunPlan, RunResult
from cnnexp.report.console import open_console
from cnnexp.report.findings import print_findings
from cnnexp.report.header import print_header
from cnnexp.report.progress import ProgressReport
from cnnexp.report.scores import print_scores, print_training


class RunReport:
    """Prints a run while it happens; its methods are the callbacks of a run.

    Use it as a context manager, so that an error or Ctrl-C finds the terminal as it was.
    """

    def __init__(self) -> None:
        self._console = open_console()
        self._progress = ProgressReport(self._console, clock=time.monotonic)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def plan(self, plan: RunPlan, settings: Mapping[str, Any]) -> None:
        """Print the header; `settings` is the whole configuration as nested plain values."""
        print_header(self._console, plan, settings)
        self._progress.begin_epochs(settings["training"]["epochs"])

    def progress(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of a stage, such as "decoding data", are done."""
        self._progress.stage(stage, done, total)

    def epoch(self, values: EpochValues) -> None:
        """Show an epoch."""
        self._progress.epoch(values)

    def result(self, result: RunResult) -> None:
        """Print the best epoch, the scores on the test split, the findings and what the header did not note."""
        self._progress.stop()
        print_training(self._console, result.history)
        print_scores(self._console, result.evaluation, result.metrics)
        print_findings(self._console, result.findings)
        for note in (note for note in result.notes if note not in result.plan.notes):  # those stand in the header
            self._console.print(Text(f"note: {printable(note)}", style="attention"))

    def closing(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print label and text of each line, such as ("open", "python -m cnnexp ui"); none is ever wrapped."""
        for label, text in lines:
            self._console.print(Text.assemble((f"{label:<10}", "label"), text), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning on standard error, above the bar if there is one."""
        print(f"warning: {printable(text)}", file=sys.stderr)
