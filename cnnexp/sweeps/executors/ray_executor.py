"""Runs on a Ray cluster: seats that Ray finds a place for, each with one run at a time, listened to from here.

Ray is asked for places only. What a run is, when it is tried again and how it ended is for the sweep to say, as it is
for processes of this machine: Ray restarts no seat and repeats no task.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnexp.errors import SweepError
from cnnexp.sweeps.executors import ray_cluster, ray_worker
from cnnexp.sweeps.executors.process_executor import remove_if_empty
from cnnexp.sweeps.executors.protocol import LAST_WORDS, Assignment, Lost, Message, Reading, Task, Unfit
from cnnexp.system import resources

if TYPE_CHECKING:
    from ray.exceptions import RayError

_SILENCE = 60.0  # seconds after which a seat is asked again what its run says
_LONG = 15.0  # seconds of waiting for a place after which that is told


@dataclass(eq=False, slots=True)
class Seat:
    """A place for one run at a time, as the sweep sees it."""

    actor: Any  # handle of a `seat.Seat`
    threads: int
    node: str | None = None  # None: Ray has no place for it yet
    homes: Mapping[str, Path] | None = None  # files of the run that is going on; None: there is none
    passing: bool = False  # for one task that takes no room
    aside: bool = False  # unfit for the runs of this sweep; it keeps its place, so that Ray puts no other seat there

    def answer(self, verdict: bool) -> None:
        """Tell a run that asked whether to stop."""
        self.actor.answer.remote(verdict)


class Seats:
    """All seats of a sweep; a `Workforce`.

    There is one that waits for a place, never more, so that a sweep takes no more of a cluster than it has runs for.
    With `limit` None there are as many as Ray finds places for.
    """

    far = True

    def __init__(self, *, limit: int | None, say: Callable[[str], None]) -> None:
        self._limit = limit
        self._say = say
        self._seats: list[Seat] = []
        self._coming: dict[Any, Seat] = {}  # by the reference to its first answer
        self._working: dict[Any, Seat] = {}  # by the reference to its next parcel
        self._waits_since: float | None = None  # monotonic seconds; None: for nothing, or it has been told

    @cached_property
    def cores(self) -> int:
        """Cores of the smallest node that has any, for as long as the sweep lasts."""
        return min(ray_cluster.cores_of_nodes(), default=resources.cores())

    @property
    def in_words(self) -> str:
        """How many runs go on at a time."""
        if self._limit is not None:
            return f"{self._limit} at a time"
        cores = ray_cluster.cores_of_nodes()
        return f"as many at a time as fit {sum(cores)} cores of {len(cores)} Ray nodes"

    def has_room(self, threads: int) -> bool:
        """Tell whether there is an empty seat with so many cores; where there is none, ask Ray for one."""
        if self._limit is not None and sum(one.homes is not None for one in self._seats) >= self._limit:
            return False
        if self._empty(threads) is not None:
            return True
        for one in [one for one in self._seats if one.threads < threads and one.homes is None and not one.aside]:
            self._give_up(one)  # or it would keep the cores that the larger one is waiting for
        if not self._coming:
            self._ask(threads)
        self._tell_of_waiting()
        return False

    def start(self, task: Task, *, log: Path, threads: int, time_limit: float | None) -> Seat:
        """Have a task done in an empty seat, the first one, or one of its own that takes no room."""
        one = self._empty(threads) or self._ask(threads, passing=bool(self._seats))
        one.homes = {ray_worker.LOG: log}
        if isinstance(task, Assignment):
            one.homes[ray_worker.RECORD] = task.record
        parcel = one.actor.work.remote(_from_anywhere(task), time_limit=time_limit, patience=_SILENCE)
        self._working[parcel] = one
        return one

    def listen(self, *, patience: float) -> Iterator[tuple[Seat, Message]]:
        """Yield what runs say within `patience` seconds; the last message of each is one that ends it."""
        import ray

        ready, _ = ray.wait([*self._coming, *self._working], timeout=patience)
        for reference in ready:
            if reference in self._coming:
                yield from self._arrived(reference)
            elif reference in self._working:  # not given up on the way
                yield from self._heard(reference)

    def kill_all(self) -> list[Seat]:
        """Give up every seat at once and return those that had a run."""
        at_work = [one for one in self._seats if one.homes is not None]
        for one in list(self._seats):
            self._give_up(one)
        return at_work

    def _empty(self, threads: int) -> Seat | None:
        """Return the smallest empty seat with so many cores."""
        empty = [one for one in self._seats if one.node and one.homes is None and not one.aside]
        return min((one for one in empty if one.threads >= threads), key=lambda one: one.threads, default=None)

    def _ask(self, threads: int, *, passing: bool = False) -> Seat:
        import ray

        options = {"num_cpus": 0 if passing else threads, "max_restarts": 0, "max_task_retries": 0}
        actor = ray.remote(**options, scheduling_strategy="SPREAD")(ray_worker.Seat).remote(threads)
        one = Seat(actor, threads, passing=passing)
        self._seats.append(one)
        if not passing:
            self._coming[actor.introduce.remote(ray_worker.versions())] = one
            self._waits_since = time.monotonic()
        return one

    def _give_up(self, one: Seat) -> None:
        import ray

        ray.kill(one.actor)
        self._seats.remove(one)
        if one.homes is not None:
            remove_if_empty(one.homes[ray_worker.LOG])
        for awaited in (self._coming, self._working):
            for reference in [reference for reference, other in awaited.items() if other is one]:
                del awaited[reference]

    def _arrived(self, reference: object) -> Iterator[tuple[Seat, Message]]:
        """Hear that a seat has a place, or that it is lost before it had one, and with it what it was to do."""
        import ray

        one = self._coming.pop(reference)
        try:
            one.node = ray.get(reference)
        except ray.exceptions.RayTaskError as error:
            raise SweepError(str(error.cause)) from error
        except ray.exceptions.RayActorError as error:
            self._give_up(one)
            if error.actor_init_failed:  # and would again, on every node like this one
                raise SweepError(_reason(one, error)) from error
            if one.homes is not None:
                yield one, Lost(_reason(one, error))

    def _heard(self, reference: object) -> Iterator[tuple[Seat, Message]]:
        import ray

        one = self._working.pop(reference)
        try:
            parcel: ray_worker.Parcel = ray.get(reference)
        except ray.exceptions.RayError as error:
            self._give_up(one)
            yield one, Lost(_reason(one, error))
            return
        assert one.homes is not None
        ray_worker.put(parcel.pieces, one.homes)
        over = bool(parcel.messages) and isinstance(parcel.messages[-1], LAST_WORDS)
        if over:
            one.aside = isinstance(parcel.messages[-1], Unfit)
            self._leave(one)
        for message in parcel.messages:
            yield one, message
        if not over:  # asked after the answers to what was just said, and so later than those arrive
            self._working[one.actor.listen.remote(_SILENCE)] = one

    def _leave(self, one: Seat) -> None:
        assert one.homes is not None
        remove_if_empty(one.homes[ray_worker.LOG])
        one.homes = None
        if one.passing:
            self._give_up(one)

    def _tell_of_waiting(self) -> None:
        """Say once that nothing can be done for want of a place."""
        since = self._waits_since
        if since is not None and not self._working and time.monotonic() - since > _LONG:
            (one,) = self._coming.values()
            more = " and has the data" if any(other.aside for other in self._seats) else ""
            self._say(f"Waiting for a Ray node that can spare training.threads={one.threads} cores{more}.")
            self._waits_since = None


def _from_anywhere(task: Task) -> Task:
    """Return a task with paths that mean the same from any folder."""
    match task:
        case Assignment(config=config):
            there = dataclasses.replace(config, data=config.data.with_absolute_paths())
            return dataclasses.replace(task, config=there)
        case Reading(data):
            return Reading(data.with_absolute_paths())


def _reason(one: Seat, error: "RayError") -> str:
    """Say in one line why a seat is lost."""
    last = str(error).strip().splitlines()[-1]
    node = "A node of the Ray cluster" if one.node is None else f"Node {one.node}"
    return f"{node} or its process for the run is gone: {last}"
