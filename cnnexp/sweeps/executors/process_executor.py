"""Processes of runs: given one after another, listened to, ended when they take too long or too much."""

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from cnnexp.errors import SweepError
from cnnexp.sweeps.executors import forkserver, process_worker, protocol
from cnnexp.sweeps.executors.protocol import LAST_WORDS, Message, Task

# Seconds before each attempt to fork a process. One that is being killed counts as running until its memory is given
# back, which takes a while for hundreds of megabytes.
_PAUSES = (0.0, 0.05, 0.2, 1.0, 4.0)


@dataclass(eq=False, slots=True)
class Worker:
    """One process, and the task that it is at."""

    process: BaseProcess
    wire: Connection
    cores: int  # that its TensorFlow computes on
    log: Path
    ends_at: float | None = None  # monotonic seconds; None: may take as long as it needs
    time_limit: float | None = None
    spent: bool = False  # not to be given another task

    def answer(self, verdict: bool) -> None:
        """Tell a run that asked whether to stop."""
        with suppress(OSError):  # it has just died, which its wire is about to say
            self.wire.send(verdict)


class Workers:
    """All processes of a sweep.

    With `limit` None the cores are divided: a process takes as many as its run has threads, so that a run is as fast,
    and its numbers are the same, as alone. A limit is a number of processes, whatever their threads.

    A process that has done its task waits for another one with as many threads: TensorFlow has started there, and what
    it has traced may serve again.
    """

    far = False

    def __init__(self, *, cores: int, limit: int | None) -> None:
        self.cores = cores
        self._limit = limit
        self._running: list[Worker] = []
        self._idle: list[Worker] = []

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

    def start(self, task: Task, *, log: Path, threads: int, time_limit: float | None) -> Worker:
        """Give a task to a process that waits for one, or to a new one."""
        worker = self._waiting(task, threads) or self._new(threads)
        worker.log, worker.time_limit = log, time_limit
        worker.ends_at = None if time_limit is None else time.monotonic() + time_limit
        with suppress(OSError):  # it has just died, which its wire is about to say
            worker.wire.send((task, log))
        self._running.append(worker)
        return worker

    def _waiting(self, task: Task, threads: int) -> Worker | None:
        """Return a process that waits and fits the task; where there are only others, one of them is ended instead."""
        for worker in [one for one in self._idle if not one.process.is_alive()]:
            self._end(worker)
        fitting = [worker for worker in self._idle if worker.cores == threads and not task.alone]
        if fitting:
            self._idle.remove(fitting[-1])
            return fitting[-1]
        for worker in self._idle[:1]:
            self._end(worker)
        return None

    def _new(self, threads: int) -> Worker:
        """Fork a process from the warm one, or from another, if that one has died, most likely for want of memory."""
        for pause in _PAUSES:
            time.sleep(pause)
            context = forkserver.start()  # which finds it running
            ours, theirs = context.Pipe()
            process = context.Process(target=process_worker.serve, args=(theirs,), daemon=True)
            try:
                process.start()
            except (EOFError, OSError):
                ours.close()
                continue
            finally:
                theirs.close()
            return Worker(process, ours, threads, Path())
        raise SweepError(
            "A run needs a process, and none can be started: the one it is forked from ends again and again. "
            "Is there memory enough? sweep.workers=1 takes less; the same command goes on."
        )

    def listen(self, *, patience: float) -> Iterator[tuple[Worker, Message]]:
        """Yield what processes say within `patience` seconds; the last message of each is one that ends it."""
        known: dict[object, Worker] = {}
        for worker in self._running:
            known[worker.wire] = known[worker.process.sentinel] = worker
        ready = wait(list(known), timeout=self._until_a_limit(patience))  # type: ignore[arg-type]
        for worker in dict.fromkeys(known[item] for item in ready):
            yield from self._heard(worker)
        for worker in [one for one in self._running if one.ends_at is not None and time.monotonic() > one.ends_at]:
            self._end(worker)
            yield worker, protocol.Lost(f"It took longer than sweep.time_limit={worker.time_limit:g} seconds.")

    def kill_all(self) -> list[Worker]:
        """End every process at once and return those that were at work."""
        running = list(self._running)
        for worker in [*running, *self._idle]:
            self._end(worker)
        return running

    def _until_a_limit(self, patience: float) -> float:
        limits = [worker.ends_at - time.monotonic() for worker in self._running if worker.ends_at is not None]
        return max(0.0, min([patience, *limits]))

    def _heard(self, worker: Worker) -> Iterator[tuple[Worker, Message]]:
        gone = not worker.process.is_alive()  # asked first: what it said before is then in the wire
        try:
            while worker.wire.poll():
                message = worker.wire.recv()
                if isinstance(message, protocol.Spent):
                    worker.spent = True
                    continue
                last = isinstance(message, LAST_WORDS)
                if last:
                    self._rest(worker)
                yield worker, message
                if last:
                    return
        except (EOFError, OSError):
            gone = True
        if gone:
            self._end(worker)
            yield worker, protocol.Lost(_cause_of_death(worker.process.exitcode))

    def _rest(self, worker: Worker) -> None:
        """Let a process wait for its next task, if it may have one."""
        if worker.spent:
            self._end(worker)
        else:
            self._running.remove(worker)
            self._idle.append(worker)
            remove_if_empty(worker.log)

    def _end(self, worker: Worker) -> None:
        worker.process.kill()
        worker.process.join()
        worker.wire.close()
        if worker in self._idle:  # its last log is not its own any more
            self._idle.remove(worker)
        else:
            self._running.remove(worker)
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
