"""Decoding by several processes: this one, and fresh interpreters that import NumPy and Pillow, and little else.

Threads do not help: too much happens between Pillow's calls that let go of the interpreter lock. Copies of this process
(fork) would copy TensorFlow's locks without its threads, and multiprocessing's spawn runs the user's main script again.
"""

import json
import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from cnnexp.datasets import fingerprints
from cnnexp.datasets.decoding import Unreadable, decode_rows
from cnnexp.datasets.headers import HEADER
from cnnexp.datasets.sources import ArrayPictures, Pictures
from cnnexp.errors import DataError
from cnnexp.images import ImageSpec

CHUNK = 64  # images decoded, written and noted down together; small, so that no core waits long at the end
WORTH_WORKERS = 2048  # images from which starting processes pays

# Pillow gives the memory of every image back to the system and asks for it again; keeping some halves decoding time.
_KEEP_MEMORY = {"PILLOW_BLOCKS_MAX": "8", "MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
_ROOT = Path(__file__).parents[2]  # where `cnnexp` is imported from


@dataclass(frozen=True, slots=True)
class Job:
    """What to decode, and the three files the outcome is written into, each at the place of its rows."""

    pictures: Pictures
    spec: ImageSpec
    images: Path  # a .npy file of (N, H, W, C), already there at its full size
    offset: int  # bytes before its first pixel
    fingerprints: Path  # N * fingerprints.LENGTH bytes
    headers: Path  # N * HEADER.itemsize bytes

    @property
    def chunks(self) -> int:
        """How many chunks the job has."""
        return -(-len(self.pictures) // CHUNK)

    def run(self, chunk: int) -> Unreadable:
        """Decode one chunk and write it; return the rows that could not be read."""
        rows = range(chunk * CHUNK, min((chunk + 1) * CHUNK, len(self.pictures)))
        decoded = decode_rows(self.pictures, rows, self.spec)
        height, width, channels = self.spec.shape
        _write(self.images, decoded.images.tobytes(), at=self.offset + rows.start * height * width * channels)
        _write(self.fingerprints, decoded.fingerprints.tobytes(), at=rows.start * fingerprints.LENGTH)
        _write(self.headers, decoded.headers.tobytes(), at=rows.start * HEADER.itemsize)
        return decoded.unreadable


def _write(path: Path, content: bytes, *, at: int) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(at)
        view = memoryview(content)
        while view:  # a nearly full disk takes a part first and says so on the next write
            view = view[file.write(view) :]


def run(job: Job, chunks: list[int]) -> Generator[tuple[int, Unreadable], None, None]:
    """Decode the given chunks, in any order; yield each with the rows that could not be read.

    Raises:
        OSError: a file cannot be written.
        DataError: a process died.

    """
    worth_it = len(chunks) * CHUNK >= WORTH_WORKERS and not isinstance(job.pictures, ArrayPictures)  # those are here
    helpers = min(_cores(), len(chunks)) - 1 if worth_it else 0
    todo, finished = deque(chunks), SimpleQueue[tuple[int, Unreadable]]()

    def keep_busy(worker: _Worker) -> None:
        worker.take(job)
        for chunk in _taken(todo):
            finished.put((chunk, worker.run(chunk)))

    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(helpers + 1))  # left last: its threads wait for the workers
        workers = [stack.enter_context(_Worker()) for _ in range(helpers)]
        busy = [pool.submit(keep_busy, worker) for worker in workers]
        for chunk in _taken(todo):  # this process decodes as well, and at once: workers take a moment to start
            yield chunk, job.run(chunk)
            yield from _emptied(finished)
            _raise_errors(future for future in busy if future.done())
        _raise_errors(as_completed(busy))
        yield from _emptied(finished)


def _taken(todo: deque[int]) -> Iterator[int]:
    """Take what another thread has not taken."""
    with suppress(IndexError):
        while True:
            yield todo.popleft()


def _emptied(finished: "SimpleQueue[tuple[int, Unreadable]]") -> Iterator[tuple[int, Unreadable]]:
    while not finished.empty():
        yield finished.get()


def _raise_errors(ended: Iterable[Future[None]]) -> None:
    for future in ended:
        future.result()


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Worker:
    """One decoding process: it reads chunk numbers line by line and answers each with a line of JSON."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from cnnexp.datasets.workers import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_KEEP_MEMORY, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the main process, which then ends this one
        )

    def take(self, job: Job) -> None:
        """Hand over the job; returns when the process has started."""
        self._send(pickle.dumps(job))

    def run(self, chunk: int) -> Unreadable:
        self._send(b"%d\n" % chunk)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise DataError(self._died())
        answer = json.loads(line)
        if "errno" in answer:
            raise OSError(answer["errno"], answer["error"], answer["file"])
        return {int(row): reason for row, reason in answer["unreadable"].items()}

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise DataError(self._died()) from error

    def _died(self) -> str:
        code = self._process.wait()
        return (
            f"A process that decodes images ended before its work was done (exit code {code}"
            f"{': was it out of memory?' if code == -9 else ''}). Run the same command again; it continues there."
        )

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # idle, or not wanted any more
        self._process.communicate()


def serve() -> None:
    """Be a worker: the job comes pickled from the process that started this one, then chunk numbers."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    job: Job = pickle.load(requests)
    for line in requests:
        try:
            answer: dict[str, Any] = {"unreadable": job.run(int(line))}
        except OSError as error:
            answer = {"errno": error.errno, "error": error.strerror, "file": str(error.filename or job.images)}
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()
