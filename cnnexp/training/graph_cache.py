"""Compiled graphs of earlier runs of a process, cached so that later runs with the same architecture skip tracing.

A graph depends only on its signature, such as the layers of a network and the settings of its optimizer. All else is a
value of a variable or an argument. So a cached graph that takes over all values of a new one computes the same bits.
"""

from typing import Any, Protocol, Self, TypeVar, cast

from cnnexp.training.frozen_networks import FrozenNetworks

_MOST = 16  # graphs


class Traceable(Protocol):
    """Something that traces graphs."""

    @property
    def signature(self) -> str:
        """What the graphs depend on."""

    def load_state_from(self, other: Self) -> None:
        """Take over every value of `other`, which has the same signature."""


T = TypeVar("T", bound=Traceable)


class GraphCache:
    """The most recently used graphs of this process, and its frozen networks."""

    def __init__(self) -> None:
        self.networks = FrozenNetworks()
        self._cached: dict[tuple[type, str], Any] = {}  # the least recently used first

    def reuse(self, new: T) -> T:
        """Return the cached object of the same type and signature, with the state of `new`; else cache `new` itself."""
        key = type(new), new.signature
        cached = cast(T, self._cached.pop(key, new))
        if cached is not new:
            cached.load_state_from(new)
        self._cached[key] = cached
        while len(self._cached) > _MOST:
            del self._cached[next(iter(self._cached))]
        return cached
