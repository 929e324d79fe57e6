"""Every combination, one after another."""

from collections.abc import Iterator, Mapping

from cnnexp.records import EpochValues
from cnnexp.sweeps.combinations import Combinations
from cnnexp.sweeps.jobs import Composer, Job


class Grid:
    """A source of runs that has no say in how they go."""

    may_stop = False
    ahead = True

    def __init__(self, composer: Composer, combinations: Combinations, *, first: int = 0) -> None:
        self._composer = composer
        self._combinations = combinations
        self._left = enumerate(combinations, start=first)

    def next(self) -> Job | None:
        """Return the next run; None: there is none.

        Raises:
            ConfigError: the settings of this one contradict each other; asking again gives the one after it.

        """
        for number, words in self._left:
            return self._composer.job(number, (*self._combinations.fixed, *words), self._combinations.varied)
        return None

    def __iter__(self) -> Iterator[Job]:
        """Yield every run that is left."""
        while (job := self.next()) is not None:
            yield job

    def hopeless(self, number: int, values: EpochValues) -> bool:
        """Stop nothing."""
        return False

    def ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Learn nothing."""
