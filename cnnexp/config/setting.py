"""What most rules about a setting come to; each raises ConfigError with what is allowed."""

import math
from collections.abc import Sequence

from cnnexp.errors import ConfigError
from cnnexp.system.text import did_you_mean


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Require one of the words `allowed`."""
    if value not in allowed:
        raise ConfigError(
            f"{name} must be one of {', '.join(allowed)}; got {value!r}.{did_you_mean(str(value), allowed)}"
        )


def within(
    name: str,
    value: float | None,
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> None:
    """Require ``low <= value <= high``; ``above`` and ``below`` make a bound strict; None passes."""
    if value is None:
        return
    finite = math.isfinite(value)
    if finite and (value > low if above else value >= low) and (value < high if below else value <= high):
        return
    bounds = f"{'above' if above else 'at least'} {low}"
    if math.isfinite(high):
        bounds += f" and {'below' if below else 'at most'} {high}"
    elif not finite:
        bounds += " and finite"
    raise ConfigError(f"{name} must be {bounds}; got {value}.")
