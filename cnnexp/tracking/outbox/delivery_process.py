"""The process that delivers: ``python -m cnnexp.tracking.outbox.delivery_process``, see `delivery_client`.

A process rather than a thread, because importing MLflow and talking to it are seconds of Python that would take the
interpreter lock from the training process: measured on two cores, TensorFlow and MLflow import in 5.2 s as two threads
and in 3.8 s as two processes.

It reads commands, one JSON object a line: ``{"folder": ..., "ended": true|false}``, meaning that the record in the
folder has grown or has ended. It answers in the same way with ``{"folder", "event", ...}``, where event is
``opened``, ``refused``, ``delivered``, ``kept`` or ``warning``. When its input ends, because the training process is
gone in whatever way, it delivers what that process left and ends.
"""

import json
import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from cnnexp.errors import TrackingError
from cnnexp.system.locks import locked_folder
from cnnexp.system.store_uri import masked
from cnnexp.tracking.outbox.delivery import Delivery
from cnnexp.tracking.outbox.record_folder import remove
from cnnexp.tracking.store import connection

_PAUSE = 5.0  # seconds without an attempt after one that failed
_LAST_WORDS = 1.0  # seconds in which the kernel takes a dead process's locks away


class IncrementalDelivery:
    """Held alone from the first visit on, so that nobody else delivers it meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = ExitStack()
        self._delivery: Delivery | None = None
        self._opened = False
        self._complete = False
        self._not_before = 0.0

    def visit(self, *, ended: bool) -> Iterator[dict[str, Any]]:
        """Deliver what there is by now and yield what the training process should know of it."""
        if not self._complete and (ended or time.monotonic() >= self._not_before):
            try:
                yield from self._advance(ended=ended)
            except Exception as error:  # whatever it is: training and the other records go on, and this one is kept
                yield from self._failed(error, ended=ended)
        if ended:
            self._held.close()

    def _advance(self, *, ended: bool) -> Iterator[dict[str, Any]]:
        if self._delivery is None:
            self._held.enter_context(locked_folder(self._folder, patience=0.0))
            self._delivery = Delivery(self._folder)
        self._complete = self._delivery.advance()
        if not self._opened and self._delivery.progress.run_id is not None:
            self._opened = True
            yield {"event": "opened", "run_id": self._delivery.run_id}
        if self._complete:
            remove(self._folder)
            yield {"event": "delivered", "run_id": self._delivery.progress.run_id}
        elif ended:
            yield {"event": "kept", "reason": "The record has no end."}

    def _failed(self, error: Exception, *, ended: bool) -> Iterator[dict[str, Any]]:
        self._not_before = time.monotonic() + _PAUSE
        if not isinstance(error, TrackingError):
            traceback.print_exception(error)
        reason = str(error) or type(error).__name__
        if ended:
            yield {"event": "kept", "reason": reason}
        elif not self._opened:
            yield {"event": "refused", "reason": reason}

    def abandoned(self) -> None:
        """Deliver what a training process left that died without a word."""
        deadline = time.monotonic() + _LAST_WORDS
        while time.monotonic() < deadline and self._folder.exists():
            for _ in self.visit(ended=True):
                continue
            time.sleep(_LAST_WORDS / 10)


Reply = Callable[..., None]
Commands = queue.SimpleQueue[dict[str, Any] | None]  # None: no more will come

_GROWTH = 1.0  # seconds


def main() -> None:
    """Serve until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the training process; this one ends after it, with its input
    reply = _replier()
    logging.getLogger().addHandler(_WarningsAsReplies(reply))
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # or MLflow prints beside us
    commands: Commands = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, commands), daemon=True).start()
    connection.load_mlflow()
    serve(commands, reply)


def _replier() -> Reply:
    """Keep the answers apart from whatever libraries print."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def reply(**answer: object) -> None:
        with lock:
            try:
                print(json.dumps(answer), file=answers, flush=True)
            except BrokenPipeError:
                return  # nobody is there to be told; the record still has to be delivered

    return reply


class _WarningsAsReplies(logging.Handler):
    """MLflow's warnings belong among the training process's lines, not between them."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(logging.WARNING)
        self._reply = reply

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is None:  # what was raised is answered with its reason
            self._reply(event="warning", text=masked(record.getMessage()))


def _read(source: IO[str], commands: Commands) -> None:
    for line in source:
        commands.put(json.loads(line))
    commands.put(None)


def serve(commands: Commands, reply: Reply) -> None:
    """Deliver what the commands name, then what is left when they end."""
    records: dict[str, IncrementalDelivery] = {}
    for grown in _latest(commands, records):
        for folder, ended in grown.items():
            record = records.setdefault(folder, IncrementalDelivery(Path(folder)))
            for answer in record.visit(ended=ended):
                reply(folder=folder, **answer)
            if ended:
                del records[folder]
    for record in records.values():
        record.abandoned()


def _latest(commands: Commands, known: Container[str]) -> Iterator[dict[str, bool]]:
    """Yield, for each record, whether it has ended by now; many commands as one, so that a slow store only lags.

    What only grows waits a second for more: a call of the store takes as long for one epoch as for ten.
    """
    while (command := commands.get()) is not None:
        grown: dict[str, bool] = {}
        urgent = False
        until = time.monotonic() + _GROWTH
        while command is not None:
            grown[command["folder"]] = command["ended"]
            urgent = urgent or command["ended"] or command["folder"] not in known
            try:
                command = commands.get(timeout=0 if urgent else max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
        yield grown
        if command is None:
            return


if __name__ == "__main__":
    main()
