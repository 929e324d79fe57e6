"""The main loop of a worker process: forked, given one task of a sweep after another through a connection."""

import os
import pickle
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

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import dataset_info
from cnnexp.datasets.cache import checksums
from cnnexp.datasets.cache.checksums import Verified
from cnnexp.errors import CnnexpError, MemoryShortageError
from cnnexp.records import EpochValues, FoldsSummary, RunInfo, RunResult
from cnnexp.runs.checkpoint_folder import CheckpointFolder, StoppedRuns
from cnnexp.sweeps.executors import protocol
from cnnexp.sweeps.executors.protocol import InspectTask, Message, Task, TrainTask
from cnnexp.system.find_devices import VISIBLE, peak_memory
from cnnexp.system.signals import StopRequest, Terminated
from cnnexp.system.text import one_line

if TYPE_CHECKING:
    from cnnexp.runs.record_run import Outcome
    from cnnexp.tracking import Recorder
    from cnnexp.training import GraphCache

# A worker that has ever held more than this takes no other task: memory is given back for certain only by its end.
MAX_MEMORY = 3 * 2**29  # bytes
MAX_MEMORY_WITH_GPU = 3 * 2**31  # CUDA's libraries are some gigabytes, and starting them takes many seconds

PREDECESSOR = 5.0  # seconds for a process that was killed at the same run to let go its checkpoint


def serve(connection: Connection, *, max_memory: int, visible: str | None) -> None:
    """Execute tasks; each comes with its log and verified files, and is answered by messages, the last of them final.

    `visible` is what CUDA_VISIBLE_DEVICES is to be, which CUDA reads when it starts; None: it stays as it is.

    Returns never: the process ends when the sweep kills it or closes the connection. A worker that takes no other task
    says so with `protocol.Retiring` before its final message.
    """
    if visible is not None:
        os.environ[VISIBLE] = visible
    from cnnexp.training import GraphCache  # and with it Keras, which the sweep's own process never imports

    sweep, graphs = _SweepConnection(connection), GraphCache()
    while True:
        task, log, verified = sweep.next_task()
        checksums.trust(verified)
        _print_to(log)
        final = _execute(task, sweep, graphs)
        _print_to(Path(os.devnull))
        sweep.send(protocol.FilesVerified(checksums.verified()))
        if not _is_reusable(task, final, max_memory):
            sweep.send(protocol.Retiring())
        sweep.send(final)


class _SweepConnection:
    """The worker's end of the connection to its sweep; also the `Report` of its runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks: queue.SimpleQueue[tuple[Task, Path, Mapping[Path, Verified]]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=self._receive, daemon=True).start()

    def next_task(self) -> tuple[Task, Path, Mapping[Path, Verified]]:
        """Wait for a task, the log that belongs to it, and the files of the cache that others have verified."""
        return self._tasks.get()

    def send(self, message: Message | protocol.FilesVerified | protocol.Retiring) -> None:
        self._connection.send(message)

    def send_epoch(self, values: EpochValues) -> bool:
        """Report an epoch of a run that cannot be pruned."""
        self.send(protocol.EpochEnded(values))
        return False

    def should_prune(self, values: EpochValues) -> bool:
        """Report an epoch and wait for the answer whether to stop."""
        self.send(protocol.EpochEnded(values))
        return self._answers.get()

    def _receive(self) -> None:
        try:
            while True:
                content = self._connection.recv_bytes()
                try:
                    received = pickle.loads(content)
                except Exception as error:  # of the user's code that comes with a task, such as a missing library
                    self.send(_failure(error))
                    continue
                if isinstance(received, bool):
                    self._answers.put(received)
                else:
                    self._tasks.put(received)
        except (EOFError, OSError):
            # The sweep is gone. End at once and silently: nobody owns the record any more, and a resumed sweep repeats
            # the run.
            os.kill(os.getpid(), signal.SIGKILL)

    def info(self, info: RunInfo, _settings: Mapping[str, Any]) -> None:
        self.send(protocol.Planned(info))

    def progress(self, stage: str, done: int, total: int) -> None:
        self.send(protocol.Progressed(stage, done, total))

    def note(self, text: str) -> None:
        self.send(protocol.Noted(text, attention=False))

    def warn(self, text: str) -> None:
        self.send(protocol.Noted(text, attention=True))

    def epoch(self, values: EpochValues) -> None:
        """Sent by `send_epoch` or `should_prune`."""

    def result(self, result: RunResult) -> None:
        """Report what the folds of a run say; what a run returns is sent as the final message."""
        if result.folds is not None:
            self.send(protocol.FoldsPooled(FoldsSummary.of(result)))


def _execute(task: Task, sweep: _SweepConnection, graphs: "GraphCache") -> Message:
    """Execute a task and return its final message."""
    try:
        match task:
            case TrainTask():
                return _train(task, sweep, graphs)
            case InspectTask(data):
                return protocol.DatasetInspected(dataset_info(data, partial(sweep.progress, "reading images")))
    except Exception as error:  # whatever it is, the sweep goes on and records it
        return _failure(error)


def _failure(error: Exception) -> protocol.Failed:
    expected, memory = isinstance(error, CnnexpError), isinstance(error, MemoryShortageError | MemoryError)
    text = one_line(error)
    reason = text if expected else f"{type(error).__name__}: {text}"
    return protocol.Failed(reason, "".join(traceback.format_exception(error)), expected, memory)


def _is_reusable(task: Task, final: Message, max_memory: int) -> bool:
    """Return whether this process is as good as a new one for the next task."""
    if isinstance(final, protocol.Failed) or task.needs_own_process:
        return False
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) < max_memory


def _print_to(log: Path) -> None:
    """Append both outputs of this process, C++ included, to a file."""
    log.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(handle, number)
    os.close(handle)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)


def _train(task: TrainTask, sweep: _SweepConnection, graphs: "GraphCache") -> Message:
    os.environ.update(task.environment)
    from cnnexp.system import quiet
    from cnnexp.tracking import Recorder, RecordWriter

    if task.digest is not None and (reason := _data_problem(task.config, task.digest, sweep)):
        return protocol.NodeUnsuitable(reason)
    quiet.import_tensorflow()
    recorder = Recorder(RecordWriter.open(task.record), notify=lambda: sweep.send(protocol.RecordGrew()))
    folder = CheckpointFolder.claim(task.config, task.checkpoint, patience=PREDECESSOR)
    try:
        outcome = _recorded(task, sweep, recorder, graphs, folder)
    except BaseException as error:
        folder.keep_after(error)
        if isinstance(error, Terminated):  # by the sweep, whose records say so
            raise SystemExit(error.exit_code) from None
        raise
    folder.remove()
    StoppedRuns.with_key(task.config, task.checkpoint).remove()  # of an attempt whose process took longer to end
    return protocol.Finished(dict(outcome.metrics), outcome.pruned_after, outcome.failed_learning, peak_memory())


def _recorded(
    task: TrainTask, sweep: _SweepConnection, recorder: "Recorder", graphs: "GraphCache", folder: CheckpointFolder
) -> "Outcome":
    """Do a run: an ordinary one, or what is left of a run of folds when all of them have ended."""
    from cnnexp.runs.resuming import Resuming

    stop = StopRequest(lambda _: None, text="", patient=True)
    resuming = Resuming.by(task.config, folder, restarts=True, stop=stop, note=sweep.note, warn=sweep.warn)
    if task.folds is None:
        from cnnexp.runs.record_run import record_run

        return record_run(
            task.config,
            name=task.name,
            command=task.command,
            report=sweep,
            recorder=recorder,
            should_prune=sweep.should_prune if task.prunable else sweep.send_epoch,
            graphs=graphs,
            resuming=resuming,
        )
    from cnnexp.runs.record_folds import record_folds

    return record_folds(
        task.config,
        task.folds,
        name=task.name,
        command=task.command,
        report=sweep,
        recorder=recorder,
        on_epoch=sweep.send_epoch,
        graphs=graphs,
        resuming=resuming,
    )


def _data_problem(config: ExperimentConfig, digest: str, sweep: _SweepConnection) -> str | None:
    """Return why this node cannot do the run: it lacks data or weights, or its data differ; None: it can."""
    from cnnexp.runs.pretrained import data_for
    from cnnexp.runs.starting_network import starting_network

    node = socket.gethostname()
    try:
        with starting_network(config) as pretrained:
            data = data_for(config.data, pretrained)
        found = dataset_info(data.whole(), partial(sweep.progress, "reading images"))
    except CnnexpError as error:
        return f"Node {node}: {error}"
    if found.digest == digest:
        return None
    place = f"data={data.name}" if data.path is None else f"data.path={data.path}"
    return (
        f"The data must be the same on every node; {place} on node {node} has the digest {found.digest[:12]}, "
        f"the sweep has read {digest[:12]}. Copy them there again, or use a folder that all nodes share."
    )
