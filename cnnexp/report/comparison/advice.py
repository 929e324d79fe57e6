"""What to try next: where runs of a comparison learned nothing, and what findings of the best settings advise."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from cnnexp.comparison.design import Setting
from cnnexp.comparison.endings import Endings
from cnnexp.comparison.result import Comparison, FailureInteraction
from cnnexp.diagnosis import LEARNING_RATE, OF_RATES, learning_advice
from cnnexp.records import RunSummary
from cnnexp.report.comparison.setting_words import level_name, setting_name
from cnnexp.system.text import plural

_MOST = 3  # pairs of settings, and findings
_MOST_READ = 10  # runs whose findings are read: each is a file


def advice_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Return what to try: learning rates that the sweep knows to be better, other settings that helped, findings."""
    runs = [run for row in comparison.rows for run in row.configuration.runs]
    rates = learning_advice([*runs, *(run for run, _ in comparison.left_out)])
    helped = (said for one in comparison.failure_interactions[:_MOST] for said in _ways_out(one))
    return (*rates, *helped, *_findings(comparison.reference.configuration.runs[:_MOST_READ]))


def _findings(runs: Sequence[RunSummary]) -> Iterator[str]:
    """Yield which settings the findings of the runs with the best settings so far would change."""
    findings = [one for run in runs for one in run.read_findings() if one.id not in OF_RATES and "=" in one.repair]
    found = Counter((one.title, one.repair) for one in findings)
    for (title, repair), count in found.most_common(_MOST):
        yield f"Best settings so far: {title} ({count} of {plural(len(runs), 'run')}). Next: {repair}"


def _ways_out(one: FailureInteraction) -> Iterator[str]:
    """Yield which level of either setting learned where the two together did not; about rates enough is said.

    Each is for who wants to keep the other setting: the best settings so far may have neither.
    """
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
        f"To keep {setting_name(kept)} {level_name(kept, kept_level)}: {shlex.quote(f'{changed.name}={better}')}"
    )
