"""A search space in Hydra's grammar, as Optuna's distributions, and its grid."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from cnnexp.errors import ConfigError
from cnnexp.system.text import as_yaml


def space(overrides: Iterable[Override]) -> dict[str, BaseDistribution]:
    """Return setting (as it is written, with ``+`` where it has one) -> the values it may take.

    ``a,b,c`` and ``choice(...)`` are chosen from without order, ``range(...)`` has steps, ``interval(0.1,1)`` is any
    number between and ``int(interval(16,256))`` any whole one; ``tag(log,...)`` around either of these makes it
    logarithmic.

    Raises:
        ConfigError: a tag is unknown, or a logarithmic interval reaches 0.

    """
    return {override.get_key_element(): _distribution(override) for override in overrides}


def grid(space: Mapping[str, BaseDistribution]) -> list[dict[str, str | float]]:
    """Return every combination of values.

    Raises:
        ConfigError: a setting has an interval of values instead of single ones.

    """
    steps = [_steps(key, distribution) for key, distribution in space.items()]
    return [dict(zip(space, values, strict=True)) for values in itertools.product(*steps)]


def choice_of(distribution: BaseDistribution, value: object) -> str | float | None:
    """Return how a value stands in a distribution; None: it is none of its values."""
    if isinstance(distribution, CategoricalDistribution):
        return next((text for text in distribution.choices if isinstance(text, str) and _means(text, value)), None)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    step = distribution.step
    steps = 0.0 if step is None or distribution.log else (value - distribution.low) / step
    fits = distribution.low <= value <= distribution.high and math.isclose(steps, round(steps), abs_tol=1e-9)
    return value if fits else None


def _means(text: str, value: object) -> bool:
    """Tell whether a choice, as it is written, is a value of a configuration."""
    if not isinstance(value, str | int | float | None):
        return False
    with suppress(ValueError):
        if not isinstance(value, bool):
            return float(text) == float(str(value))
    return text in (str(value), as_yaml(value))


def _steps(key: str, distribution: BaseDistribution) -> Sequence[str | float]:
    match distribution:
        case CategoricalDistribution(choices=choices):
            return [choice for choice in choices if isinstance(choice, str)]
        case IntDistribution(low=low, high=high, step=step, log=False):
            return range(low, high + 1, step)
        case FloatDistribution(low=low, high=high, step=float(step)):
            return [low + number * step for number in range(round((high - low) / step) + 1)]
    raise ConfigError(f"hydra.sweeper.sampler=grid needs values one by one; {key} is an interval, not A,B,C.")


def _distribution(override: Override) -> BaseDistribution:
    sweep = override.value()
    key = override.get_key_element()
    match sweep:
        case ChoiceSweep():
            _check_tags(key, sweep.tags)
            return CategoricalDistribution(list(override.sweep_string_iterator()))
        case RangeSweep(step=step):
            _check_tags(key, sweep.tags)
            steps = [float(text) for text in override.sweep_string_iterator()]
            if all(number.is_integer() for number in (*steps, float(step))):
                return IntDistribution(int(steps[0]), int(steps[-1]), step=int(step))
            return FloatDistribution(steps[0], steps[-1], step=float(step))
        case IntervalSweep(start=start, end=end) if start is not None and end is not None:
            _check_tags(key, sweep.tags)
            log = "log" in sweep.tags
            if log and start <= 0:
                raise ConfigError(f"{key}: a logarithmic interval must lie above 0; got {start} to {end}.")
            if isinstance(start, int) and isinstance(end, int):
                return IntDistribution(start, end, log=log)
            return FloatDistribution(float(start), float(end), log=log)
    raise ConfigError(f"{key} cannot be searched: {override.input_line}.")


def _check_tags(key: str, tags: set[str]) -> None:
    if not tags <= {"log"}:
        raise ConfigError(f"{key}: the only tag of a search space is log; got {', '.join(sorted(tags))}.")
