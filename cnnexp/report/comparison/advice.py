"""What to try where runs of a comparison learned nothing."""

import shlex
from collections.abc import Iterator, Mapping

from cnnexp.comparison.design import Setting
from cnnexp.comparison.endings import Endings
from cnnexp.comparison.result import Comparison, FailureInteraction
from cnnexp.diagnosis import LEARNING_RATE, learning_advice
from cnnexp.report.comparison.setting_words import level_name, setting_name
from cnnexp.system.text import plural

_MOST = 3  # pairs of settings


def advice_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Return what to try: the learning rates that the sweep knows to be better, then other settings that helped."""
    runs = [run for row in comparison.rows for run in row.configuration.runs]
    rates = learning_advice([*runs, *(run for run, _ in comparison.left_out)])
    return (*rates, *(said for one in comparison.failure_interactions[:_MOST] for said in _ways_out(one)))


def _ways_out(one: FailureInteraction) -> Iterator[str]:
    """Yield which level of either setting learned where the two together did not; about rates enough is said."""
    other_level, failing = next(iter(one.fails_with.items()))
    if one.setting.name != LEARNING_RATE:
        yield _way_out(one.other, other_level, one.setting, one.level, failing, one.instead)
    if one.other.name != LEARNING_RATE:
        yield _way_out(one.setting, one.level, one.other, other_level, failing, one.not_with)


def _way_out(
    kept: Setting, kept_level: str, changed: Setting, level: str, failing: Endings, learned: Mapping[str, Endings]
) -> str:
    place = changed.levels.index(level)
    better = min(learned, key=lambda other: abs(changed.levels.index(other) - place))
    runs = learned[better].learned
    return (
        f"With {setting_name(kept)} {level_name(kept, kept_level)}, {setting_name(changed)} "
        f"{level_name(changed, better)} learned ({plural(runs, 'run')}), and {level_name(changed, level)} did not "
        f"({failing.failures} of {plural(failing.tried, 'run')} learned nothing). "
        f"Next: {shlex.quote(f'{changed.name}={better}')}"
    )
