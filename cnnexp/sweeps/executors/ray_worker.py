"""What stands on a node of a cluster: a warm process for one run at a time, and somebody who watches that run.

Knows nothing of Ray, whose actor it is made into (see `seats`). A run's log and record grow in a folder of the node
and go home with what the run says: the node needs neither the store nor a folder that it shares with the sweep.
"""

import dataclasses
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cnnexp.errors import SweepError
from cnnexp.sweeps.executors import forkserver
from cnnexp.sweeps.executors.process_executor import Worker, Workers
from cnnexp.sweeps.executors.protocol import Assignment, Lost, Message, Task


@dataclass(frozen=True, slots=True)
class Piece:
    """What was added to a file."""

    name: str  # within the folder
    content: bytes


class Growth:
    """What is new in a folder since the last look."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: dict[str, int] = {}  # bytes of each file

    def taken(self) -> list[Piece]:
        """Return what was added to every file; a new one is a piece even where it is empty."""
        files = [path for path in sorted(self._folder.rglob("*")) if path.is_file()]
        pieces = [self._piece(path, str(path.relative_to(self._folder))) for path in files]
        return [piece for piece in pieces if piece is not None]

    def _piece(self, path: Path, name: str) -> Piece | None:
        known = name in self._taken
        start = self._taken[name] if known else 0
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
        self._taken[name] = start + len(content)
        return None if known and not content else Piece(name, content)


def put(pieces: Sequence[Piece], homes: Mapping[str, Path]) -> None:
    """Add pieces to the files at home; `homes` says where what is below each top-level name belongs."""
    for piece in pieces:
        top, _, rest = piece.name.partition("/")
        path = homes[top] / rest if rest else homes[top]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(piece.content)


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
        forkserver.start()
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
