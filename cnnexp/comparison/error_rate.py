"""How often a comparison claims a difference where there is none: rows and effects are one family."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cnnexp.comparison.design import Configuration, Setting
from cnnexp.comparison.result import Difference, Effect, ScoreInteraction

STRICTER = 4.0  # keeps the promised 5 % in all designs of benchmarks/statistics_simulation.py


def control_error_rate(
    over_seeds: Sequence[Difference | None],
    found: Sequence[Effect],
    together: Sequence[ScoreInteraction],
    varying: Sequence[Setting],
    ranked: Sequence[Configuration],
    adjusted: Mapping[tuple[int, int], float],
) -> tuple[tuple[Difference | None, ...], tuple[Effect, ...]]:
    """Keep false claims below 5 % over rows and effects together when nothing differs.

    With one setting, an effect *is* the difference of two rows, so it gets that comparison's p-value and the two
    cannot contradict each other. With several, rows count as they are if some effect is more than chance, also one that
    is not claimed because the runs that learned nothing point the other way, or if settings matter `together`. Else
    rows are a second chance for a false claim, and need a p that is `STRICTER` times as small: one change at a time
    has few pairs for an effect, whose reference may not be what was changed, and many for the rows.
    """
    if len(varying) == 1 and found:
        place = {row.values[varying[0].name]: index for index, row in enumerate(ranked)}
        return tuple(over_seeds), tuple(_with_row_p_value(effect, adjusted, place) for effect in found)
    tested = [effect.difference for effect in found if effect.difference.p_adjusted is not None]
    if tested and not together and not any(difference.more_than_chance for difference in tested):
        return tuple(_stricter(difference) for difference in over_seeds), tuple(found)
    return tuple(over_seeds), tuple(found)


def _with_row_p_value(effect: Effect, adjusted: Mapping[tuple[int, int], float], place: Mapping[str, int]) -> Effect:
    low, high = sorted((place[effect.level], place[effect.against]))
    if (low, high) not in adjusted:
        return effect
    return replace(effect, difference=replace(effect.difference, p_adjusted=adjusted[low, high]))


def _stricter(difference: Difference | None) -> Difference | None:
    if difference is None or difference.p_adjusted is None:
        return difference
    return replace(difference, p_adjusted=min(1.0, STRICTER * difference.p_adjusted))
