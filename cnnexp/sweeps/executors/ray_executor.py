"""Executes the tasks of a sweep on a Ray cluster: in actors that Ray finds a place for, one task each at a time.

Ray is asked for places only. What a run is, when it is retried and how it ended is decided by the sweep, as it is for
processes of this machine: Ray restarts no actor and repeats no task.
"""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnexp.errors import SweepError
from cnnexp.sweeps.executors import ray_worker
from cnnexp.sweeps.executors.leases import GpuNeed
from cnnexp.sweeps.executors.process_executor import remove_if_empty
from cnnexp.sweeps.executors.protocol import (
    FINAL_MESSAGES,
    InspectTask,
    Message,
    NodeUnsuitable,
    Task,
    TrainTask,
    WorkerDied,
)
from cnnexp.system import ray_cluster, resources
from cnnexp.system.devices import Devices
from cnnexp.system.text import plural

if TYPE_CHECKING:
    from ray.exceptions import RayError

_POLL_SECONDS = 60.0  # after which an actor without news returns, and is polled again
_LONG_WAIT = 15.0  # seconds of waiting for a place after which the user is told


@dataclass(eq=False, slots=True)
class ActorHandle:
    """The sweep's end of one `RayWorker`, and its task."""

    actor: Any  # Ray's handle of a `RayWorker`
    threads: int
    gpus: float = 0
    node: str | None = None  # None: Ray has no place for it yet
    destinations: Mapping[str, Path] | None = None  # here, of the files of its task; None: it has no task
    temporary: bool = False  # for one task that takes no cores
    excluded: bool = False  # unsuitable for the runs of this sweep; kept, so that Ray puts no other actor there

    def answer(self, prune: bool) -> None:
        """Answer a prunable run that has ended an epoch: whether to stop there."""
        self.actor.answer.remote(prune)


class RayExecutor:
    """All Ray actors of a sweep; an `Executor`.

    At most one of them waits for a place, so that a sweep takes no more of a cluster than it has runs for. With `limit`
    None there are as many as Ray finds places for; a run that needs a GPU has one, or shares it with `per_gpu` runs in
    all. `notify` prints a sentence for the user.
    """

    remote = True

    def __init__(self, *, limit: int | None, per_gpu: int | None, notify: Callable[[str], None]) -> None:
        self._limit = limit
        self._per_gpu = per_gpu
        self._notify = notify
        self._actors: list[ActorHandle] = []
        self._pending: dict[Any, ActorHandle] = {}  # by Ray's reference to its first answer
        self._polled: dict[Any, ActorHandle] = {}  # by Ray's reference to its next `Poll`
        self._waiting_since: float | None = None  # monotonic seconds; None: not waiting, or the user has been told

    @cached_property
    def cores(self) -> int:
        """Cores of the smallest node that has any; asked once, for the whole sweep."""
        return min(ray_cluster.cores_of_nodes(), default=resources.cores())

    @cached_property
    def devices(self) -> Devices:
        """The GPUs of all nodes; asked once, for the whole sweep."""
        return ray_cluster.devices_of_nodes()

    @property
    def capacity(self) -> str:
        """How many runs are executed at a time, for the user."""
        if self._limit is not None:
            return f"{self._limit} at a time"
        cores = ray_cluster.cores_of_nodes()
        gpus = f" and {plural(len(self.devices.gpus), 'GPU')}" if self.devices.gpus else ""
        return f"as many at a time as fit {plural(sum(cores), 'core')}{gpus} of {plural(len(cores), 'Ray node')}"

    def has_room(self, threads: int, gpu: GpuNeed | None = None) -> bool:
        """Return whether an idle actor has so many cores, and a GPU if one is needed; else ask Ray for one."""
        gpus = self._gpus_for(gpu)
        if self._limit is not None and sum(one.destinations is not None for one in self._actors) >= self._limit:
            return False
        if self._idle_with(threads, gpus) is not None:
            return True
        for one in [one for one in self._actors if one.destinations is None]:
            if not one.excluded and (one.threads < threads or one.gpus != gpus):
                self._kill(one)  # or it would keep what the other one is waiting for
        if not self._pending:
            self._request(threads, gpus)
        self._report_waiting()
        return False

    def start(
        self, task: Task, *, log: Path, threads: int, time_limit: float | None, gpu: GpuNeed | None = None
    ) -> ActorHandle:
        """Start a task in an idle actor, the first one, or a temporary one that takes no cores."""
        gpus = self._gpus_for(gpu)
        one = self._idle_with(threads, gpus) or self._request(threads, gpus, temporary=bool(self._actors))
        one.destinations = {ray_worker.LOG: log}
        if isinstance(task, TrainTask):
            one.destinations[ray_worker.RECORD] = task.record
        poll = one.actor.start.remote(_with_absolute_paths(task), time_limit=time_limit, timeout=_POLL_SECONDS)
        self._polled[poll] = one
        return one

    def receive(self, *, timeout: float) -> Iterator[tuple[ActorHandle, Message]]:
        """Yield the messages that arrive within `timeout` seconds; the last one of each task is a final message."""
        import ray

        ready, _ = ray.wait([*self._pending, *self._polled], timeout=timeout)
        for reference in ready:
            if reference in self._pending:
                yield from self._placed(reference)
            elif reference in self._polled:  # not killed meanwhile
                yield from self._messages_of(reference)

    def kill_all(self) -> list[ActorHandle]:
        """Kill every actor at once and return those that had a task."""
        busy = [one for one in self._actors if one.destinations is not None]
        for one in list(self._actors):
            self._kill(one)
        return busy

    def _gpus_for(self, gpu: GpuNeed | None) -> float:
        """Return how many GPUs a run asks Ray for: a share of one, one, or as many as a node has."""
        if gpu is None:
            return 0
        return max(ray_cluster.gpus_of_each_node()) if gpu.every else 1 / (self._per_gpu or 1)

    def _idle_with(self, threads: int, gpus: float) -> ActorHandle | None:
        """Return the smallest idle actor with so many cores, and just so many GPUs."""
        idle = [one for one in self._actors if one.node and one.destinations is None and not one.excluded]
        fitting = (one for one in idle if one.threads >= threads and one.gpus == gpus)
        return min(fitting, key=lambda one: one.threads, default=None)

    def _request(self, threads: int, gpus: float, *, temporary: bool = False) -> ActorHandle:
        """Ask Ray for an actor; one with GPUs sees no others."""
        import ray

        options: dict[str, float] = {"num_cpus": 0 if temporary else threads, "max_restarts": 0, "max_task_retries": 0}
        if gpus:
            options["num_gpus"] = gpus
        actor = ray.remote(**options, scheduling_strategy="SPREAD")(ray_worker.RayWorker).remote(threads)
        one = ActorHandle(actor, threads, gpus=gpus, temporary=temporary)
        self._actors.append(one)
        if not temporary:
            self._pending[actor.introduce.remote(ray_cluster.versions())] = one
            self._waiting_since = time.monotonic()
        return one

    def _kill(self, one: ActorHandle) -> None:
        import ray

        ray.kill(one.actor)
        self._actors.remove(one)
        if one.destinations is not None:
            remove_if_empty(one.destinations[ray_worker.LOG])
        for awaited in (self._pending, self._polled):
            for reference in [reference for reference, other in awaited.items() if other is one]:
                del awaited[reference]

    def _placed(self, reference: object) -> Iterator[tuple[ActorHandle, Message]]:
        """Note where an actor has been placed; where it died before that, report its task as lost."""
        import ray

        one = self._pending.pop(reference)
        try:
            one.node = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise SweepError(str(error.cause)) from error
        except ray.exceptions.RayActorError as error:
            self._kill(one)
            if error.actor_init_failed:  # and would again, on every node like this one
                raise SweepError(_reason(one, error)) from error
            if one.destinations is not None:
                yield one, WorkerDied(_reason(one, error))

    def _messages_of(self, reference: object) -> Iterator[tuple[ActorHandle, Message]]:
        import ray

        one = self._polled.pop(reference)
        try:
            poll: ray_worker.Poll = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._kill(one)
            yield one, WorkerDied(_reason(one, error))
            return
        assert one.destinations is not None
        ray_worker.append_chunks(poll.chunks, one.destinations)
        over = bool(poll.messages) and isinstance(poll.messages[-1], FINAL_MESSAGES)
        if over:
            one.excluded = isinstance(poll.messages[-1], NodeUnsuitable)
            self._release(one)
        for message in poll.messages:
            yield one, message
        if not over:  # polled after the answers to these messages were sent, so that those arrive first
            self._polled[one.actor.poll.remote(_POLL_SECONDS)] = one

    def _release(self, one: ActorHandle) -> None:
        assert one.destinations is not None
        remove_if_empty(one.destinations[ray_worker.LOG])
        one.destinations = None
        if one.temporary:
            self._kill(one)

    def _report_waiting(self) -> None:
        """Tell the user once that nothing can start because Ray has no place for it."""
        since = self._waiting_since
        if since is not None and not self._polled and time.monotonic() - since > _LONG_WAIT:
            (one,) = self._pending.values()
            more = " and has the data" if any(other.excluded for other in self._actors) else ""
            gpu = f" and {plural(math.ceil(one.gpus), 'GPU')}" if one.gpus else ""
            needed = f"training.threads={plural(one.threads, 'core')}{gpu}"
            self._notify(f"Waiting for a Ray node that can spare {needed}{more}.")
            self._waiting_since = None


def _with_absolute_paths(task: Task) -> Task:
    """Return a task whose paths mean the same in any working directory."""
    match task:
        case TrainTask(config=config):
            return dataclasses.replace(task, config=dataclasses.replace(config, data=config.data.with_absolute_paths()))
        case InspectTask(data):
            return InspectTask(data.with_absolute_paths())


def _reason(one: ActorHandle, error: "RayError") -> str:
    """Return in one line why an actor is gone."""
    last = str(error).strip().splitlines()[-1]
    node = "A node of the Ray cluster" if one.node is None else f"Node {one.node}"
    return f"{node} or its process for the run is gone: {last}"
