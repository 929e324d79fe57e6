"""The process of one run: forked, told what to do, watched through a wire."""

import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cnnexp.config import DataConfig, ExperimentConfig
from cnnexp.errors import CnnexpError
from cnnexp.records import EpochValues, RunPlan, RunResult
from cnnexp.sweeps import messages
from cnnexp.sweeps.messages import Message
from cnnexp.sweeps.survey import survey, surveyed


@dataclass(frozen=True, slots=True)
class Assignment:
    """One attempt at one run."""

    name: str
    config: ExperimentConfig
    digest: str | None  # of the data as the sweep read them elsewhere; None: it read them on this machine
    record: Path  # the folder of its record, which the sweep holds
    environment: Mapping[str, str]  # more variables, for this run alone
    may_be_stopped: bool  # the sweep has a say after every epoch


def run(wire: Connection, log: Path, assignment: Assignment) -> None:
    """Do a run; the last message says how it ended."""
    os.environ.update(assignment.environment)
    _work(_Sweep(wire), log, partial(_run, assignment))


def look(wire: Connection, log: Path, data: DataConfig) -> None:
    """Read a data set; the last message says what it is."""
    _work(_Sweep(wire), log, lambda sweep: messages.Surveyed(survey(data, partial(sweep.progress, "reading images"))))


class _Sweep:
    """The sweep, as its run's process sees it; it is also who the run reports to."""

    def __init__(self, wire: Connection) -> None:
        self._wire = wire
        self._verdicts: queue.SimpleQueue[bool] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def tell(self, message: Message) -> None:
        self._wire.send(message)

    def hopeless(self, values: EpochValues) -> bool:
        """Report an epoch and wait for the word whether to stop."""
        self.tell(messages.EpochEnded(values))
        return self._verdicts.get()

    def _listen(self) -> None:
        try:
            while True:
                self._verdicts.put(self._wire.recv())
        except (EOFError, OSError):
            # The sweep is gone. At once and without a word: nobody holds the record any more, and whoever resumes the
            # sweep repeats the run.
            os.kill(os.getpid(), signal.SIGKILL)

    def plan(self, plan: RunPlan, _settings: Mapping[str, Any]) -> None:
        self.tell(messages.Planned(plan))

    def progress(self, stage: str, done: int, total: int) -> None:
        self.tell(messages.Progressed(stage, done, total))

    def epoch(self, values: EpochValues) -> None:
        """Told with the question whether to stop."""

    def result(self, result: RunResult) -> None:
        """Told with the end."""


def _work(sweep: _Sweep, log: Path, task: Callable[[_Sweep], Message]) -> None:
    """Do a task, printing into a file, and say what came of it."""
    _print_to(log)
    try:
        sweep.tell(task(sweep))
    except Exception as error:  # whatever it is, the sweep goes on and records it
        expected = isinstance(error, CnnexpError)
        text = " ".join(str(error).split())
        reason = text if expected else f"{type(error).__name__}: {text}"
        sweep.tell(messages.Failed(reason, "".join(traceback.format_exception(error)), expected))


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
        found = survey(surveyed(data), partial(sweep.progress, "reading images"))
    except CnnexpError as error:
        return f"Node {node}: {error}"
    if found.digest == digest:
        return None
    place = f"data={data.name}" if data.path is None else f"data.path={data.path}"
    return (
        f"The data must be the same on every node; {place} on node {node} has the digest {found.digest[:12]}, "
        f"the sweep has read {digest[:12]}. Copy them there again, or use a folder that all nodes share."
    )


def _run(assignment: Assignment, sweep: _Sweep) -> Message:
    from cnnexp import quiet
    from cnnexp.recorded_run import carry_out
    from cnnexp.tracking.held import SharedRecorder

    def only_tell(values: EpochValues) -> bool:
        sweep.tell(messages.EpochEnded(values))
        return False

    if assignment.digest is not None and (reason := _missing_here(assignment.config.data, assignment.digest, sweep)):
        return messages.Unfit(reason)
    quiet.import_tensorflow()
    outcome = carry_out(
        assignment.config,
        name=assignment.name,
        report=sweep,
        recorder=SharedRecorder(assignment.record, on_growth=lambda: sweep.tell(messages.Grown())),
        hopeless=sweep.hopeless if assignment.may_be_stopped else only_tell,
    )
    return messages.Finished(dict(outcome.metrics), outcome.pruned)
