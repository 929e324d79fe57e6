"""One run, printed while it happens."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cnnexp.records import EpochValues, Finding, FoldsSummary, RunInfo, RunResult
from cnnexp.records.catalogue import UNKNOWN
from cnnexp.report.console import open_console
from cnnexp.report.run.findings import NOTHING_FOUND, is_override, relations
from cnnexp.report.run.folds import print_folds
from cnnexp.report.run.header import print_header
from cnnexp.report.run.progress import ProgressReport
from cnnexp.report.run.scores import print_scores, print_training
from cnnexp.system.streams import print_error
from cnnexp.system.text import printable

CAUSES = {0: "cause not known", 1: "data", 2: "fit", 3: "training", 4: "metrics", 5: "image"}
FLAGS = {"beats_majority"}  # 1 or 0, for programs; sentences say it
MOST_EVIDENCE = 6  # numbers that the sentence does not state; all of them are in findings.json
THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")  # the commas of 1,200
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.(?P<decimals>\d+))?(?:e(?P<exponent>[+-]?\d+))?")


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print each finding with its numbers and a repair that can be copied; say so when there is none."""
    if not findings:
        console.print(Text.assemble(("findings", "title"), f": {NOTHING_FOUND}"))
    else:
        console.print(Text("findings", style="title"))
    for finding in findings:
        _print_finding(console, finding)
    console.print()


def _print_finding(console: Console, finding: Finding) -> None:
    of_what = " that something is wrong" if finding.id == UNKNOWN else ""
    about = f"  {CAUSES[finding.cause]}, {100 * finding.confidence:.0f} % sure{of_what}"
    console.print(Text.assemble("  ", (printable(finding.title), "finding"), (about, "muted")))
    console.print(Padding(Text(printable(finding.sentence)), (0, 2, 0, 4)))
    if unsaid := _evidence(finding):
        console.print(Padding(Text(unsaid, style="muted"), (0, 2, 0, 4)))
    for sentence in relations(finding):
        console.print(Padding(Text(printable(sentence), style="muted"), (0, 2, 0, 4)))
    if finding.repair and is_override(finding.repair):
        # never wrapped: half a command cannot be copied
        line = Text.assemble("    ", ("add  ", "label"), (printable(finding.repair), "command"))
        console.print(line, soft_wrap=True)
    elif finding.repair:
        action = Table.grid(padding=(0, 3, 0, 0))
        action.add_row(Text("do", style="label"), Text(printable(finding.repair)))
        console.print(Padding(action, (0, 2, 0, 4)))


def _evidence(finding: Finding) -> str:
    """Return numbers that the sentence does not state; empty where it states all."""
    numbers = ((name, value) for name, value in finding.evidence.items() if name not in FLAGS)
    unsaid = [(name, value) for name, value in numbers if not _is_stated(value, finding.sentence)]
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in unsaid[:MOST_EVIDENCE])


def _is_stated(value: float, sentence: str) -> bool:
    """Return whether a number of the sentence is the value, or the value in percent, to all digits that it shows."""
    for number in NUMBER.finditer(THOUSANDS.sub("", sentence)):
        step = 10.0 ** (int(number["exponent"] or 0) - len(number["decimals"] or ""))
        if any(abs(value * unit - float(number[0])) <= step / 2 * (1 + 1e-9) for unit in (1, 100)):
            return True
    return False


def print_result(console: Console, result: RunResult) -> None:
    """Print the best epoch, the scores on the test split, the findings and what the header did not note."""
    if result.folds is not None:
        print_folds_result(console, FoldsSummary.of(result))
        return
    print_training(console, result.history)
    print_scores(console, result.evaluation, result.metrics)
    print_findings(console, result.findings)
    _print_notes(console, result.notes, in_header=result.info.notes)


def print_folds_result(console: Console, summary: FoldsSummary) -> None:
    """Print each fold, the scores over all of them, the findings and what the header did not note."""
    print_folds(console, summary)
    print_findings(console, summary.findings)
    _print_notes(console, summary.notes, in_header=summary.info.notes)


def _print_notes(console: Console, notes: Sequence[str], *, in_header: Sequence[str]) -> None:
    for note in (note for note in notes if note not in in_header):
        console.print(Text(f"note: {printable(note)}", style="attention"))


class RunReport:
    """Prints a run while it happens; its methods are the callbacks of a run.

    Use it as a context manager, so that an error or Ctrl-C finds the terminal as it was.
    """

    def __init__(self, *, titled: bool = False) -> None:
        """Open the console; `titled` says that the run's name has been printed already."""
        self._console = open_console(required=False)
        self._progress = ProgressReport(self._console, clock=time.monotonic)
        self._titled = titled

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def waiting(self, reason: str) -> Iterator[None]:
        """Show on a terminal, as long as the block lasts, why nothing happens yet."""
        self._progress.stage(reason, 0, 1)
        yield
        self._progress.stage(reason, 1, 1)

    def info(self, info: RunInfo, settings: Mapping[str, Any]) -> None:
        """Print the header; `settings` is the whole configuration as nested plain values."""
        print_header(self._console, info, settings, named=not self._titled)
        training = settings["training"]
        head_epochs = training["head_epochs"]
        self._progress.begin_epochs(
            head_epochs + training["epochs"], head_epochs=head_epochs, monitor=training["monitor"]
        )

    def progress(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of a stage, such as "decoding data", are done."""
        self._progress.stage(stage, done, total)

    def epoch(self, values: EpochValues) -> None:
        """Show an epoch."""
        self._progress.epoch(values)

    def result(self, result: RunResult) -> None:
        """Print the best epoch, the scores on the test split, the findings and what the header did not note."""
        self._progress.stop()
        print_result(self._console, result)

    def closing(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print label and text of each line, such as ("open", "python -m cnnexp ui"); none is ever wrapped."""
        for label, text in lines:
            self._console.print(Text.assemble((f"{label:<10}", "label"), text), soft_wrap=True)

    def note(self, text: str) -> None:
        """Print a sentence above the bar, if there is one."""
        self._console.print(Text(printable(text)), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning on standard error, above the bar if there is one."""
        print_error(f"warning: {printable(text)}")
