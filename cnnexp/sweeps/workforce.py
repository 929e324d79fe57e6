"""Who does the runs of a sweep: processes of this machine (`workers`), or of a Ray cluster (`cluster`)."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from cnnexp.sweeps.messages import Message


class Worker(Protocol):
    """One process with one task."""

    def answer(self, verdict: bool) -> None:
        """Tell a run that asked whether to stop."""


class Workforce(Protocol):
    """All processes of a sweep."""

    far: bool  # they read the data on other machines than the sweep does

    @property
    def cores(self) -> int:
        """Cores that one run may have at most."""

    @property
    def in_words(self) -> str:
        """How many runs go on at a time."""

    def has_room(self, threads: int) -> bool:
        """Tell whether a run with that many threads can start now; where it cannot, make room for it to come."""

    def start(
        self,
        task: Callable[..., None],
        subject: Any,  # noqa: ANN401 - whatever the task takes
        *,
        log: Path,
        threads: int,
        time_limit: float | None,
    ) -> Worker:
        """Start ``task(wire, log, subject)`` in a process of its own, room or not."""

    def listen(self, *, patience: float) -> Iterator[tuple[Worker, Message]]:
        """Yield what processes say within `patience` seconds; the last message of each is one that ends it."""

    def kill_all(self) -> Sequence[Worker]:
        """End everything at once and return those that were at work."""
