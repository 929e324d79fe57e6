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
import math
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from cnnexp.system.secrets import masked
from cnnexp.system.streams import writing_to
from cnnexp.system.text import one_line
from cnnexp.tracking.outbox.delivery_client import Answer
from cnnexp.tracking.outbox.incremental_delivery import IncrementalDelivery
from cnnexp.tracking.outbox.lost_process import kills_for_memory, report_lost
from cnnexp.tracking.store import connection

_GROWTH = 1.0  # seconds for which a record that only grows waits for more
_LONGEST = 400  # characters of a warning of MLflow's

Reply = Callable[[Answer], None]
Commands = queue.SimpleQueue[dict[str, Any] | None]  # None: no more will come


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
    serve(commands, reply, lost=writing_to(sys.argv[1] if len(sys.argv) > 1 else ""))


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
            self._reply(Answer("warning", reason=masked(one_line(record.getMessage()))[:_LONGEST]))


def _read(source: IO[str], commands: Commands) -> None:
    with suppress(ValueError):  # a line cut short: the recording process was killed while it wrote
        for line in source:
            commands.put(json.loads(line))
    commands.put(None)


def serve(commands: Commands, reply: Reply, *, lost: Callable[[str], None]) -> None:
    """Deliver the records that the commands name, and when the commands end, those that have not ended.

    Of those `lost` gets what is to be said.
    """
    kills = kills_for_memory()
    deliveries: dict[str, IncrementalDelivery] = {}
    while (changed := _next(commands, deliveries)) is not None:
        for folder, ended in changed.items():
            deliveries.setdefault(folder, IncrementalDelivery(Path(folder))).grow(ended=ended)
        for folder, delivery in list(deliveries.items()):
            for answer in delivery.advance():
                reply(answer)
            if delivery.is_over:
                del deliveries[folder]
    for delivery in deliveries.values():
        delivery.deliver_orphan()
        if (orphan := delivery.last) is not None and orphan.died:
            with suppress(Exception):  # the record is delivered, which is what counts
                report_lost(orphan, for_memory=kills_for_memory() > kills, write=lost)


def _next(commands: Commands, deliveries: Mapping[str, IncrementalDelivery]) -> dict[str, bool] | None:
    """Return, for each record named by now, whether it has ended; many commands as one, so that a slow store only lags.

    Nothing is named when an attempt is due before a command comes; None: no more commands will come. A record that only
    grows waits a second for more: a call of the store takes as long for one epoch as for ten.
    """
    changed: dict[str, bool] = {}
    until = min((delivery.due for delivery in deliveries.values() if delivery.due is not None), default=math.inf)
    while True:
        try:
            command = commands.get(timeout=None if until == math.inf else max(0.0, until - time.monotonic()))
        except queue.Empty:
            return changed
        if command is None:
            commands.put(None)  # to be met again, after what was named before it
            return changed or None
        changed[command["folder"]] = command["ended"]
        urgent = command["ended"] or command["folder"] not in deliveries
        until = min(until, time.monotonic() + (0.0 if urgent else _GROWTH))


if __name__ == "__main__":
    main()
