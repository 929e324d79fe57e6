"""A process that does one task of a sweep after another: forked, told what to do, watched through a wire."""

import os
import queue
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnexp.config import DataConfig
from cnnexp.datasets import read_facts
from cnnexp.errors import CnnexpError
from cnnexp.records import EpochValues, RunInfo, RunResult
from cnnexp.sweeps.executors import protocol
from cnnexp.sweeps.executors.protocol import Assignment, Message, Reading, Task
from cnnexp.system.text import one_line

if TYPE_CHECKING:
    from cnnexp.training import GraphCache

# A process that has ever held more than this begins no other task: its memory is given back by its end.
MOST_MEMORY = 3 * 2**29  # bytes


def serve(wire: Connection, *, most_memory: int = MOST_MEMORY) -> None:
    """Do what is sent, each task with the log (task, log) to print into; the last message of each says how it ended.

    Ends when the sweep does, or closes the wire. A process that will not do another task says so, with `messages.Spent`
    before its last message.
    """
    from cnnexp.training import GraphCache  # and with it Keras, which the sweep's own process never imports

    sweep, graphs = _Sweep(wire), GraphCache()
    while True:
        task, log = sweep.next_task()
        _print_to(log)
        last = _carried_out(task, sweep, graphs)
        _print_to(Path(os.devnull))
        if not _is_as_new(task, last, most_memory):
            sweep.tell(protocol.Spent())
        sweep.tell(last)


class _Sweep:
    """The sweep, as its run's process sees it; it is also who the run reports to."""

    def __init__(self, wire: Connection) -> None:
        self._wire = wire
        self._tasks: queue.SimpleQueue[tuple[Task, Path]] = queue.SimpleQueue()
        self._verdicts: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def next_task(self) -> tuple[Task, Path]:
        """Wait for a task and the log that belongs to it."""
        return self._tasks.get()

    def tell(self, message: Message | protocol.Spent) -> None:
        self._wire.send(message)

    def hopeless(self, values: EpochValues) -> bool:
        """Report an epoch and wait for the word whether to stop."""
        self.tell(protocol.EpochEnded(values))
        return self._verdicts.get()

    def _listen(self) -> None:
        try:
            while True:
                heard = self._wire.recv()
                if isinstance(heard, bool):
                    self._verdicts.put(heard)
                else:
                    self._tasks.put(heard)
        except (EOFError, OSError):
            # The sweep is gone. At once and without a word: nobody holds the record any more, and whoever resumes the
            # sweep repeats the run.
            os.kill(os.getpid(), signal.SIGKILL)

    def info(self, info: RunInfo, _settings: Mapping[str, Any]) -> None:
        self.tell(protocol.Planned(info))

    def progress(self, stage: str, done: int, total: int) -> None:
        self.tell(protocol.Progressed(stage, done, total))

    def epoch(self, values: EpochValues) -> None:
        """Told with the question whether to stop."""

    def result(self, result: RunResult) -> None:
        """Told with the end."""


def _carried_out(task: Task, sweep: _Sweep, graphs: "GraphCache") -> Message:
    """Do a task and return what came of it."""
    try:
        match task:
            case Assignment():
                return _run(task, sweep, graphs)
            case Reading(data):
                return protocol.Surveyed(read_facts(data, partial(sweep.progress, "reading images")))
    except Exception as error:  # whatever it is, the sweep goes on and records it
        expected = isinstance(error, CnnexpError)
        text = one_line(error)
        reason = text if expected else f"{type(error).__name__}: {text}"
        return protocol.Failed(reason, "".join(traceback.format_exception(error)), expected)


def _is_as_new(task: Task, last: Message, most_memory: int) -> bool:
    """Tell whether the next task will find what it would in a new process, or nothing that matters to it."""
    if isinstance(last, protocol.Failed) or task.alone:
        return False
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) < most_memory


def _print_to(log: Path) -> None:
    """Send both outputs of this process, C++ included, to the end of a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(handle, number)
    os.close(handle)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _missing_here(data: DataConfig, digest: str, sweep: _Sweep) -> str | None:
    """Say what is wrong where the data are missing on this machine, or are not those of the sweep."""
    node = socket.gethostname()
    try:
        found = read_facts(data.whole(), partial(sweep.progress, "reading images"))
    except CnnexpError as error:
        return f"Node {node}: {error}"
    if found.digest == digest:
        return None
    place = f"data={data.name}" if data.path is None else f"data.path={data.path}"
    return (
        f"The data must be the same on every node; {place} on node {node} has the digest {found.digest[:12]}, "
        f"the sweep has read {digest[:12]}. Copy them there again, or use a folder that all nodes share."
    )


def _run(assignment: Assignment, sweep: _Sweep, graphs: "GraphCache") -> Message:
    os.environ.update(assignment.environment)
    from cnnexp.runs.record_run import record_run
    from cnnexp.system import quiet
    from cnnexp.tracking import Recorder, RecordWriter

    def only_tell(values: EpochValues) -> bool:
        sweep.tell(protocol.EpochEnded(values))
        return False

    if assignment.digest is not None and (reason := _missing_here(assignment.config.data, assignment.digest, sweep)):
        return protocol.Unfit(reason)
    quiet.import_tensorflow()
    outcome = record_run(
        assignment.config,
        name=assignment.name,
        report=sweep,
        recorder=Recorder(RecordWriter.open(assignment.record), notify=lambda: sweep.tell(protocol.Grown())),
        should_prune=sweep.hopeless if assignment.may_be_stopped else only_tell,
        graphs=graphs,
    )
    return protocol.Finished(dict(outcome.metrics), outcome.pruned_after)
