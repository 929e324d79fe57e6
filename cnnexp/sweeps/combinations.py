"""From the overrides of a command to the runs it means: every combination of its lists, zipped lists in step."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override as ParsedOverride

from cnnexp.compose import refuse_too_many
from cnnexp.config import Override, values_of
from cnnexp.errors import ConfigError

Overrides = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """Settings that change together, step by step."""

    keys: tuple[str, ...]
    steps: tuple[Overrides, ...]  # each sets every key


@dataclass(frozen=True, slots=True)
class Combinations:
    """The runs of a sweep, in the order of its overrides; the last list changes fastest."""

    fixed: Overrides  # shared by all runs
    axes: tuple[Axis, ...]

    def __len__(self) -> int:
        return math.prod(len(axis.steps) for axis in self.axes)

    def __iter__(self) -> Iterator[Overrides]:
        """Yield, for each run, the overrides that not all runs share."""
        for steps in itertools.product(*(axis.steps for axis in self.axes)):
            yield tuple(itertools.chain.from_iterable(steps))

    @property
    def varied(self) -> tuple[str, ...]:
        """Settings that differ between runs."""
        return tuple(itertools.chain.from_iterable(axis.keys for axis in self.axes))

    @property
    def values(self) -> dict[str, str]:
        """The values of each of those settings, in order."""
        overrides = itertools.chain.from_iterable(itertools.chain.from_iterable(axis.steps) for axis in self.axes)
        taken: dict[str, dict[str, None]] = {key: {} for key in self.varied}
        for override in map(Override.parse, overrides):
            if override.key in taken and override.value is not None:
                taken[override.key][override.value] = None
        return {key: ", ".join(values) for key, values in taken.items()}


def combinations(overrides: Sequence[str], *, params: Mapping[str, str], zipped: Sequence[str]) -> Combinations:
    """Return the runs that `overrides` mean.

    Args:
        overrides: of the command line, such as ``training.batch_size=16,64`` and ``seed=range(5)``.
        params: lists of a preset, setting -> values; an override of the same setting replaces one.
        zipped: settings whose lists are walked in step.

    Raises:
        ConfigError: a list is not a list of values, or zipped lists do not fit together.

    """
    chosen = {override.key_or_group: override for override in parse(overrides, params)}
    refuse_too_many(list(chosen.values()), zipped=zipped)
    axes = {key: _axis(key, override) for key, override in chosen.items() if override.is_sweep_override()}
    fixed = tuple(str(override.input_line) for key, override in chosen.items() if key not in axes)
    return Combinations(fixed, _zip(axes, zipped) if zipped else tuple(axes.values()))


def from_jobs(jobs: Sequence[Sequence[str]]) -> Combinations:
    """Return the runs that another sweeper made: each with all its overrides, some of which differ."""
    settings = [values_of(job) for job in jobs]
    varied = [key for key in settings[0] if len({job[key] for job in settings if key in job}) > 1]
    return Combinations((), (Axis(tuple(varied), tuple(tuple(job) for job in jobs)),))


def parse(overrides: Sequence[str], params: Mapping[str, str]) -> list[ParsedOverride]:
    """Parse overrides as Hydra does; those of the command line come after, and so replace, those of a preset."""
    preset = [f"{key}={value}" for key, value in params.items()]
    parsed: list[ParsedOverride] = OverridesParser.create().parse_overrides([*preset, *overrides])
    return parsed


def _axis(key: str, override: ParsedOverride) -> Axis:
    if not override.is_discrete_sweep():
        raise ConfigError(
            f"{key} must be a list of values, because every value is run; got {override.input_line}. Write "
            f"{key}=A,B,C or {key}=range(0,10,2), or have the interval searched: hydra/sweeper=optuna."
        )
    element = override.get_key_element()
    return Axis((key,), tuple((f"{element}={value}",) for value in override.sweep_string_iterator()))


def _zip(axes: Mapping[str, Axis], zipped: Sequence[str]) -> tuple[Axis, ...]:
    """Make one axis of the zipped ones, in the place of the first of them."""
    for key in zipped:
        if key not in axes:
            known = ", ".join(axes) or "none"
            raise ConfigError(f"sweep.zip names settings that are given as lists; {key} is not. Lists: {known}.")
    lengths = {key: len(axes[key].steps) for key in zipped}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise ConfigError(f"Lists that sweep.zip walks together must be equally long; {listed}.")
    together = Axis(
        tuple(zipped),
        tuple(
            tuple(itertools.chain.from_iterable(step))
            for step in zip(*(axes[key].steps for key in zipped), strict=True)
        ),
    )
    first = next(key for key in axes if key in zipped)
    return tuple(together if key == first else axis for key, axis in axes.items() if key == first or key not in zipped)
