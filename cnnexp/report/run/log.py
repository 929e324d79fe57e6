"""What a run prints, as the text that is recorded with it: whole, with every epoch, whatever the screen showed."""

import io
import time
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from cnnexp.records import EpochValues, RunInfo, RunResult
from cnnexp.report.console import text_console
from cnnexp.report.run.header import print_header
from cnnexp.report.run.progress import HEAD, NEXT_STAGE, epoch_line
from cnnexp.report.run.terminal import print_result
from cnnexp.system.text import first_line, printable


class RunLog:
    """Collects the text; its methods are called as those of a `RunReport`."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._console = text_console(self._text)
        self._head_epochs = 0
        self._moment("started")

    def info(self, info: RunInfo, settings: Mapping[str, Any]) -> None:
        """Write the header."""
        print_header(self._console, info, settings)
        self._console.print("\n".join(HEAD))
        self._head_epochs = settings["training"]["head_epochs"]

    def epoch(self, values: EpochValues) -> None:
        """Write the line of an epoch."""
        self._console.print(epoch_line(values))
        if values.epoch == self._head_epochs:
            self._console.print(NEXT_STAGE)

    def result(self, result: RunResult) -> None:
        """Write the best epoch, the scores, the findings and the notes."""
        print_result(self._console, result)

    def end(self, error: BaseException | None) -> bytes:
        """Write when and by what the run ended, and return the whole text in UTF-8."""
        if error is not None:
            reason = printable(first_line(error)) if isinstance(error, Exception) else "stopped"
            self._console.print(Text(f"{type(error).__name__}: {reason}"))
        self._moment("ended")
        return self._text.getvalue().encode("utf-8", "backslashreplace")

    def _moment(self, what: str) -> None:
        self._console.print(f"{what} {time.strftime('%Y-%m-%d %H:%M:%S %z')}")
