"""How runs ended: learned, learned nothing, or not finished. A mean hides each of these unless it is counted."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cnnexp.comparison.design import Setting, value_of
from cnnexp.comparison.paired import fisher_exact
from cnnexp.diagnosis import DIVERGED, has_diverged, recorded_failure
from cnnexp.records import RunSummary

LEARNED = "learned"
_MOST_LEVELS = 12  # of a setting whose levels are counted: one drawn at random has a level for each run


@dataclass(frozen=True, slots=True)
class Endings:
    """How the runs of a group ended, counted."""

    learned: int
    learned_nothing: Mapping[str, int]  # how, such as collapsed or diverged -> runs
    not_finished: Mapping[str, int]  # why, such as pruned or failed -> runs

    @property
    def failures(self) -> int:
        """Runs that learned nothing."""
        return sum(self.learned_nothing.values())

    @property
    def tried(self) -> int:
        """Runs that show whether their setting learns."""
        return self.learned + self.failures

    @property
    def total(self) -> int:
        """All runs of the group."""
        return self.tried + sum(self.not_finished.values())


@dataclass(frozen=True, slots=True)
class LevelEndings:
    """How the runs of one level of a setting ended, and those of its other levels."""

    setting: Setting
    level: str
    endings: Endings
    others: Endings
    p: float  # Fisher's exact test, two-sided, of the shares that learned nothing


@dataclass(frozen=True, slots=True)
class LostRow:
    """A combination of settings under which no run has a score."""

    values: Mapping[str, str]
    runs: tuple[RunSummary, ...]
    endings: Endings


def run_endings(usable: Sequence[RunSummary], left_out: Sequence[tuple[RunSummary, str]]) -> dict[str, str]:
    """Return for each run the word for how it ended; `left_out` has runs with the reason."""
    words = {run.run_id: recorded_failure(run) or LEARNED for run in usable}
    return words | {run.run_id: DIVERGED if has_diverged(run) else reason for run, reason in left_out}


def counted(runs: Iterable[RunSummary], words: Mapping[str, str], finished: frozenset[str]) -> Endings:
    """Count how `runs` ended by their `words`; `finished` are the ids of those that have a score."""
    learned, nothing, unfinished = 0, Counter[str](), Counter[str]()
    for run in runs:
        word = words[run.run_id]
        if word == LEARNED:
            learned += 1
        elif run.run_id in finished or word == DIVERGED:
            nothing[word] += 1
        else:
            unfinished[word] += 1
    return Endings(learned, dict(nothing), dict(unfinished))


def by_level(
    runs: Sequence[RunSummary], settings: Sequence[Setting], words: Mapping[str, str], finished: frozenset[str]
) -> tuple[LevelEndings, ...]:
    """Return the levels under which runs learned nothing more often than under the others, the clearest first."""
    found = []
    for setting in settings:
        if not 1 < len(setting.levels) <= _MOST_LEVELS:
            continue
        for level in setting.levels:
            own = counted((run for run in runs if value_of(run, setting.name) == level), words, finished)
            rest = counted((run for run in runs if value_of(run, setting.name) != level), words, finished)
            if own.failures and rest.tried and own.failures * rest.tried > rest.failures * own.tried:
                p = fisher_exact(own.failures, own.tried, rest.failures, rest.tried)
                found.append(LevelEndings(setting, level, own, rest, p))
    return tuple(sorted(found, key=lambda one: one.p))
