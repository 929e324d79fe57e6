"""Who does the runs of a sweep: processes of this machine (`workers`), or of a Ray cluster (`cluster`)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from cnnexp.sweeps.messages import Message
from cnnexp.sweeps.tasks import Task


class Worker(Protocol):
    """One process, and the task that it is at."""

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

    def start(self, task: Task, *, log: Path, threads: int, time_limit: float | None) -> Worker:
        """Have a task done, room or not, by a process whose TensorFlow computes on `threads` cores."""

    def listen(self, *, patience: float) -> Iterator[tuple[Worker, Message]]:
        """Yield what processes say within `patience` seconds; the last message of each is one that ends it."""

    def kill_all(self) -> Sequence[Worker]:
        """End everything at once and return those that were at work."""
