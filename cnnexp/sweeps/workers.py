"""Processes of runs: started on free cores, listened to, ended when they take too long."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cnnexp.sweeps import messages
from cnnexp.sweeps.messages import LAST_WORDS, Message


@dataclass(eq=False, slots=True)
class Worker:
    """One process with one task."""

    process: BaseProcess
    wire: Connection
    log: Path
    cores: int
    ends_at: float | None  # monotonic seconds; None: may take as long as it needs
    time_limit: float | None

    def answer(self, verdict: bool) -> None:
        """Tell a run that asked whether to stop."""
        with suppress(OSError):  # it has just died, which its wire is about to say
            self.wire.send(verdict)


class Workers:
    """All processes of a sweep.

    With `limit` None the cores are divided: a process takes as many as its run has threads, so that a run is as fast,
    and its numbers are the same, as alone. A limit is a number of processes, whatever their threads.
    """

    far = False

    def __init__(self, context: ForkServerContext, *, cores: int, limit: int | None) -> None:
        self._context = context
        self.cores = cores
        self._limit = limit
        self._running: list[Worker] = []

    def __len__(self) -> int:
        return len(self._running)

    @property
    def in_words(self) -> str:
        """How many runs go on at a time."""
        return f"as many at a time as fit {self.cores} cores" if self._limit is None else f"{self._limit} at a time"

    def has_room(self, threads: int) -> bool:
        """Tell whether a run with that many threads can start; when nothing runs, any can."""
        if not self._running:
            return True
        if self._limit is not None:
            return len(self._running) < self._limit
        return sum(worker.cores for worker in self._running) + threads <= self.cores

    def start(
        self,
        task: Callable[..., None],
        subject: Any,  # noqa: ANN401 - whatever the task takes
        *,
        log: Path,
        threads: int,
        time_limit: float | None,
    ) -> Worker:
        """Start ``task(wire, log, subject)`` in a process of its own."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=task, args=(theirs, log, subject), daemon=True)
        process.start()
        theirs.close()
        ends_at = None if time_limit is None else time.monotonic() + time_limit
        worker = Worker(process, ours, log, threads, ends_at, time_limit)
        self._running.append(worker)
        return worker

    def listen(self, *, patience: float) -> Iterator[tuple[Worker, Message]]:
        """Yield what processes say within `patience` seconds; the last message of each is one that ends it."""
        known: dict[object, Worker] = {}
        for worker in self._running:
            known[worker.wire] = known[worker.process.sentinel] = worker
        ready = wait(list(known), timeout=self._until_a_limit(patience))  # type: ignore[arg-type]
        for worker in dict.fromkeys(known[item] for item in ready):
            yield from self._heard(worker)
        for worker in [one for one in self._running if one.ends_at is not None and time.monotonic() > one.ends_at]:
            self._kill(worker)
            yield worker, messages.Lost(f"It took longer than sweep.time_limit={worker.time_limit:g} seconds.")

    def kill_all(self) -> list[Worker]:
        """End every process at once and return them."""
        running = list(self._running)
        for worker in running:
            self._kill(worker)
        return running

    def _until_a_limit(self, patience: float) -> float:
        limits = [worker.ends_at - time.monotonic() for worker in self._running if worker.ends_at is not None]
        return max(0.0, min([patience, *limits]))

    def _heard(self, worker: Worker) -> Iterator[tuple[Worker, Message]]:
        gone = not worker.process.is_alive()  # asked first: what it said before is then in the wire
        try:
            while worker.wire.poll():
                message = worker.wire.recv()
                last = isinstance(message, LAST_WORDS)
                if last:
                    self._forget(worker)
                yield worker, message
                if last:
                    return
        except (EOFError, OSError):
            gone = True
        if gone:
            self._kill(worker)
            yield worker, messages.Lost(_cause_of_death(worker.process.exitcode))

    def _kill(self, worker: Worker) -> None:
        worker.process.kill()
        self._forget(worker)

    def _forget(self, worker: Worker) -> None:
        self._running.remove(worker)
        worker.process.join()
        worker.wire.close()
        remove_if_empty(worker.log)


def remove_if_empty(log: Path) -> None:
    """Leave no log in which nothing was printed."""
    if log.exists() and log.stat().st_size == 0:
        log.unlink()


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"Its process ended with exit code {exitcode} and without a word."
    name = signal.Signals(-exitcode).name
    hint = ", most likely because memory ran out" if name == "SIGKILL" else ""
    return f"Its process was ended by {name}{hint}."
