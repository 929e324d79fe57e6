"""What earlier runs of a process have traced, kept for the next run of the same form: a good part of a short run.

A graph depends on its form alone, such as the layers of a network and the rules of its optimizer. Everything else is a
value, of a variable or an argument. So a kept graph that takes over all values of a new one computes the same bits.
"""

from typing import Any, Protocol, Self, TypeVar, cast

_MOST = 16  # kept at a time


class Traced(Protocol):
    """Something with graphs."""

    @property
    def form(self) -> str:
        """What its graphs depend on, and what tells it from things of other kinds."""

    def take(self, other: Self) -> None:
        """Become `other`, whose form is the same, in every value."""


T = TypeVar("T", bound=Traced)


class Traces:
    """The latest used in this process."""

    def __init__(self) -> None:
        self._kept: dict[tuple[type, str], Any] = {}  # the latest last

    def of(self, fresh: T) -> T:
        """Return what is kept of the form of `fresh`, with its values; where there is none, keep `fresh` itself."""
        key = type(fresh), fresh.form
        known = cast(T, self._kept.pop(key, fresh))
        if known is not fresh:
            known.take(fresh)
        self._kept[key] = known
        while len(self._kept) > _MOST:
            del self._kept[next(iter(self._kept))]
        return known
