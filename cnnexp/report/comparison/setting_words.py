"""Settings and rows of a comparison as people say them, and which row is the best so far."""

from collections.abc import Mapping, Sequence

from cnnexp.comparison.design import ABSENT, Setting
from cnnexp.comparison.result import Comparison, Row
from cnnexp.report.comparison.wording import value_text
from cnnexp.system.text import one_line, plural, printable

MOST_SETTINGS = 3  # that are named in a headline
_MOST_LETTERS = 24  # of a level
_KEEP_GROUP = ("data", "model")  # data.path is no path that anything else has


def best_so_far(comparison: Comparison) -> str:
    """Return which row is best on validation and its score, whether or not there are seeds enough for a verdict.

    Empty where that is no answer: one row, evaluations, other images, or a best row that learned nothing.
    """
    row, objective = comparison.reference, comparison.objective
    if comparison.refusals or objective is None or len(comparison.rows) == 1 or not row.endings.learned:
        return ""
    values, runs = row.configuration.values, len(row.configuration.runs)
    who = _named(comparison.settings, values) or _short_text(row.best_run.name)
    learned = "" if row.endings.learned == runs else f", {row.endings.learned} of {plural(runs, 'run')} learned"
    score = f"{comparison.metric.name} {value_text(row.score, comparison.metric)}"
    why = f"best {objective.name.removeprefix('best/')}, {plural(row.score.n, 'seed')}{learned}"
    return f"Best so far: {who}, with {score} ({why})."


def row_words(comparison: Comparison, row: Row) -> str:
    """Return the settings of a row in words: "dropout 0.3, batch size 16"; a run's name where nothing differs.

    Of more than three settings, those in which it is not as more than half of the rows are, if these are few.
    """
    settings, values = comparison.settings, row.configuration.values
    if len(settings) > MOST_SETTINGS:
        settings = tuple(one for one in settings if not _is_usual(comparison, one, values[one.name]))
        if len(settings) > MOST_SETTINGS:
            return f"one of {len(comparison.rows)} settings"
        return _named(settings, values) or "the usual value of each setting"
    return _named(settings, values) or _short_text(row.best_run.name)


def _is_usual(comparison: Comparison, setting: Setting, level: str) -> bool:
    """Return whether more than half of the rows have this level."""
    count = sum(row.configuration.values[setting.name] == level for row in comparison.rows)
    return 2 * count > len(comparison.rows)


def _named(settings: Sequence[Setting], values: Mapping[str, str]) -> str:
    return ", ".join(f"{setting_name(one)} {level_name(one, values[one.name])}" for one in settings)


def setting_name(setting: Setting) -> str:
    """Return a setting as people say it: training.batch_size is the batch size."""
    group, _, last = setting.name.rpartition(".")
    words = f"{group} {last}" if group in _KEEP_GROUP else last
    return printable(words.replace("_", " "))


def level_name(setting: Setting, level: str) -> str:
    """Return a level as people say it: 0.0 is 0."""
    if level == ABSENT:
        return "unset"
    text = setting.text(level)
    if setting.is_numeric and float(text) == float(level):
        text = min(text, f"{float(level):g}", key=len)
    return _short_text(text)


def _short_text(text: str) -> str:
    """Return a text of a bearable length in one line."""
    text = one_line(printable(text)) or "''"
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS - 9]}…{text[-8:]}"
