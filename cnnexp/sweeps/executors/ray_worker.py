"""The Ray actor on a node of a cluster: it executes one task at a time, in processes forked there.

Knows nothing of Ray, which makes an actor of `RayWorker` (see `ray_executor`). A run's log and record grow in a folder
of the node and are sent to the sweep with the run's messages: the node needs neither the store nor a shared folder.
"""

import dataclasses
import socket
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnexp.sweeps.executors import forkserver
from cnnexp.sweeps.executors.process_executor import ProcessExecutor, ProcessHandle
from cnnexp.sweeps.executors.protocol import Message, Task, TrainTask, WorkerDied
from cnnexp.system import ray_cluster

LOG, RECORD = "log", "record"  # in the folder of a task


@dataclass(frozen=True, slots=True)
class FileChunk:
    """Bytes that were appended to a file."""

    name: str  # path within the folder
    content: bytes


class FolderTail:
    """Reads what was appended to the files of a folder since it was last read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, int] = {}  # bytes of each file

    def read(self) -> list[FileChunk]:
        """Return what was appended to every file; a new file is a chunk even where it is empty."""
        files = [path for path in sorted(self._folder.rglob("*")) if path.is_file()]
        chunks = [self._chunk(path, str(path.relative_to(self._folder))) for path in files]
        return [chunk for chunk in chunks if chunk is not None]

    def _chunk(self, path: Path, name: str) -> FileChunk | None:
        known = name in self._read
        start = self._read[name] if known else 0
        with path.open("rb") as file:
            file.seek(start)
            content = file.read()
        self._read[name] = start + len(content)
        return None if known and not content else FileChunk(name, content)


def append_chunks(chunks: Sequence[FileChunk], destinations: Mapping[str, Path]) -> None:
    """Append chunks to their files; `destinations` maps each top-level name to its file or folder here."""
    for chunk in chunks:
        top, _, rest = chunk.name.partition("/")
        path = destinations[top] / rest if rest else destinations[top]
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(chunk.content)


@dataclass(frozen=True, slots=True)
class Poll:
    """What a task has sent since the last poll, and what was appended to its log and record."""

    messages: list[Message]
    chunks: list[FileChunk]


class RayWorker:
    """Executes one task at a time on `threads` cores of its node."""

    def __init__(self, threads: int) -> None:
        forkserver.never_rerun_main()  # which here is a script of Ray
        forkserver.start()
        self._threads = threads
        self._executor = ProcessExecutor(cores=threads, limit=1)
        self._process: ProcessHandle | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._tail: FolderTail | None = None

    def introduce(self, expected: Mapping[str, str]) -> str:
        """Return the name of the node.

        Raises:
            SweepError: it has other versions than those expected.

        """
        return ray_cluster.introduction(expected)

    def start(self, task: Task, *, time_limit: float | None, timeout: float) -> Poll:
        """Start a task and poll it."""
        self._folder = tempfile.TemporaryDirectory(prefix="cnnexp-")
        folder = Path(self._folder.name)
        self._tail = FolderTail(folder)
        if isinstance(task, TrainTask):
            task = dataclasses.replace(task, record=folder / RECORD)
            task.record.mkdir()
        self._process = self._executor.start(task, log=folder / LOG, threads=self._threads, time_limit=time_limit)
        return self.poll(timeout)

    def poll(self, timeout: float) -> Poll:
        """Return the task's messages as soon as there are any, at the latest after `timeout` seconds."""
        assert self._tail is not None
        assert self._folder is not None
        messages = [_with_node(message) for _, message in self._executor.receive(timeout=timeout)]
        poll = Poll(messages, self._tail.read())
        if not self._executor:
            self._folder.cleanup()
        return poll

    def answer(self, prune: bool) -> None:
        """Answer a prunable run that has ended an epoch: whether to stop there."""
        assert self._process is not None
        self._process.answer(prune)


def _with_node(message: Message) -> Message:
    if isinstance(message, WorkerDied):
        return dataclasses.replace(message, reason=f"Node {socket.gethostname()}: {message.reason}")
    return message
