"""Random numbers of a batch, one stream for each kind of change."""

from dataclasses import dataclass

import numpy as np

GEOMETRY, ROTATION, CROP, COLOR, POLICY, ERASING, MIXING, OWN = range(8)  # numbers that recorded runs depend on


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """The batch that changes are drawn for."""

    seed: int  # of the run
    epoch: int  # from 1
    number: int  # of the batch in its epoch, from 0
    count: int  # images

    def random(self, kind: int) -> np.random.Generator:
        """Return the generator of one kind of change, always at its beginning."""
        own = (kind,) if kind else ()  # flip, shift and zoom are as old as the first recorded runs
        return np.random.default_rng((self.seed, self.epoch, self.number, *own))
