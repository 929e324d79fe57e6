"""What a sweep and its executor say to each other: tasks one way, messages the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cnnexp.config import DataConfig, ExperimentConfig
from cnnexp.records import DatasetInfo, EpochValues, FoldResult, FoldsSummary, RunCommand, RunInfo
from cnnexp.sweeps.executors.leases import GpuNeed
from cnnexp.system.devices import Devices

if TYPE_CHECKING:
    from cnnexp.datasets.cache.checksums import Verified


@dataclass(frozen=True, slots=True)
class TrainTask:
    """One attempt at one run."""

    name: str
    config: ExperimentConfig
    digest: str | None  # of the data, as the sweep read it on another machine; None: it was read on this one
    record: Path  # folder of the run's record, which the sweep owns
    environment: Mapping[str, str]  # additional variables, for this run alone
    prunable: bool  # the worker waits for an answer after every epoch: whether to stop there
    command: RunCommand  # for its page
    checkpoint: str  # key of the folder of its checkpoint, in the cache of whatever machine it is trained on
    folds: tuple[FoldResult, ...] | None = None  # of a run of folds, all of which have ended; None: an ordinary run

    @property
    def needs_own_process(self) -> bool:
        """Whether its process may run nothing else: what libraries fix when they are loaded is another there."""
        return bool(self.environment) or not self.config.training.deterministic


@dataclass(frozen=True, slots=True)
class InspectTask:
    """Read a data set and report its size, its classes and its digest."""

    data: DataConfig
    needs_own_process = False


Task = TrainTask | InspectTask


@dataclass(frozen=True, slots=True)
class Planned:
    """The run is about to make its first update."""

    info: RunInfo


@dataclass(frozen=True, slots=True)
class Progressed:
    """Part of a stage is done."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class EpochEnded:
    """An epoch has ended; a prunable run waits for the answer whether to stop."""

    values: EpochValues


@dataclass(frozen=True, slots=True)
class FoldsPooled:
    """The final model of a run of folds is finished; what all of them together say."""

    summary: FoldsSummary


@dataclass(frozen=True, slots=True)
class Noted:
    """The run has something to say to the user."""

    text: str
    attention: bool  # it is a warning; one is enough where many runs have the same


@dataclass(frozen=True, slots=True)
class RecordGrew:
    """The run has written more into its record."""


@dataclass(frozen=True, slots=True)
class DatasetInspected:
    """A data set has been read."""

    info: DatasetInfo


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over and its record is complete."""

    metrics: Mapping[str, float]
    pruned_after: int | None  # epoch; None: the run was not pruned
    failed_learning: str | None  # how, such as "collapsed"; None: it learned
    gpu_memory: int | None = None  # bytes that it held of its GPU at most; None: it had none


@dataclass(frozen=True, slots=True)
class Failed:
    """The task raised an exception."""

    reason: str  # one line
    traceback: str
    expected: bool  # one of `cnnexp.errors`: another attempt would fail in the same way
    memory: bool = False  # memory ran out: alone it may fit


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """The worker ended without a final message, or was killed because it exceeded the time limit."""

    reason: str
    memory: bool = False  # most likely because memory ran out: alone the run may fit


@dataclass(frozen=True, slots=True)
class NodeUnsuitable:
    """The run was not begun, because this node lacks its data; another node may have them."""

    reason: str  # one line


@dataclass(frozen=True, slots=True)
class FilesVerified:
    """Files of the cache that the worker has read whole; other workers of this machine need not. For the executor."""

    files: "Mapping[Path, Verified]"


@dataclass(frozen=True, slots=True)
class Retiring:
    """The worker takes no other task; sent before its final message, for the executor alone."""


FINAL_MESSAGES = (Finished, Failed, DatasetInspected, WorkerDied, NodeUnsuitable)  # each ends a task

Message = (
    Planned
    | Progressed
    | EpochEnded
    | RecordGrew
    | DatasetInspected
    | FoldsPooled
    | Noted
    | Finished
    | Failed
    | WorkerDied
    | NodeUnsuitable
)


class WorkerHandle(Protocol):
    """The sweep's end of a worker that has a task."""

    def answer(self, prune: bool) -> None:
        """Answer a prunable run that has ended an epoch: whether to stop there."""


class Executor(Protocol):
    """Executes the tasks of a sweep in worker processes."""

    remote: bool  # workers read the data on other machines than the sweep

    @property
    def cores(self) -> int:
        """Most cores that one run can have."""

    @property
    def devices(self) -> Devices:
        """What runs can compute on beside processors."""

    @property
    def capacity(self) -> str:
        """How many runs are executed at a time, for the user."""

    def has_room(self, threads: int, gpu: GpuNeed | None = None) -> bool:
        """Return whether a run with that many threads can start now; where it cannot, make room for it to come."""

    def start(
        self, task: Task, *, log: Path, threads: int, time_limit: float | None, gpu: GpuNeed | None = None
    ) -> WorkerHandle:
        """Start a task, whether there is room or not, in a worker whose TensorFlow computes on `threads` cores.

        With `gpu` it sees one GPU and no other, else none.
        """

    def receive(self, *, timeout: float) -> Iterator[tuple[WorkerHandle, Message]]:
        """Yield the messages that arrive within `timeout` seconds; the last one of each task is a final message."""

    def kill_all(self) -> Sequence[WorkerHandle]:
        """Kill every worker at once and return those that had a task."""
