"""A first look at the values of a sweep, before its first run starts."""

import math
from collections.abc import Collection, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
from hydra.core.override_parser.types import Override as ParsedOverride
from omegaconf import DictConfig

from cnnexp.compose.compose import (
    compose_config,
    compose_untyped,
    replaces_one_value,
    to_typed,
    with_values,
)
from cnnexp.compose.quote_texts import quote_texts
from cnnexp.compose.refusals import explain
from cnnexp.errors import ConfigError

MOST_RUNS = 100_000  # of a sweep; at a second each they take more than a day


def check_sweep(overrides: Sequence[str], *, config_dir: Path | None = None) -> None:
    """Compose every value of every list once, the other lists at their first value; zipped lists step together.

    That is the sum of the lists' lengths, not their product: it finds each value that is wrong by itself, and a
    contradiction with a first value. The rest is refused when its job is composed.

    Raises:
        ConfigError: one of the values is wrong.

    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        zipped = _zipped(parsed)
        refuse_too_many(parsed, zipped=zipped)
        lists = [_steps(override, all_steps=override.key_or_group in zipped) for override in parsed]
    except Exception as error:  # the parser knows many complaints, all about what the user wrote
        raise explain(error, overrides) from error
    first = [steps[0] for steps in lists]
    base = compose_untyped(first, config_dir=config_dir)
    to_typed(base)
    together = [place for place, override in enumerate(parsed) if override.key_or_group in zipped]
    for places in ([together] if together else []) + [[place] for place in range(len(lists)) if place not in together]:
        for step in range(1, min(len(lists[place]) for place in places)):
            changes = {place: lists[place][step] for place in places}
            if all(replaces_one_value(override, base) for override in changes.values()):
                to_typed(_with_values(base, list(changes.values())))
            else:
                compose_config([changes.get(place, one) for place, one in enumerate(first)], config_dir=config_dir)


def refuse_too_many(overrides: Sequence[ParsedOverride], *, zipped: Collection[str]) -> None:
    """Count the runs that lists of values mean before the lists are made: ``range(1000000000)`` is written quickly.

    Raises:
        ConfigError: there are more than `MOST_RUNS`.

    """
    lengths = {one.key_or_group: _length(one) for one in overrides if one.is_discrete_sweep()}
    together = max((length for key, length in lengths.items() if key in zipped), default=1)
    total = together * math.prod(length for key, length in lengths.items() if key not in zipped)
    if total > MOST_RUNS:
        longest = max(lengths, key=lambda key: lengths[key])
        raise ConfigError(
            f"A sweep has at most {MOST_RUNS:,} runs; these lists mean {total:,}, of which {longest} has "
            f"{lengths[longest]:,} values. Shorten it, or have the values searched: hydra/sweeper=optuna."
        )


def _length(override: ParsedOverride) -> int:
    value = override.value()
    if not isinstance(value, RangeSweep):
        return len(value.list) if isinstance(value, ChoiceSweep) else 1
    assert value.start is not None
    assert value.stop is not None
    if value.step == 0:
        raise ConfigError(f"The step of a range must not be 0; got {override.input_line}.")
    return max(0, math.ceil((value.stop - value.start) / value.step))


def _with_values(base: DictConfig, overrides: Sequence[str]) -> DictConfig:
    try:
        return with_values(base, quote_texts(overrides))
    except Exception as error:  # as for composing
        raise explain(error, overrides) from error


def _zipped(overrides: Sequence[ParsedOverride]) -> set[str]:
    """Return the settings whose lists are walked together."""
    for override in overrides:
        if override.key_or_group == "sweep.zip" and isinstance(keys := override.value(), list):
            return {str(key) for key in keys}
    return set()


def _steps(override: ParsedOverride, *, all_steps: bool) -> list[str]:
    """Return an override for each value of a list that has to be looked at; of no list the override itself."""
    if not override.is_sweep_override() or override.value_type is None:
        return [str(override.input_line)]
    key = override.get_key_element()
    value = override.value()
    if isinstance(value, IntervalSweep):
        return [f"{key}={value.start}", f"{key}={value.end}"]
    if override.is_range_sweep() and not all_steps:  # our rules are intervals, so the ends speak for what lies between
        steps = list(override.sweep_string_iterator())
        return [f"{key}={step}" for step in dict.fromkeys((steps[0], steps[-1]))]
    return [f"{key}={choice}" for choice in override.sweep_string_iterator()]
