"""A search space in Hydra's grammar, as Optuna's distributions."""

from collections.abc import Iterable

from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from cnnexp.errors import ConfigError


def space(overrides: Iterable[Override]) -> dict[str, BaseDistribution]:
    """Return setting (as it is written, with ``+`` where it has one) -> the values it may take.

    ``a,b,c`` and ``choice(...)`` are chosen from without order, ``range(...)`` goes by its steps,
    ``interval(0.1,1)`` is any number between and ``int(interval(16,256))`` any whole one; ``tag(log,...)`` around
    either of these makes it logarithmic.

    Raises:
        ConfigError: a tag is unknown, or a logarithmic interval reaches 0.

    """
    return {override.get_key_element(): _distribution(override) for override in overrides}


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
