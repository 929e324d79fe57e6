"""Which runs of a sweep compute on which GPU: one on each, or as many as its memory holds."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.system.devices import Gpu

# Beside what TensorFlow's allocator holds at its peak, of each process: CUDA's context, and room for its libraries.
_CONTEXT = 600 * 2**20  # bytes
_FRAGMENTS = 1.25  # an allocator that grows takes more than it hands out
_SHARE = 0.95  # of a GPU's memory, the rest is the driver's

Place = tuple[int, ...]  # the numbers of the GPUs that one run has


@dataclass(frozen=True, slots=True)
class GpuNeed:
    """What a run needs of a GPU."""

    form: str  # of runs that take as much of its memory
    number: int | None = None  # of the GPU that it asks for; None: any
    every: bool = False  # all GPUs of a machine, to itself


class GpuLeases:
    """The GPUs of a machine, by their numbers in `gpus`, and the needs of the runs that are on each.

    With `per_gpu` None the first run of each form has a GPU to itself. When it has ended its peak is known, and as many
    runs share a GPU as their peaks fit; a GPU whose memory is unknown is not shared.
    """

    def __init__(self, gpus: Sequence[Gpu], *, per_gpu: int | None) -> None:
        self._gpus = tuple(gpus)
        self._per_gpu = per_gpu
        self._needs: list[list[GpuNeed]] = [[] for _ in gpus]
        self._peaks: dict[str, int] = {}  # bytes, by form

    def places_for(self, need: GpuNeed) -> list[Place]:
        """Return the places that have room for a run, those with the fewest runs first."""
        if need.every:
            return [] if any(self._needs) else [tuple(range(len(self._gpus)))]
        asked = range(len(self._gpus)) if need.number is None else [need.number]
        free = [number for number in asked if self._has_room(number, need)]
        return [(number,) for number in sorted(free, key=lambda number: len(self._needs[number]))]

    def take(self, place: Place, need: GpuNeed) -> None:
        """Note that a run begins there."""
        for number in place:
            self._needs[number].append(need)

    def give_back(self, place: Place, need: GpuNeed) -> None:
        """Note that a run is no longer there."""
        for number in place:
            self._needs[number].remove(need)

    def measured(self, need: GpuNeed, peak: int) -> None:
        """Note how many bytes a run has held at most."""
        self._peaks[need.form] = max(peak, self._peaks.get(need.form, 0))

    def _has_room(self, number: int, need: GpuNeed) -> bool:
        there = self._needs[number]
        if not there:
            return True
        if any(one.every for one in there):
            return False
        if self._per_gpu is not None:
            return len(there) < self._per_gpu
        memory = self._gpus[number].memory
        peaks = [self._peaks.get(one.form) for one in (*there, need)]
        known = [_FRAGMENTS * peak + _CONTEXT for peak in peaks if peak is not None]
        return memory is not None and len(known) == len(peaks) and sum(known) <= _SHARE * memory
