"""What a run's process tells the sweep."""

from collections.abc import Mapping
from dataclasses import dataclass

from cnnexp.records import EpochValues, RunPlan


@dataclass(frozen=True, slots=True)
class Planned:
    """The run is about to make its first update."""

    plan: RunPlan


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
class DataFacts:
    """A data set as the runs will find it, before `data.limit` and `data.imbalance` thin it."""

    digest: str  # of pixels, labels, files and splits
    height: int  # pixels, as the network sees them
    width: int
    class_counts: tuple[int, ...]  # images of each class to train on


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
