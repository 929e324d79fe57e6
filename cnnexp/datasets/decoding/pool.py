"""Decoding by several processes: this one, and new interpreters that import NumPy and Pillow, and little else.

Threads do not help: too much happens between Pillow's calls that release the interpreter lock. Forks of this process
would copy TensorFlow's locks without its threads; multiprocessing's spawn and forkserver import the user's main script
again, and take modules from the current folder.
"""

import json
import pickle
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Any

from cnnexp.datasets.decoding.worker import MIN_PARALLEL_IMAGES, DecodeJob, WrittenChunk
from cnnexp.datasets.sources.source import ArraySource
from cnnexp.errors import DataError
from cnnexp.system import own_process
from cnnexp.system.resources import cores

SECONDS_PER_PROCESS = 1.0  # of work left, for each process that is started

# Pillow gives the memory of every image back to the system and asks for it again; keeping some halves decoding time.
_KEEP_MEMORY = {"PILLOW_BLOCKS_MAX": "8", "MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**30)}
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}  # NumPy would start one for every core, to do nothing


def decode_chunks(job: DecodeJob, chunks: list[int]) -> Generator[tuple[int, WrittenChunk], None, None]:
    """Decode the given chunks, in any order; yield each when it is written.

    Raises:
        OSError: a file cannot be written.
        DataError: a process died.

    """
    todo = deque(chunks)
    with _Pool(job, todo) as pool:
        pool.start_if_worthwhile()  # already known for many images; a process takes a moment to start
        for chunk in _taken(todo):
            yield chunk, job.run(chunk)
            pool.start_if_worthwhile()
            yield from pool.finished()
        yield from pool.remaining()


class _Pool:
    """Further processes that take chunks from the same queue, each driven by a thread of this one."""

    def __init__(self, job: DecodeJob, todo: deque[int]) -> None:
        self._job, self._todo, self._chunks = job, todo, len(todo)
        self._began = time.monotonic()
        self._stack = ExitStack()
        self._tried = False
        self._drivers: list[Future[None]] = []
        self._finished: SimpleQueue[tuple[int, WrittenChunk]] = SimpleQueue()

    def start_if_worthwhile(self) -> None:
        """Start processes on other cores, once, as soon as enough work is known to be left."""
        number = 0 if self._tried else min(cores() - 1, self._worthwhile())
        if number < 1:
            return
        self._tried = True
        threads = self._stack.enter_context(ThreadPoolExecutor(number))  # exited last: its threads wait for processes
        with suppress(OSError):  # too many processes, or too little memory: go on with those that started
            for _ in range(number):
                process = self._stack.enter_context(_worker_process())
                self._drivers.append(threads.submit(self._drive, process))

    def _worthwhile(self) -> int:
        """Return how many processes the work that is left keeps busy for longer than it takes to start them."""
        if isinstance(self._job.source, ArraySource):  # in the memory of this process already
            return 0
        left, done = len(self._todo), self._chunks - len(self._todo)
        if left * self._job.chunk >= MIN_PARALLEL_IMAGES:
            return left - 1  # this process takes one, too
        seconds_left = (time.monotonic() - self._began) / max(done, 1) * left
        return min(left - 1, int(seconds_left / SECONDS_PER_PROCESS))

    def _drive(self, process: "_WorkerProcess") -> None:
        process.start(self._job)
        for chunk in _taken(self._todo):
            self._finished.put((chunk, process.run(chunk)))

    def finished(self) -> Iterator[tuple[int, WrittenChunk]]:
        """Yield what was finished since the last call; raise the error that a process ended with."""
        while not self._finished.empty():
            yield self._finished.get()
        for ended in [future for future in self._drivers if future.done()]:
            ended.result()

    def remaining(self) -> Iterator[tuple[int, WrittenChunk]]:
        """Wait for the chunks that the processes are still decoding, and yield them."""
        for ended in as_completed(self._drivers):
            ended.result()
        yield from self.finished()

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _taken(todo: deque[int]) -> Iterator[int]:
    """Yield chunks that no other thread has taken."""
    with suppress(IndexError):
        while True:
            yield todo.popleft()


@contextmanager
def _worker_process() -> Iterator["_WorkerProcess"]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", "from cnnexp.datasets.decoding.worker import run_worker; run_worker()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=own_process.user_variables(**_KEEP_MEMORY, **_ONE_THREAD),
        start_new_session=True,  # Ctrl-C is for the main process, which then ends this one
    )
    try:
        yield _WorkerProcess(process)
    finally:
        process.kill()  # idle, or no longer wanted
        process.communicate()


class _WorkerProcess:
    """One decoding process: it gets the job, then chunk numbers, and answers each with a line of JSON."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def start(self, job: DecodeJob) -> None:
        """Send the job; return when the process has started, so that no chunk waits for that."""
        self._send(pickle.dumps(job))
        self._answer()

    def run(self, chunk: int) -> WrittenChunk:
        self._send(b"%d\n" % chunk)
        answer = self._answer()
        if "errno" in answer:
            raise OSError(answer["errno"], answer["error"], answer["file"])
        return WrittenChunk({int(row): why for row, why in answer["unreadable"].items()}, answer["checksum"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise DataError(self._died())
        answer: dict[str, Any] = json.loads(line)
        return answer

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
