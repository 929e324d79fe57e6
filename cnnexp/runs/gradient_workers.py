"""The other machines of a run on several: an actor on each node of a Ray cluster, which computes gradients.

Ray only places the actors. A node that is gone ends the run with an error, and its saved state is there to go on from.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from cnnexp.config import Extended
from cnnexp.errors import CnnexpError, ConfigError, MemoryShortageError, WorkerError
from cnnexp.system import quiet, ray_cluster, resources
from cnnexp.system.text import first_line, listed, plural

if TYPE_CHECKING:
    from cnnexp.training.gradient_part import GradientPart
    from cnnexp.training.machine_parallel import Arrays, GradientSpec

_SECONDS_TO_PLACE = 300.0  # for Ray to place an actor, and for the actor to import TensorFlow


@dataclass(frozen=True, kw_only=True, slots=True)
class Execution:
    """How every machine of a run computes."""

    threads: int
    kind: str  # of the device: cpu | gpu
    precision: str
    deterministic: bool
    model: Extended | None = None  # of the user, whose code is executed where it arrives


class GradientActor:
    """The Ray actor; machine `number` of its run, from 1 on."""

    def __init__(self, execution: Execution, number: int) -> None:
        self._execution = execution
        self._number = number
        self._part: GradientPart | None = None

    def introduce(self, expected: dict[str, str]) -> tuple[str, str]:
        """Begin TensorFlow; return the names of the node and of its processor.

        Raises:
            ConfigError: it has no such device.
            SweepError: it has other versions than those expected.

        """
        name = ray_cluster.introduction(expected)
        quiet.set_environment()
        quiet.import_tensorflow()
        from cnnexp import training
        from cnnexp.system.devices import Device
        from cnnexp.system.find_devices import devices

        asked = self._execution
        device = Device.choose(asked.kind, devices())
        training.configure_tensorflow(threads=asked.threads, seed=0, device=device, deterministic=asked.deterministic)
        return name, resources.processor_name()

    def load(self, spec: "GradientSpec") -> None:
        """Compute gradients by this spec from now on."""
        from cnnexp.training.gradient_part import GradientPart

        self._part = GradientPart(spec, number=self._number)

    def gradients(self, values: "Arrays", images: NDArray[Any], labels: NDArray[Any]) -> "Arrays":
        """Return what `GradientPart` does; memory that runs out is a `MemoryShortageError`."""
        from cnnexp import training

        assert self._part is not None
        try:
            with training.products_in(self._execution.precision):
                return self._part(values, images, labels)
        except Exception as error:
            if training.is_memory_shortage(error):
                raise MemoryShortageError(
                    f"Memory ran out on {socket.gethostname()}, which computes a part of each batch. Half of "
                    "training.batch_size with twice training.accumulate takes about half the memory."
                ) from None
            raise


@dataclass(eq=False)
class RayMachines:
    """The actors of a run, which end with its process; `training.Machines`."""

    actors: Sequence[Any]
    nodes: Sequence[str]
    _loaded: object = None
    _awaited: list[tuple[int, Any]] = field(default_factory=list)  # images of each part, and Ray's reference
    _failure: Exception | None = None

    @property
    def count(self) -> int:
        """How many there are beside this one."""
        return len(self.actors)

    @classmethod
    def started(cls, execution: Execution) -> "RayMachines":
        """Start an actor on each other node of the cluster, which this process has joined.

        Raises:
            ConfigError: the machines differ in their processors.
            SweepError: they differ in their versions.
            WorkerError: Ray has no place for an actor, or it has ended.

        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        needs: dict[str, float] = {"num_cpus": execution.threads, "max_restarts": 0, "max_task_retries": 0}
        if execution.kind == "gpu":
            needs["num_gpus"] = 1
        made = ray.remote(**needs)(GradientActor)
        actors = [
            made.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.identifier, soft=False)).remote(
                execution, number
            )
            for number, node in enumerate(ray_cluster.require_others(execution.kind), start=1)
        ]
        try:
            asked = [one.introduce.remote(ray_cluster.versions()) for one in actors]
            known = ray.get(asked, timeout=_SECONDS_TO_PLACE)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.GetTimeoutError:
            raise WorkerError(
                f"Each machine of training.strategy=multi_worker must have {plural(execution.threads, 'core')} to "
                f"spare; one had not within {_SECONDS_TO_PLACE:g} seconds. See what runs there: ray status"
            ) from None
        except ray.exceptions.RayError as error:
            raise WorkerError(_gone("A machine", error)) from error
        _require_same_processor([processor for _, processor in known], execution)
        return cls(actors, [name for name, _ in known])

    def load(self, key: object, spec: "Callable[[], GradientSpec]") -> None:
        """Send a spec to each actor, unless they have that of `key`."""
        if self._loaded is key:
            return
        import ray

        shared = ray.put(spec())
        with self._failing():
            ray.get([actor.load.remote(shared) for actor in self.actors])
        self._loaded = key

    def begin(self, values: "Arrays", parts: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Have each compute the gradient of one of `parts`, unless it is empty."""
        import ray

        with self._failing():
            shared = ray.put(list(values))  # sent to each node once
            self._awaited = [
                (len(labels), actor.gradients.remote(shared, images, labels))
                for actor, (images, labels) in zip(self.actors, parts, strict=True)
                if len(labels)
            ]

    def end(self) -> "list[tuple[int, Arrays]]":
        """Return how many images each part has, and what was computed of it."""
        import ray

        with self._failing():
            answers = ray.get([reference for _, reference in self._awaited])
            return [(images, answer) for (images, _), answer in zip(self._awaited, answers, strict=True)]

    def raise_failure(self) -> None:
        """Raise the error that a machine has ended with, if one has."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Keep the error of a machine: TensorFlow, which calls this in a step, makes another of what is raised."""
        import ray

        try:
            yield
        except ray.exceptions.RayTaskError as error:
            self._failure = error.cause if isinstance(error.cause, CnnexpError) else error
            raise
        except ray.exceptions.RayError as error:
            self._failure = WorkerError(_gone(f"A machine of this run ({listed(self.nodes)})", error))
            raise


def _gone(which: str, error: Exception) -> str:
    reason = first_line(error).rstrip(".")
    return f"{which} or its process for the run is gone: {reason}. When the cluster has as many machines again, resume."


def _require_same_processor(processors: Sequence[str], execution: Execution) -> None:
    other = {name for name in processors if name != resources.processor_name()}
    if other and execution.deterministic and execution.kind == "cpu":
        raise ConfigError(
            "With training.deterministic=true the machines of training.strategy=multi_worker must have the same "
            f"processor, or the same seed would not give the same numbers: this one has {resources.processor_name()}, "
            f"others {listed(sorted(other))}. Leave those out of the cluster, or set training.deterministic=false."
        )
