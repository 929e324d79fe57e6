"""The process that delivers: ``python -m cnnexp.tracking.outbox.delivery_process``, started by `delivery_client`.

A process rather than a thread, because importing MLflow and talking to it are seconds of Python that would take the
interpreter lock from the training process: measured on two cores, TensorFlow and MLflow import in 5.2 s as two threads
and in 3.8 s as two processes.

It reads commands, one JSON object a line: ``{"folder": ..., "ended": true|false}``, meaning that the record in the
folder has grown or has ended. It writes an `Answer` a line. When its input ends, because the recording process has
ended in whatever way, it delivers what that process left and ends.
"""

import dataclasses
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
from cnnexp.tracking.outbox.delivery_client import Answer
from cnnexp.tracking.outbox.record_folder import remove
from cnnexp.tracking.store import connection

_PAUSE = 5.0  # seconds without an attempt after one that failed
_RELEASE = 1.0  # seconds in which the kernel releases the locks of a process that died
_GROWTH = 1.0  # seconds for which a record that only grows waits for more


Reply = Callable[[Answer], None]
Commands = queue.SimpleQueue[dict[str, Any] | None]  # None: no more will come


class IncrementalDelivery:
    """The delivery of a record that is still growing; it holds the record's lock from its first step on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = ExitStack()
        self._delivery: Delivery | None = None
        self._opened = False
        self._complete = False
        self._not_before = 0.0

    def advance(self, *, ended: bool) -> Iterator[Answer]:
        """Deliver what there is by now and yield what the recording process should know."""
        if not self._complete and (ended or time.monotonic() >= self._not_before):
            try:
                yield from self._deliver(ended=ended)
            except Exception as error:  # whatever it is: training and the other records continue, and this one is kept
                yield from self._failed(error, ended=ended)
        if ended:
            self._lock.close()

    def _deliver(self, *, ended: bool) -> Iterator[Answer]:
        if self._delivery is None:
            self._lock.enter_context(locked_folder(self._folder, patience=0.0))
            self._delivery = Delivery.load(self._folder)
        self._complete = self._delivery.advance()
        run_id = self._delivery.progress.run_id
        if not self._opened and run_id is not None:
            self._opened = True
            yield self._answer("opened", run_id=run_id)
        if self._complete:
            remove(self._folder)
            yield self._answer("delivered", run_id=run_id)
        elif ended:
            yield self._answer("kept", reason="The record has no end.")

    def _failed(self, error: Exception, *, ended: bool) -> Iterator[Answer]:
        self._not_before = time.monotonic() + _PAUSE
        if not isinstance(error, TrackingError):
            traceback.print_exception(error)
        reason = str(error) or type(error).__name__
        if ended:
            yield self._answer("kept", reason=reason)
        elif not self._opened:
            yield self._answer("refused", reason=reason)

    def _answer(self, event: str, *, run_id: str | None = None, reason: str = "") -> Answer:
        return Answer(event, str(self._folder), run_id, reason)

    def deliver_orphan(self) -> None:
        """Deliver what a recording process left that died without recording an end."""
        deadline = time.monotonic() + _RELEASE
        while time.monotonic() < deadline and self._folder.exists():
            for _ in self.advance(ended=True):
                continue
            time.sleep(_RELEASE / 10)


def main() -> None:
    """Deliver until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the recording process; this one ends with its input
    reply = _replier()
    logging.getLogger().addHandler(_WarningsAsReplies(reply))
    os.environ.setdefault("MLFLOW_CONFIGURE_LOGGING", "false")  # else MLflow prints, too
    commands: Commands = queue.SimpleQueue()
    threading.Thread(target=_read, args=(sys.stdin, commands), daemon=True).start()
    connection.load_mlflow()
    serve(commands, reply)


def _replier() -> Reply:
    """Keep the answers apart from whatever libraries print."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lock = threading.Lock()

    def reply(answer: Answer) -> None:
        with lock:
            try:
                print(json.dumps(dataclasses.asdict(answer)), file=answers, flush=True)
            except BrokenPipeError:
                return  # the recording process has ended; its record still has to be delivered

    return reply


class _WarningsAsReplies(logging.Handler):
    """Sends MLflow's warnings to the recording process, which prints them between its own lines."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(logging.WARNING)
        self._reply = reply

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info is None:  # what was raised is answered with its reason
            self._reply(Answer("warning", reason=masked(record.getMessage())))


def _read(source: IO[str], commands: Commands) -> None:
    for line in source:
        commands.put(json.loads(line))
    commands.put(None)


def serve(commands: Commands, reply: Reply) -> None:
    """Deliver the records that the commands name, and when the commands end, those that have not ended."""
    deliveries: dict[str, IncrementalDelivery] = {}
    for changed in _latest(commands, deliveries):
        for folder, ended in changed.items():
            delivery = deliveries.setdefault(folder, IncrementalDelivery(Path(folder)))
            for answer in delivery.advance(ended=ended):
                reply(answer)
            if ended:
                del deliveries[folder]
    for delivery in deliveries.values():
        delivery.deliver_orphan()


def _latest(commands: Commands, known: Container[str]) -> Iterator[dict[str, bool]]:
    """Yield, for each record named, whether it has ended by now; many commands as one, so that a slow store only lags.

    A record that only grows waits a second for more: a call of the store takes as long for one epoch as for ten.
    """
    while (command := commands.get()) is not None:
        changed: dict[str, bool] = {}
        urgent = False
        until = time.monotonic() + _GROWTH
        while command is not None:
            changed[command["folder"]] = command["ended"]
            urgent = urgent or command["ended"] or command["folder"] not in known
            try:
                command = commands.get(timeout=0 if urgent else max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
        yield changed
        if command is None:
            return


if __name__ == "__main__":
    main()
