"""What was varied, and which runs are the same setting under another seed."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from cnnexp.comparison.metric import Metric
from cnnexp.config import AUTO, all_settings
from cnnexp.config.columns import FOUND
from cnnexp.config.shown_values import as_list, shown_value, told_apart
from cnnexp.errors import ConfigError
from cnnexp.records import RunSummary
from cnnexp.system.text import as_yaml, closest

ABSENT = "–"  # stands for a setting that a run does not have
_FOLLOWED = (
    "used",
    "model.trainable_weights",
    "model.head_weights",
    "model.reference_bytes",
)  # recorded beside the settings: what followed from them
_DIGITS = 4  # of a number, at least
_NEUTRAL = ("none", "null", "off", "false", "constant", "unit", "baseline")  # levels that mean "nothing added"


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting that differs between the compared runs."""

    name: str
    levels: tuple[str, ...]  # the first is the one effects are measured against: nothing added, or the smallest
    confounded_with: tuple[str, ...]  # settings that changed exactly when this one did: effects cannot be separated
    found: tuple[str, ...] = ()  # what the level auto came to, smallest first

    @property
    def is_numeric(self) -> bool:
        """Whether every level is a number."""
        return all(_number(level) is not None for level in self.levels)

    def text(self, level: str) -> str:
        """The level as it is shown: a number with as many digits as distinguish it from the others."""
        if level == AUTO and self.found:
            return f"{AUTO} ({' to '.join(dict.fromkeys((self.found[0], self.found[-1])))})"
        return _shown(self.name, self.levels)[level]


@dataclass(frozen=True, slots=True)
class Configuration:
    """Runs that differ by seed alone."""

    values: Mapping[str, str]  # of the varying settings
    runs: tuple[RunSummary, ...]

    def by_seed(self, metric: Metric) -> dict[str, float]:
        """The metric for each seed; runs that repeat a seed are averaged, so that they do not count as evidence."""
        return mean_by_seed(self.runs, metric)

    def only(self, run_ids: Container[str]) -> "Configuration":
        """Return this configuration with those of its runs."""
        return Configuration(self.values, tuple(run for run in self.runs if run.run_id in run_ids))


def mean_by_seed(runs: Sequence[RunSummary], metric: Metric) -> dict[str, float]:
    """Mean of ``metric`` over the runs of each seed."""
    values: dict[str, list[float]] = {}
    for run in runs:
        values.setdefault(seed_of(run), []).append(run.metrics[metric.name])
    return {seed: float(np.mean(group)) for seed, group in values.items()}


def seed_of(run: RunSummary) -> str:
    """The run's seed; a run recorded without one is its own seed, so that it is paired with nothing."""
    return run.settings.get("seed", run.run_id)


def value_of(run: RunSummary, setting: str) -> str:
    """The run's level of a setting; one recorded before the setting existed has the level that means the same.

    A value that was found before training is the level auto: what was asked for is the same for all seeds.
    """
    if run.tags.get(FOUND) == setting:
        return AUTO
    described = all_settings().get(setting)
    neutral = as_yaml(described.neutral) if described is not None and described.has_neutral else ABSENT
    return run.settings.get(setting, neutral)


def varying_settings(runs: Sequence[RunSummary], by: Sequence[str]) -> tuple[Setting, ...]:
    """The settings that differ between ``runs``; with ``by``, those alone, in its order.

    A setting that only follows another is not shown twice: ``optimizer.momentum`` that is there because
    ``optimizer=sgd`` was chosen, or a second setting that changed exactly when the first did.
    """
    names = sorted({name for run in runs for name in run.settings if _is_compared(name)})
    columns = {name: tuple(value_of(run, name) for run in runs) for name in names}
    if unknown := [name for name in by if name not in columns]:
        raise ConfigError(_unknown_setting(unknown[0], columns))
    varying = {name: column for name, column in columns.items() if len(set(column)) > 1}
    found = {name: _found(runs, name) for name in columns}
    if by:
        return tuple(Setting(name, _ordered(set(columns[name])), (), found[name]) for name in by)
    free = {name: column for name, column in varying.items() if not _follows_choice(name, varying)}
    leaders: dict[str, list[str]] = {}
    for name in sorted(free, key=lambda name: ("." in name, name)):
        leader = next((other for other in leaders if _are_confounded(free[name], free[other])), None)
        if leader is None:
            leaders[name] = []
        else:
            leaders[leader].append(name)
    return tuple(
        Setting(name, _ordered(set(free[name])), tuple(others), found[name]) for name, others in leaders.items()
    )


def differing_settings(runs: Sequence[RunSummary]) -> tuple[Setting, ...]:
    """Every setting that differs between ``runs``, also those that follow another or move with it; sorted by name."""
    names = sorted({name for run in runs for name in run.settings if _is_compared(name)})
    levels = {name: {value_of(run, name) for run in runs} for name in names}
    return tuple(
        Setting(name, _ordered(found), (), _found(runs, name)) for name, found in levels.items() if len(found) > 1
    )


def _found(runs: Sequence[RunSummary], name: str) -> tuple[str, ...]:
    """Return the values that were found for a setting, the smallest first."""
    values = {run.settings[name] for run in runs if run.tags.get(FOUND) == name and name in run.settings}
    return tuple(sorted(values, key=float))


def _is_compared(name: str) -> bool:
    described = all_settings().get(name)
    if described is not None:
        return described.varies_runs
    return name not in _FOLLOWED and name.split(".", maxsplit=1)[0] not in _FOLLOWED


def configurations(runs: Sequence[RunSummary], settings: Sequence[Setting]) -> tuple[Configuration, ...]:
    """Fold the runs that agree in ``settings``."""
    folded: dict[tuple[str, ...], list[RunSummary]] = {}
    for run in runs:
        folded.setdefault(tuple(value_of(run, setting.name) for setting in settings), []).append(run)
    names = [setting.name for setting in settings]
    return tuple(Configuration(dict(zip(names, values, strict=True)), tuple(group)) for values, group in folded.items())


def _follows_choice(name: str, varying: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether ``optimizer.momentum`` is constant within each ``optimizer`` that was compared."""
    choice = name.rpartition(".")[0]
    if choice not in varying:
        return False
    return len(set(zip(varying[choice], varying[name], strict=True))) == len(set(varying[choice]))


def _are_confounded(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether each level of one comes with exactly one level of the other.

    Two numbers drawn at random differ in every run, which would make any two of them look confounded; numbers are
    confounded only if they also rise and fall together.
    """
    pairs = set(zip(first, second, strict=True))
    if not len(pairs) == len(set(first)) == len(set(second)):
        return False
    numbers = [(x, y) for a, b in pairs if (x := _number(a)) is not None and (y := _number(b)) is not None]
    if len(numbers) < len(pairs):
        return True
    in_order = [y for _, y in sorted(numbers)]
    return in_order in (sorted(in_order), sorted(in_order, reverse=True))


def _ordered(levels: set[str]) -> tuple[str, ...]:
    """Levels that add nothing first, then numbers by size, lists of numbers by their first ones, words by alphabet."""

    def rank(level: str) -> tuple[int, list[float], str]:
        numbers = [_number(one) for one in as_list(level) or [level]]
        if level == ABSENT or level.lower() in _NEUTRAL:
            return 0, [], level
        known = [number for number in numbers if number is not None]
        return (1, known, level) if len(known) == len(numbers) else (2, [], level)

    return tuple(sorted(levels, key=rank))


@cache
def _shown(name: str, levels: tuple[str, ...]) -> Mapping[str, str]:
    described = all_settings().get(name)
    if described is not None and described.affects == "source":
        return told_apart(levels)
    for digits in range(_DIGITS, 18):
        texts = {level: _rounded(shown_value(name, level), digits) for level in levels}
        if len(set(texts.values())) == len(levels):
            return texts
    return {level: level for level in levels}


def _rounded(level: str, digits: int) -> str:
    number = _number(level)
    return level if number is None or len(level) <= digits + 3 else f"{number:.{digits}g}"


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unknown_setting(name: str, known: Mapping[str, object]) -> str:
    near = next((full for full in known if full.endswith(f".{name}")), closest(name, known))
    hint = f" Did you mean {near}?" if near else ""
    return f"--by takes settings that the runs recorded; got {name!r}, allowed are {', '.join(known)}.{hint}"
