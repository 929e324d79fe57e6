"""Random numbers of a batch, one stream for each kind of change."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GEOMETRY, ROTATION, CROP, COLOR, POLICY, ERASING, MIXING, OWN = range(8)  # numbers that recorded runs depend on


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The batch that changes are drawn for."""

    seed: int  # of the run
    epoch: int  # from 1
    number: int  # of the batch in its epoch, from 0
    count: int  # images
    positions: NDArray[np.int64] | None = None  # (count,) of the images in the training split; None: 0, 1, 2, ...

    def random(self, kind: int) -> np.random.Generator:
        """Return the generator of one kind of change, always at its beginning."""
        own = (kind,) if kind else ()  # flip, shift and zoom are as old as the first recorded runs
        return np.random.default_rng((self.seed, self.epoch, self.number, *own))

    def in_turn(self) -> NDArray[np.bool_]:
        """Return (count,) what each image gets in every other epoch; in which of them is drawn once, for all epochs.

        Drawn by position (the finalizer of splitmix64, Steele et al. 2014), as batches have other images in each epoch.
        """
        positions = np.arange(self.count) if self.positions is None else self.positions
        bits = positions.astype(np.uint64) + np.array([self.seed + 1], np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
        turns: NDArray[np.bool_] = ((bits >> np.uint64(63)) + np.uint64(self.epoch)) % np.uint64(2) == 1
        return turns
