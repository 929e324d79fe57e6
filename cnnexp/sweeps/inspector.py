"""Inspects the data of a sweep, once for all runs that share it; with that, each run gets its hash."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cnnexp.config import DataConfig, ExperimentConfig
from cnnexp.errors import DataError
from cnnexp.records import DatasetInfo
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.runs.pretrained import data_for
from cnnexp.runs.starting_network import pinned, starting_network
from cnnexp.sweeps.attempts import Attempts
from cnnexp.sweeps.executors import protocol
from cnnexp.sweeps.executors.protocol import Executor, InspectTask, Message, WorkerHandle
from cnnexp.sweeps.run_hash import hash_run, resolve
from cnnexp.system.devices import Devices

_TIMEOUT = 0.5  # seconds to wait for messages before checking whether to give up


@dataclass(frozen=True, slots=True)
class ResolvedRun:
    """A run whose data are known."""

    config: ExperimentConfig  # with device, threads and precision decided
    run_hash: str  # equal where everything is equal that can change the result
    data_digest: str


class DatasetInspector:
    """Knows every data set that was inspected; `read` inspects one, in this process or in another."""

    def __init__(self, read: Callable[[DataConfig], DatasetInfo]) -> None:
        self._read = read
        self._known: dict[str, DatasetInfo | DataError] = {}

    def inspect(self, data: DataConfig) -> DatasetInfo:
        """Return what a data set is, before it is thinned.

        Raises:
            DataError: it is missing, unreadable, or unsuitable.

        """
        key = data.dataset_key
        if key not in self._known:
            try:
                self._known[key] = self._read(data.whole())
            except DataError as error:
                self._known[key] = error
        known = self._known[key]
        if isinstance(known, DataError):
            raise known
        return known

    def resolve(self, config: ExperimentConfig, *, cores: int, devices: Devices) -> ResolvedRun:
        """Return a run with its hash; `cores` are the most that it can have, and `devices` those that there are.

        A run that continues from another gets that one's id: a name may soon mean one of this sweep.

        Raises:
            DataError: its data are missing, unreadable, or unsuitable.
            ModelError: so are the weights that it starts from.
            ConfigError: the network takes no such images, or there is no such device.

        """
        config = pinned(config)
        with starting_network(config) as pretrained:
            info = self.inspect(data_for(config.data, pretrained))
            resolved = resolve(config, info, cores=cores, devices=devices, pretrained=pretrained)
            return ResolvedRun(resolved, hash_run(resolved, info, pretrained=pretrained), info.digest)


def read_here(data: DataConfig) -> DatasetInfo:
    """Inspect a data set in this process.

    Raises:
        CnnexpError: it is missing, unreadable, or unsuitable.

    """
    from cnnexp.datasets import dataset_info  # not before there are data to read

    return dataset_info(data, lambda _done, _total: None)


class ExecutorReader:
    """Inspects data sets in a worker of an executor; meanwhile `on_message` handles the messages of other workers.

    `give_up` is asked regularly whether to stop waiting.
    """

    def __init__(
        self,
        executor: Executor,
        report: SweepReport,
        *,
        log: Path,
        retries: int,
        on_message: Callable[[WorkerHandle, Message], None],
        give_up: Callable[[], bool],
    ) -> None:
        self._executor = executor
        self._report = report
        self._log = log
        self._retries = retries
        self._on_message = on_message
        self._give_up = give_up

    def __call__(self, data: DataConfig) -> DatasetInfo:
        """Inspect a data set.

        Raises:
            DataError: it is missing, unreadable, or unsuitable, or the worker died in every attempt.
            KeyboardInterrupt: `give_up` returned true.

        """
        attempts = Attempts(retries=self._retries)
        while True:
            self._report.data_started()
            ended = self._attempt(data)
            self._report.data_ended()
            match ended:
                case protocol.DatasetInspected(info):
                    for note in info.notes:
                        self._report.note(f"note: {note}", attention=True)
                    return info
                case protocol.WorkerDied() if attempts.another_after(ended):
                    attempts.begin_another()
                case protocol.WorkerDied(reason) | protocol.Failed(reason):
                    raise DataError(reason)

    def _attempt(self, data: DataConfig) -> protocol.DatasetInspected | protocol.Failed | protocol.WorkerDied:
        reader = self._executor.start(InspectTask(data), log=self._log, threads=1, time_limit=None)
        while True:
            if self._give_up():
                raise KeyboardInterrupt
            for worker, message in self._executor.receive(timeout=_TIMEOUT):
                if worker is not reader:
                    self._on_message(worker, message)
                    continue
                match message:
                    case protocol.Progressed(stage, done, total):
                        self._report.data_progress(stage, done, total)
                    case protocol.DatasetInspected() | protocol.Failed() | protocol.WorkerDied():
                        return message
