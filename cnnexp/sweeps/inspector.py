"""Reads the data of a sweep in processes of their own, once for all runs that share it."""

from collections.abc import Callable
from pathlib import Path

from cnnexp.config import DataConfig
from cnnexp.errors import DataError
from cnnexp.records import DataFacts
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.executors import protocol
from cnnexp.sweeps.executors.protocol import Message, Reading, Worker, Workforce

_NUMBER = -1  # under which the reading is shown among the runs
_PATIENCE = 0.5  # seconds

Hear = Callable[[Worker, Message], None]


class Surveyor:
    """Knows every data set that was read."""

    def __init__(self, workers: Workforce, report: SweepReport, folder: Path, *, retries: int) -> None:
        self._workers = workers
        self._retries = retries
        self._report = report
        self._folder = folder
        self._known: dict[str, DataFacts | DataError] = {}

    def facts(self, data: DataConfig, *, otherwise: Hear, give_up: Callable[[], bool]) -> DataFacts:
        """Return what a data set is; `otherwise` hears what runs say while it is read.

        Raises:
            DataError: it is missing, unreadable, or unfit.
            KeyboardInterrupt: `give_up` said so.

        """
        key = data.dataset_key
        if key not in self._known:
            self._report.started(_NUMBER, "the data", epochs=0)
            self._known[key] = self._read(data, otherwise, give_up)
            self._report.gone(_NUMBER)
        known = self._known[key]
        if isinstance(known, DataError):
            raise known
        return known

    def _read(self, data: DataConfig, otherwise: Hear, give_up: Callable[[], bool]) -> DataFacts | DataError:
        found = self._read_once(data, otherwise, give_up)
        for _ in range(self._retries):
            if isinstance(found, protocol.Lost):
                found = self._read_once(data, otherwise, give_up)
        return DataError(found.reason) if isinstance(found, protocol.Lost) else found

    def _read_once(
        self, data: DataConfig, otherwise: Hear, give_up: Callable[[], bool]
    ) -> DataFacts | DataError | protocol.Lost:
        reader = self._workers.start(Reading(data.whole()), log=self._folder / "data.log", threads=1, time_limit=None)
        while True:
            if give_up():
                raise KeyboardInterrupt
            for worker, message in self._workers.listen(patience=_PATIENCE):
                if worker is not reader:
                    otherwise(worker, message)
                    continue
                match message:
                    case protocol.Surveyed(facts):
                        return facts
                    case protocol.Failed(reason=reason):
                        return DataError(reason)
                    case protocol.Lost():
                        return message
                    case protocol.Progressed(stage, done, total):
                        self._report.stage(_NUMBER, stage, done, total)
