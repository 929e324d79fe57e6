"""Executes the tasks of a sweep in processes of this machine."""

import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from cnnexp.datasets.cache.checksums import Verified
from cnnexp.errors import SweepError
from cnnexp.sweeps.executors import forkserver, process_worker, protocol
from cnnexp.sweeps.executors.leases import GpuLeases, GpuNeed, Place
from cnnexp.sweeps.executors.protocol import FINAL_MESSAGES, Message, Task
from cnnexp.system.devices import Devices
from cnnexp.system.signals import name_of
from cnnexp.system.text import plural

# Seconds to wait before each attempt to fork a process. A killed process counts as running until its memory has been
# given back, which takes a while for hundreds of megabytes.
_PAUSES = (0.0, 0.05, 0.2, 1.0, 4.0)
_GRACE = 5.0  # seconds for the state of each training to be saved; Docker gives ten for everything, Slurm thirty

NO_GPU = Devices()

# Signals that end a process without memory: from the kernel, and from libraries that get none.
_OF_MEMORY: dict[int, str] = {
    signal.SIGKILL: ", most likely because memory ran out",
    signal.SIGABRT: ", perhaps because memory ran out",
    signal.SIGSEGV: ", perhaps because memory ran out",
    signal.SIGBUS: ", perhaps because memory ran out",
}


@dataclass(eq=False, slots=True)
class ProcessHandle:
    """One worker process, and its task."""

    process: BaseProcess
    connection: Connection
    cores: int  # that its TensorFlow computes on
    log: Path
    place: Place | None = None  # the GPUs that it sees, among those of the executor; None: none
    need: GpuNeed | None = None  # of its task, or of the last one
    ends_at: float | None = None  # monotonic seconds; None: no time limit
    time_limit: float | None = None
    retiring: bool = False  # takes no other task

    def answer(self, prune: bool) -> None:
        """Answer a prunable run that has ended an epoch: whether to stop there."""
        with suppress(OSError):  # it has just died, which `receive` is about to report
            self.connection.send(prune)


class ProcessExecutor:
    """All worker processes of a sweep on this machine; an `Executor`.

    With `limit` None the cores are divided: a process takes as many as its run has threads, so that a run is as fast,
    and its numbers are the same, as alone. A limit is a number of processes, whatever their threads.

    A process that has finished its task is used again for a task with as many threads: TensorFlow has started there,
    and its compiled graphs may be reused. `max_memory` is the bytes after whose use it is replaced.

    Each run that needs a GPU gets one of `devices`, to itself or shared by `per_gpu` of them: see `GpuLeases`. Its
    process sees no other, for as long as it lives; all others see none. Without `devices` every process sees what this
    one does.
    """

    remote = False

    def __init__(
        self,
        *,
        cores: int,
        limit: int | None,
        devices: Devices = NO_GPU,
        per_gpu: int | None = None,
        max_memory: int = process_worker.MAX_MEMORY,
    ) -> None:
        self.cores = cores
        self.devices = devices
        self._leases = GpuLeases(devices.gpus, per_gpu=per_gpu)
        self._per_gpu = per_gpu
        self._limit = limit
        self._max_memory = max_memory
        self._busy: list[ProcessHandle] = []
        self._idle: list[ProcessHandle] = []
        self.verified: dict[Path, Verified] = {}  # files of the cache that workers have read: others need not

    def __len__(self) -> int:
        """Return the number of tasks that are being executed."""
        return len(self._busy)

    @property
    def capacity(self) -> str:
        """How many runs are executed at a time, for the user."""
        if self._limit is not None:
            return f"{self._limit} at a time"
        return f"as many at a time as fit {plural(self.cores, 'core')}{self._gpus_in_words}"

    @property
    def _gpus_in_words(self) -> str:
        if not self.devices.gpus:
            return ""
        sharing = "several on one where its memory allows" if self._per_gpu is None else f"{self._per_gpu} on each"
        return f" and {plural(len(self.devices.gpus), 'GPU')}, {sharing}"

    def has_room(self, threads: int, gpu: GpuNeed | None = None) -> bool:
        """Return whether a run with that many threads can start; when nothing runs, any can."""
        if not self._busy:
            return True
        if gpu is not None and self.devices.gpus and not self._leases.places_for(gpu):
            return False
        if self._limit is not None:
            return len(self._busy) < self._limit
        return sum(worker.cores for worker in self._busy) + threads <= self.cores

    def start(
        self, task: Task, *, log: Path, threads: int, time_limit: float | None, gpu: GpuNeed | None = None
    ) -> ProcessHandle:
        """Give a task to an idle process that fits it, or to a new one."""
        place = None if gpu is None or not self.devices.gpus else self._place_for(gpu, threads)
        worker = self._idle_for(task, threads, place, gpu) or self._fork(threads, place)
        if gpu is not None and place is not None:
            self._leases.take(place, gpu)
            worker.need = gpu
        worker.log, worker.time_limit = log, time_limit
        worker.ends_at = None if time_limit is None else time.monotonic() + time_limit
        with suppress(OSError):  # it has just died, which `receive` is about to report
            worker.connection.send((task, log, self.verified))
        self._busy.append(worker)
        return worker

    def _place_for(self, gpu: GpuNeed, threads: int) -> Place:
        """Return the GPU for a run: one with room where a process that fits is idle, else the emptiest one."""
        places = self._leases.places_for(gpu)
        waiting = (one.place for one in self._idle if one.cores == threads and one.need == gpu)
        return next((place for place in waiting if place in places), places[0])

    def _idle_for(self, task: Task, threads: int, place: Place | None, gpu: GpuNeed | None) -> ProcessHandle | None:
        """Return an idle process that fits the task.

        Where others are idle, end one of them to free its memory, and those on the same GPU, of which they still hold
        some.
        """
        for worker in [one for one in self._idle if not one.process.is_alive()]:
            self._end(worker)
        alike = [one for one in self._idle if (one.cores, one.place) == (threads, place) and not task.needs_own_process]
        fitting = [one for one in alike if place is None or one.need == gpu]
        chosen = fitting[-1] if fitting else None
        if chosen is not None:
            self._idle.remove(chosen)
        beside = [one for one in self._idle if not set(place or ()).isdisjoint(one.place or ())]
        for worker in beside or (self._idle[:1] if chosen is None else []):
            self._end(worker)
        return chosen

    def _visible(self, place: Place | None) -> str | None:
        """Return the CUDA_VISIBLE_DEVICES of a process; None: as it is here."""
        if not self.devices.gpus:
            return None
        return "-1" if place is None else ",".join(self.devices.gpus[number].token for number in place)

    def _fork(self, threads: int, place: Place | None) -> ProcessHandle:
        """Fork a process from the fork server; start a new server where that has died, probably for lack of memory."""
        for pause in _PAUSES:
            time.sleep(pause)
            context = forkserver.start()
            ours, theirs = context.Pipe()
            how = {
                "max_memory": self._max_memory if place is None else process_worker.MAX_MEMORY_WITH_GPU,
                "visible": self._visible(place),
            }
            process = context.Process(target=process_worker.serve, args=(theirs,), kwargs=how, daemon=True)
            try:
                process.start()
            except (EOFError, OSError):
                ours.close()
                continue
            finally:
                theirs.close()
            return ProcessHandle(process, ours, threads, Path(), place)
        raise SweepError(
            "A run needs a process, and none can be started: the fork server ends again and again, probably because "
            "memory ran out. sweep.workers=1 takes less; rerun the command to resume the sweep."
        )

    def receive(self, *, timeout: float) -> Iterator[tuple[ProcessHandle, Message]]:
        """Yield the messages that arrive within `timeout` seconds; the last one of each task is a final message."""
        known: dict[object, ProcessHandle] = {}
        for worker in self._busy:
            known[worker.connection] = known[worker.process.sentinel] = worker
        ready = wait(list(known), timeout=self._until_time_limit(timeout))  # type: ignore[arg-type]
        for worker in dict.fromkeys(known[item] for item in ready):
            yield from self._messages_of(worker)
        for worker in [one for one in self._busy if one.ends_at is not None and time.monotonic() > one.ends_at]:
            self._end(worker)
            yield worker, protocol.WorkerDied(f"It took longer than sweep.time_limit={worker.time_limit:g} seconds.")

    def kill_all(self) -> list[ProcessHandle]:
        """Kill every process and return those that had a task; what they train is saved after its step before."""
        busy = list(self._busy)
        for worker in busy:
            with suppress(OSError):  # it has just died
                worker.process.terminate()
        latest = time.monotonic() + _GRACE
        for worker in busy:
            worker.process.join(max(0.0, latest - time.monotonic()))
        for worker in [*busy, *self._idle]:
            self._end(worker)
        return busy

    def _until_time_limit(self, timeout: float) -> float:
        limits = [worker.ends_at - time.monotonic() for worker in self._busy if worker.ends_at is not None]
        return max(0.0, min([timeout, *limits]))

    def _messages_of(self, worker: ProcessHandle) -> Iterator[tuple[ProcessHandle, Message]]:
        dead = not worker.process.is_alive()  # asked first: all it has sent is then in the connection
        try:
            while worker.connection.poll():
                message = worker.connection.recv()
                if isinstance(message, protocol.Retiring):
                    worker.retiring = True
                    continue
                if isinstance(message, protocol.FilesVerified):
                    self.verified.update(message.files)
                    continue
                if isinstance(message, protocol.Finished) and message.gpu_memory and worker.need is not None:
                    self._leases.measured(worker.need, message.gpu_memory)
                final = isinstance(message, FINAL_MESSAGES)
                if final:
                    self._release(worker)
                yield worker, message
                if final:
                    return
        except (EOFError, OSError):
            dead = True
        if dead:
            self._end(worker)
            code = worker.process.exitcode
            yield worker, protocol.WorkerDied(_cause_of_death(code), memory=code is not None and -code in _OF_MEMORY)

    def _release(self, worker: ProcessHandle) -> None:
        """Let a process wait for its next task, unless it is retiring."""
        if worker.retiring:
            self._end(worker)
        else:
            self._busy.remove(worker)
            self._give_back(worker)
            self._idle.append(worker)
            remove_if_empty(worker.log)

    def _give_back(self, worker: ProcessHandle) -> None:
        if worker.place is not None and worker.need is not None:
            self._leases.give_back(worker.place, worker.need)

    def _end(self, worker: ProcessHandle) -> None:
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        if worker in self._idle:  # the log of its last task may be in use by now
            self._idle.remove(worker)
        else:
            self._busy.remove(worker)
            self._give_back(worker)
            remove_if_empty(worker.log)


def remove_if_empty(log: Path) -> None:
    """Remove a log in which nothing was printed."""
    if log.exists() and log.stat().st_size == 0:
        log.unlink()


def _cause_of_death(exitcode: int | None) -> str:
    if exitcode is None or exitcode >= 0:
        return f"Its process ended with exit code {exitcode} and without a message."
    return f"Its process was ended by {name_of(-exitcode)}{_OF_MEMORY.get(-exitcode, '')}."
