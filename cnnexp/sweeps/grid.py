"""Every combination, one after another."""

from collections.abc import Iterator, Mapping

from cnnexp.errors import ConfigError
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
        self.refusals: list[str] = []  # why combinations cannot be run, of those that were iterated over

    def next(self) -> Job | None:
        """Return the next run; None: there is none.

        Raises:
            ConfigError: the settings of this one contradict each other; asking again gives the one after it.

        """
        for number, words in self._left:
            return self._composer.job(number, (*self._combinations.fixed, *words), self._combinations.varied)
        return None

    def __iter__(self) -> Iterator[Job]:
        """Yield every run that is left; what cannot be composed is noted among the refusals."""
        while True:
            try:
                job = self.next()
            except ConfigError as error:
                self.refusals.append(str(error))
                continue
            if job is None:
                return
            yield job

    def hopeless(self, number: int, values: EpochValues) -> bool:
        """Stop nothing."""
        return False

    def ended(self, number: int, metrics: Mapping[str, float] | None, *, pruned: bool) -> None:
        """Learn nothing."""
