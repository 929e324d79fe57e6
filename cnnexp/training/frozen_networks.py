"""Networks of earlier runs of a process of which only the head is trained: later runs need not build them.

Building a network and setting the weights of its backbone takes longer than training a head on cached features. What a
run changes are the variables of the head; they get their first values back, and so do the random numbers from which
Keras takes seeds: a run in a process that has built the network before computes the same bits as one in a new process.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from numpy.typing import NDArray

from cnnexp.models import split

_MOST_WEIGHTS = 2**26  # of all networks that are kept; the last one is kept whatever its size


@dataclass(frozen=True, slots=True)
class _Built:
    """A network, and what a run may change of it, as it was when it was built."""

    model: keras.Model
    head: tuple[NDArray[Any], ...]  # values of its variables
    random_state: Any  # of Python's random numbers

    @classmethod
    def by(cls, build: Callable[[], keras.Model]) -> "_Built":
        model = build()
        return cls(model, tuple(variable.numpy() for variable in _of_head(model)), random.getstate())

    def restore(self) -> None:
        for variable, value in zip(_of_head(self.model), self.head, strict=True):
            variable.assign(value)
        random.setstate(self.random_state)


class FrozenNetworks:
    """The most recently used networks of this process."""

    def __init__(self) -> None:
        self._built: dict[str, _Built] = {}  # the least recently used first

    def reuse(self, key: str, build: Callable[[], keras.Model]) -> keras.Model:
        """Return the network that `build` makes, or the one that it made under the same key before, as it was then.

        `key` says all that the network depends on, with the seed of its random numbers.
        """
        built = self._built.pop(key, None)
        if built is None:
            built = _Built.by(build)
        else:
            built.restore()
        self._built[key] = built
        while len(self._built) > 1 and sum(one.model.count_params() for one in self._built.values()) > _MOST_WEIGHTS:
            del self._built[next(iter(self._built))]
        return built.model


def _of_head(model: keras.Model) -> list[keras.Variable]:
    return [variable for layer in split(model).head for variable in layer.variables]
