"""The recording process's end of the delivery process, see `delivery_process`.

There is one delivery process for each recording process, kept for its next run. Nothing here waits, apart from the
methods whose names say so.
"""

import atexit
import contextlib
import json
import logging
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from cnnexp.errors import TrackingError
from cnnexp.system import own_process
from cnnexp.system.secrets import masked
from cnnexp.system.signals import name_of
from cnnexp.system.streams import printed_to

_logger = logging.getLogger("cnnexp.tracking")
PATIENCE = 60.0  # seconds without an answer from the delivery process before it is given up
_FAILURES_TO_PRINT = 2  # of the store, in a row: one alone is nothing to look into


@dataclass(frozen=True, slots=True)
class Answer:
    """What the delivery process reports about one record; between the processes it is one line of JSON."""

    event: str  # opened | failing | refused | delivered | kept | warning; `gone` from this end: the process has ended
    folder: str = ""
    run_id: str | None = None  # of `opened` and `delivered`
    reason: str = ""  # of `failing`, `refused`, `kept` and `gone`; the text of a `warning`


class DeliveryClient:
    """A running delivery process."""

    def __init__(self, process: "subprocess.Popen[str]", answers: int, errors: IO[bytes]) -> None:
        """Take the process, the file descriptor its answers come from and the file of what else it prints."""
        self.process = process
        self._owner = os.getpid()
        self._incoming = answers
        self._errors = errors
        self._failures: Counter[str] = Counter()  # of the store to take a record, by its folder
        self._answers: dict[str, queue.SimpleQueue[Answer]] = defaultdict(queue.SimpleQueue)
        self._gone: Answer | None = None  # the last answer about any record; None: the process is there

    @classmethod
    def start(cls) -> Self:
        """Start a delivery process."""
        incoming, outgoing = os.pipe()  # bare: a file object read by a daemon thread can abort Python's exit
        errors = tempfile.TemporaryFile()  # noqa: SIM115 - read when the process has ended
        process = subprocess.Popen(
            own_process.command_of("cnnexp.tracking.outbox.delivery_process", printed_to()),
            stdin=subprocess.PIPE,
            stdout=outgoing,
            stderr=errors,
            env=own_process.variables(),
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is meant for the training process, which records how the run ended
        )
        os.close(outgoing)
        client = cls(process, incoming, errors)
        threading.Thread(target=client._listen, name="cnnexp-delivery", daemon=True).start()
        return client

    @property
    def usable(self) -> bool:
        """Whether the process is alive, and this process its parent rather than a fork of its parent."""
        return self._owner == os.getpid() and self.process.poll() is None

    def notify(self, folder: Path, *, ended: bool) -> None:
        """Report that a record has grown, or has ended."""
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):  # the process is gone; `wait` will return that
            self.process.stdin.write(json.dumps({"folder": str(folder), "ended": ended}) + "\n")
            self.process.stdin.flush()

    def answers(self, folder: Path) -> list[Answer]:
        """Return the answers about a record since the last call, without waiting."""
        waiting = self._answers[str(folder)]
        return [waiting.get() for _ in range(waiting.qsize())]

    def wait(self, folder: Path, *, patience: float) -> Answer | None:
        """Return the next answer about a record; None after `patience` seconds without one."""
        waiting = self._answers[str(folder)]
        if self._gone is not None and waiting.empty():
            return self._gone
        try:
            return waiting.get(timeout=patience)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """Kill the process; what it has not delivered stays on disk."""
        self.process.kill()
        self.process.wait()

    def dismiss(self) -> None:
        """Let the process end by itself when it has nothing left to deliver."""
        if self._owner == os.getpid() and self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()

    def _listen(self) -> None:
        for line in _lines(self._incoming):
            answer = Answer(**json.loads(line))
            if answer.event == "warning":
                _logger.warning("%s", answer.reason)
                continue
            if answer.event == "failing":
                self._warn_of_failures(answer)
            self._answers[answer.folder].put(answer)
        # first, so that a wait that starts from here on sees it
        self._gone = Answer("gone", reason=f"The process that delivers to the store has ended: {self._cause()}.")
        for waiting in list(self._answers.values()):
            waiting.put(self._gone)

    def _warn_of_failures(self, answer: Answer) -> None:
        """Print once that a store fails, when it has failed twice."""
        self._failures[answer.folder] += 1
        if self._failures[answer.folder] == _FAILURES_TO_PRINT:
            _logger.warning("%s. The store is asked again; what is recorded is on disk.", answer.reason.rstrip("."))

    def _cause(self) -> str:
        """Return why the process ended: by which signal, or the last line it printed."""
        code = self.process.wait()
        with self._errors as errors:
            errors.seek(0)
            printed = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
        if code < 0:
            name = name_of(-code)
            return f"{name}, perhaps for want of memory" if code == -signal.SIGKILL else name
        return masked(printed[-1].rstrip(".")) if printed else f"exit code {code}"


def _lines(handle: int) -> Iterator[bytes]:
    rest = b""
    while chunk := os.read(handle, 65_536):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    os.close(handle)


_current: DeliveryClient | None = None


def delivery_client() -> DeliveryClient:
    """Return the client of this process; start a delivery process where none is alive."""
    global _current  # noqa: PLW0603 - one process for all runs, as MLflow takes seconds to import
    if _current is None or not _current.usable:
        _current = DeliveryClient.start()
        atexit.register(_current.dismiss)
    return _current


class PendingDelivery:
    """The delivery of one record, as seen by the process that wants it delivered."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._client: DeliveryClient | None = None  # notified last, and so the one that answers
        self._ended = False  # the delivery process knows that the record has ended
        self._is_answered = False  # the store has the whole record, or it is kept
        self.run_id: str | None = None  # known once the store has created the run
        self.kept_reason: str | None = None  # why the record could not be delivered; None: it was, or will be

    def notify(self, *, ended: bool) -> None:
        """Have everything that is recorded by now delivered."""
        self._client = delivery_client()
        self._client.notify(self._folder, ended=ended)
        self._ended = ended

    def check(self) -> None:
        """Take in what the delivery process has reported, without waiting.

        Raises:
            TrackingError: The store refused the run.

        """
        for answer in self._client.answers(self._folder) if self._client else ():
            self._take(answer)
            if answer.event == "refused":
                raise TrackingError(answer.reason)

    def wait_for_run_id(self) -> str:
        """Wait until the store has created the run and return its id.

        Raises:
            TrackingError: It refused, or did not answer.

        """
        while self.run_id is None:
            answer = self._next_answer(PATIENCE)
            if answer is None:
                raise TrackingError(_no_answer(PATIENCE))
            self._take(answer)
            if answer.event in ("refused", "kept", "gone"):
                raise TrackingError(answer.reason)
        return self.run_id

    def wait(self, *, patience: float = PATIENCE) -> bool:
        """Wait until the store has the whole record, or it is kept; return whether there was an answer in time.

        A delivery process that died is replaced once; another one continues where it stopped. What was answered once
        is not asked for again.
        """
        if self._is_answered:
            return True
        if not self._ended:
            self.notify(ended=True)
        answer = self._last_answer(patience)
        if answer is not None and answer.event == "gone":
            if not self._folder.exists():  # it was delivered, and the process ended before it reported so
                return True
            self.notify(ended=True)
            answer = self._last_answer(patience)
        if answer is None:
            self.kept_reason = _no_answer(patience)
        elif answer.event != "delivered":
            self.kept_reason = answer.reason
        self._is_answered = answer is not None
        return self._is_answered

    def stop(self) -> None:
        """Stop the delivery process, so that it does not touch the record any more."""
        if self._client is not None:
            self._client.stop()

    def _last_answer(self, patience: float) -> Answer | None:
        """Return the last answer about the record; None after `patience` seconds without it."""
        end = time.monotonic() + patience
        while (answer := self._next_answer(max(0.0, end - time.monotonic()))) is not None:
            self._take(answer)
            if answer.event in ("delivered", "kept", "gone"):
                break
        return answer

    def _next_answer(self, patience: float) -> Answer | None:
        """Wait for the process that was notified, even if another one has been started since."""
        assert self._client is not None
        return self._client.wait(self._folder, patience=patience)

    def _take(self, answer: Answer) -> None:
        if answer.event in ("opened", "delivered"):
            self.run_id = answer.run_id


def _no_answer(seconds: float) -> str:
    return f"The MLflow store has not answered for {seconds:g} seconds."
