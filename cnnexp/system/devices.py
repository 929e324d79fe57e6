"""What a run computes on: the processor, or GPUs of those that there are (see `find_devices`)."""

from dataclasses import dataclass
from typing import Self

from cnnexp.errors import ConfigError

_ONE_IS_NOT_MIRRORED = "training.strategy=mirrored needs two GPUs; with fewer it changes nothing."


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU that TensorFlow opens."""

    name: str  # of its model
    index: int = 0  # TensorFlow's number of it
    token: str = "0"  # by which CUDA_VISIBLE_DEVICES names it, for a process that is to see it alone
    memory: int | None = None  # bytes; None: unknown
    capability: tuple[int, int] | None = None  # CUDA's compute capability; None: unknown
    made_up: bool = False  # by a test: the processor computes


@dataclass(frozen=True, slots=True)
class Devices:
    """What runs can compute on beside the processor."""

    gpus: tuple[Gpu, ...] = ()
    problem: str | None = None  # why a GPU that stands here is not opened, and what to do; None: there is no such GPU
    driver: str | None = None
    cuda: str | None = None
    cudnn: str | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """What one run computes on: the processor, or GPUs."""

    gpus: tuple[Gpu, ...] = ()
    note: str | None = None  # why it does not compute on a GPU that stands here
    machines: int = 1  # of which each has such a device

    @property
    def kind(self) -> str:
        """`cpu` or `gpu`."""
        return "gpu" if self.gpus else "cpu"

    @property
    def name(self) -> str:
        """`cpu`, or the model of its GPUs."""
        count = len(self.gpus)
        here = f"{count} × {' and '.join(sorted({g.name for g in self.gpus}))}" if count > 1 else "cpu"
        here = self.gpus[0].name if count == 1 else here
        return here if self.machines == 1 else f"{here} on each of {self.machines} machines"

    @property
    def count(self) -> int:
        """How many devices share each batch."""
        return max(1, len(self.gpus)) * self.machines

    @classmethod
    def choose(cls, asked: str, devices: Devices, *, mirrored: bool = False) -> Self:
        """Return what `training.device` means here: one GPU, or if `mirrored` all of them.

        Raises:
            ConfigError: it names a GPU that TensorFlow does not open.

        """
        if asked == "cpu":
            return cls()
        if asked == "auto":
            gpus = devices.gpus if mirrored else devices.gpus[:1]
            few = _ONE_IS_NOT_MIRRORED if mirrored and len(gpus) < 2 else None
            return cls(gpus, few if gpus else devices.problem or few)
        number = int(asked.partition(":")[2] or 0)
        if number < len(devices.gpus):
            return cls(devices.gpus if mirrored else (devices.gpus[number],))
        raise ConfigError(f"training.device={asked} needs a GPU that TensorFlow opens; {_what_there_is(devices)}")


def _what_there_is(devices: Devices) -> str:
    if devices.gpus:
        names = ", ".join(f"gpu:{number} ({gpu.name})" for number, gpu in enumerate(devices.gpus))
        return f"there {'is' if len(devices.gpus) == 1 else 'are'} {names}."
    reason = devices.problem or "there is none in this machine, or CUDA_VISIBLE_DEVICES hides it."
    return f"{reason} Or train on the processor: training.device=cpu."
