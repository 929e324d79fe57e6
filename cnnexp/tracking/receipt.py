"""What the user is told about where a run went."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from cnnexp.system.text import program


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a run is, and what to type to see it or to complete it."""

    run_id: str | None  # None: the store never took the run
    url_command: str | None  # opens the run in the MLflow UI; None while it is not complete there
    kept_folder: Path | None  # what could not be delivered; None: everything was
    reason: str  # why it is kept, one line; empty when it is not

    @property
    def send_command(self) -> str | None:
        """What delivers the kept folder; None when nothing is kept."""
        return None if self.kept_folder is None else f"{program()} send {shlex.quote(str(self.kept_folder))}"
