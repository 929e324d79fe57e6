"""What stands on a node of a cluster: a warm process for one run at a time, and somebody who watches that run.

Knows nothing of Ray, whose actor it is made into (see `seats`). A run's log and record grow in a folder of the node
and go home with what the run says: the node needs neither the store nor a folder that it shares with the sweep.
"""

import dataclasses
import socket
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cnnexp.errors import SweepError
from cnnexp.sweeps import warm
from cnnexp.sweeps.growth import Growth, Piece
from cnnexp.sweeps.messages import Lost, Message
from cnnexp.sweeps.tasks import Assignment, Task
from cnnexp.sweeps.workers import Worker, Workers

LOG, RECORD = "log", "record"  # in the folder of a run
_LIBRARIES = ("cnnexp", "tensorflow", "keras", "numpy", "scikit-learn")  # that a run's numbers depend on


def versions() -> dict[str, str]:
    """Return the versions of what a run's numbers depend on."""
    return {name: version(name) for name in _LIBRARIES}


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a run has said, and what has come to its log and its record meanwhile."""

    messages: list[Message]
    pieces: list[Piece]


class Seat:
    """A place for one run at a time."""

    def __init__(self, threads: int) -> None:
        # A run forks off the warm process, and would first run again what this process was started with.
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._threads = threads
        warm.start()
        self._workers = Workers(cores=threads, limit=1)
        self._worker: Worker | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._growth: Growth | None = None

    def introduce(self, expected: Mapping[str, str]) -> str:
        """Return the name of the node.

        Raises:
            SweepError: it has other versions than those expected.

        """
        other = {name: found for name, found in versions().items() if found != expected[name]}
        if other:
            told = ", ".join(f"{name} {found} instead of {expected[name]}" for name, found in other.items())
            raise SweepError(
                f"Every node must have the versions of the machine that conducts the sweep; {socket.gethostname()} has "
                f"{told}. Install the same there."
            )
        return socket.gethostname()

    def work(self, task: Task, *, time_limit: float | None, patience: float) -> Parcel:
        """Start a task and listen to it."""
        self._folder = tempfile.TemporaryDirectory(prefix="cnnexp-")
        folder = Path(self._folder.name)
        self._growth = Growth(folder)
        if isinstance(task, Assignment):
            task = dataclasses.replace(task, record=folder / RECORD)
            task.record.mkdir()
        self._worker = self._workers.start(task, log=folder / LOG, threads=self._threads, time_limit=time_limit)
        return self.listen(patience)

    def listen(self, patience: float) -> Parcel:
        """Return what the run says within `patience` seconds, as soon as it says anything."""
        assert self._growth is not None
        assert self._folder is not None
        messages = [self._from_here(message) for _, message in self._workers.listen(patience=patience)]
        parcel = Parcel(messages, self._growth.taken())
        if not self._workers:
            self._folder.cleanup()
        return parcel

    def answer(self, verdict: bool) -> None:
        """Tell the run whether to stop."""
        assert self._worker is not None
        self._worker.answer(verdict)

    def _from_here(self, message: Message) -> Message:
        return Lost(f"Node {socket.gethostname()}: {message.reason}") if isinstance(message, Lost) else message
