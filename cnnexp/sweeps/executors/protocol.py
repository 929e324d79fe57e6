"""Who does the runs of a sweep: processes of this machine (`workers`), or of a Ray cluster (`cluster`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cnnexp.config import DataConfig, ExperimentConfig
from cnnexp.records import DataFacts, EpochValues, RunInfo


@dataclass(frozen=True, slots=True)
class Planned:
    """The run is about to make its first step."""

    info: RunInfo


@dataclass(frozen=True, slots=True)
class Progressed:
    """Part of a stage is done."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch has ended; the run waits for a word whether to go on."""

    values: EpochValues


@dataclass(frozen=True, slots=True)
class Grown:
    """There is more in the run's record."""


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A data set has been read."""

    facts: DataFacts


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over and its record is complete."""

    metrics: Mapping[str, float]
    pruned: int | None  # the epoch it was stopped after; None: it was not


@dataclass(frozen=True, slots=True)
class Failed:
    """The run raised an exception."""

    reason: str  # one line
    traceback: str
    expected: bool  # one of `cnnexp.errors`: trying again would give the same


@dataclass(frozen=True, slots=True)
class Lost:
    """The run's process is gone without a word, or was ended because it took too long."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """The run cannot be done in this place, for want of its data, and has not begun; it may be elsewhere."""

    reason: str  # one line


@dataclass(frozen=True, slots=True)
class Spent:
    """The process does no other task; told before the last of these messages, and kept from the sweep."""


LAST_WORDS = (Finished, Failed, Surveyed, Lost, Unfit)

Message = Planned | Progressed | EpochEnded | Grown | Surveyed | Finished | Failed | Lost | Unfit


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one run."""

    name: str
    config: ExperimentConfig
    digest: str | None  # of the data as the sweep read them elsewhere; None: it read them on this machine
    record: Path  # the folder of its record, which the sweep holds
    environment: Mapping[str, str]  # more variables, for this run alone
    may_be_stopped: bool  # the sweep has a say after every epoch

    @property
    def alone(self) -> bool:
        """Whether its process must do nothing before it and nothing after it: variables are read when that begins."""
        return bool(self.environment)


@dataclass(frozen=True, slots=True)
class Reading:
    """Read a data set and say what it is."""

    data: DataConfig
    alone = False


Task = Assignment | Reading


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
