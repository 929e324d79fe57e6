"""The training process's end of the process that delivers (see `delivery_process`).

There is one for each training process, kept for its next run. Nothing here waits but :meth:`DeliveryClient.wait`.
"""

import atexit
import contextlib
import json
import logging
import os
import queue
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cnnexp.tracking import ui
from cnnexp.tracking.outbox import record_folder
from cnnexp.tracking.outbox.record_folder import Progress
from cnnexp.tracking.receipt import Receipt

_logger = logging.getLogger("cnnexp.tracking")
GONE = {"event": "kept", "reason": "The delivering process has ended before its time."}

Answer = dict[str, Any]
_PATIENCE = 60.0  # seconds of silence from the delivering process before it is given up
_PATIENCE_KILLED = 8.0  # the same for a run that was killed: Docker gives ten seconds, Slurm thirty


class DeliveryClient:
    """A running writer process."""

    def __init__(self) -> None:
        self._owner = os.getpid()
        self._answers: dict[str, queue.SimpleQueue[Answer]] = defaultdict(queue.SimpleQueue)
        self._silent = threading.Event()  # it will answer nothing more
        self._incoming, outgoing = os.pipe()  # bare: a file object read by a daemon thread can abort Python's exit
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cnnexp.tracking.outbox.delivery_process"],
            stdin=subprocess.PIPE,
            stdout=outgoing,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)},
            text=True,
            encoding="utf-8",
            start_new_session=True,  # Ctrl-C is meant for the training process, which says how the run ended
        )
        os.close(outgoing)
        threading.Thread(target=self._listen, name="cnnexp-delivery", daemon=True).start()

    @property
    def usable(self) -> bool:
        """Is the process there, and this process its parent rather than a fork of it?"""
        return self._owner == os.getpid() and self._process.poll() is None

    def notify(self, folder: Path, *, ended: bool) -> None:
        """Say that a record has grown, or has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it is gone: `wait` will say so
            self._process.stdin.write(json.dumps({"folder": str(folder), "ended": ended}) + "\n")
            self._process.stdin.flush()

    def answers(self, folder: Path) -> list[Answer]:
        """Return what has been answered about a record since the last time, without waiting."""
        waiting = self._answers[str(folder)]
        return [waiting.get() for _ in range(waiting.qsize())]

    def wait(self, folder: Path, *, patience: float) -> Answer | None:
        """Return the next answer about a record; None after `patience` seconds without one."""
        waiting = self._answers[str(folder)]
        if self._silent.is_set() and waiting.empty():
            return GONE
        try:
            return waiting.get(timeout=patience)
        except queue.Empty:
            return None

    def stop(self) -> None:
        """End it at once: what it was about to deliver stays on disk."""
        self._process.kill()
        self._process.wait()

    def dismiss(self) -> None:
        """Let it end by itself when it has nothing left to deliver."""
        if self._owner == os.getpid() and self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _listen(self) -> None:
        for line in _lines(self._incoming):
            answer = json.loads(line)
            if answer["event"] == "warning":
                _logger.warning("%s", answer["text"])
            else:
                self._answers[answer["folder"]].put(answer)
        self._silent.set()  # first: who begins to wait from here on sees it
        for waiting in list(self._answers.values()):
            waiting.put(GONE)


def _lines(handle: int) -> Iterator[bytes]:
    rest = b""
    while portion := os.read(handle, 65_536):
        *whole, rest = (rest + portion).split(b"\n")
        yield from whole
    os.close(handle)


_current: DeliveryClient | None = None


def delivery_client() -> DeliveryClient:
    """Return this process's delivery client; start one where there is none that is alive."""
    global _current  # noqa: PLW0603 - one process for all runs, as MLflow takes seconds to import
    if _current is None or not _current.usable:
        _current = DeliveryClient()
        atexit.register(_current.dismiss)
    return _current


def wait_for_delivery(folder: Path, *, uri: str, killed: bool) -> Receipt:
    """Have an ended record delivered and return where it went; what cannot be delivered is kept, and that is said."""
    try:
        answer = _last_answer(folder, _PATIENCE_KILLED if killed else _PATIENCE)
    except KeyboardInterrupt:
        _kept(folder, "The wait for its delivery was interrupted.")
        raise
    if answer["event"] == "kept":
        return _kept(folder, answer["reason"])
    run_id = answer["run_id"]
    return Receipt(run_id, ui.command(uri=uri, run_id=run_id), kept_folder=None, reason="")


def _last_answer(folder: Path, patience: float) -> Answer:
    delivery_client().notify(folder, ended=True)
    while (answer := delivery_client().wait(folder, patience=patience)) is not None:
        if answer["event"] in ("delivered", "kept"):
            return answer
    delivery_client().stop()
    return {"event": "kept", "reason": f"The MLflow store has said nothing for {patience:g} seconds."}


def _kept(folder: Path, reason: str) -> Receipt:
    progress = Progress.load(folder)
    if not progress.asked and not (folder / "model").exists():
        record_folder.remove(folder)  # the store never heard of the run, and nothing came of it
        return Receipt(run_id=None, url_command=None, kept_folder=None, reason=reason)
    receipt = Receipt(progress.run_id, url_command=None, kept_folder=folder, reason=reason)
    _logger.warning("The record of this run is kept: %s Complete it later with: %s", reason, receipt.send_command)
    return receipt
