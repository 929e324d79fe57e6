"""The table of a comparison as text, for the terminal, the page and Markdown alike."""

from dataclasses import dataclass

from cnnexp.comparison.metric import metric
from cnnexp.comparison.result import Comparison, Row
from cnnexp.report.comparison.wording import (
    MARKS,
    gain_text,
    mean_text,
    name_of_runs,
    short_names,
    unit_text,
    value_text,
)

TIME = "train s"
NONE = "–"  # in place of the score of runs that learned, where none did


@dataclass(frozen=True, slots=True)
class Table:
    """A header and rows of cells; ``numeric`` tells which columns are right-aligned."""

    header: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def table(comparison: Comparison) -> Table:
    """One row a configuration, in the comparison's order: only settings that differ, then what came out."""
    names = [setting.name for setting in comparison.settings]
    short = short_names(names)
    settings = [short[name] for name in names] or ["name"]
    numeric = [setting.is_numeric for setting in comparison.settings] or [False]
    lower = " (lower is better)" if comparison.metric.lower_is_better else ""
    columns = [
        ("", False),
        *zip(settings, numeric, strict=True),
        ("seeds", True),
        *([("learned", True)] if counts_both_ways(comparison) else []),
        *([] if comparison.objective is None else [(comparison.objective.name.removeprefix("best/"), True)]),
        (f"{comparison.metric.name}{lower}", True),
        *([("of all runs", True)] if counts_both_ways(comparison) else []),
        (f"vs ★, {unit_text(comparison.metric)}", True),
        *([] if comparison.objective is None else [(TIME, True)]),  # an evaluation trains nothing
    ]
    return Table(
        header=tuple(name for name, _ in columns),
        numeric=tuple(is_number for _, is_number in columns),
        rows=tuple(_cells(comparison, row) for row in comparison.rows),
    )


def _cells(comparison: Comparison, row: Row) -> tuple[str, ...]:
    return (
        f"{MARKS[row.standing]} {failed_learning(row)}".rstrip(),
        *(
            [one.text(row.configuration.values[one.name]) for one in comparison.settings]
            or [name_of_runs(row.configuration.runs)]
        ),
        str(row.seeds),
        *([f"{row.endings.learned}/{row.endings.tried}"] if counts_both_ways(comparison) else []),
        *(
            []
            if row.objective is None or comparison.objective is None
            else [value_text(row.objective, comparison.objective)]
        ),
        value_text(row.score, comparison.metric) if row.endings.learned else NONE,
        *([mean_text(row.score_all, comparison.metric)] if counts_both_ways(comparison) else []),
        _gain(comparison, row),
        *([] if comparison.objective is None else [_seconds(row)]),
    )


def counts_both_ways(comparison: Comparison) -> bool:
    """Whether some runs learned nothing, so that scores with and without them stand side by side."""
    return comparison.endings.failures > 0


def failed_learning(row: Row) -> str:
    """Return how the runs of a row learned nothing, such as "collapsed" or "2/5 collapsed"; empty where all learned."""
    endings = row.endings
    return ", ".join(
        how if count == endings.tried else f"{count}/{endings.tried} {how}"
        for how, count in endings.learned_nothing.items()
    )


def _seconds(row: Row) -> str:
    return f"{row.means['seconds/train']:.1f}" if "seconds/train" in row.means else ""


def _gain(comparison: Comparison, row: Row) -> str:
    """Over seeds where there are two or more, else as a model on the same images."""
    if row.over_seeds is not None and row.over_seeds.gain.n > 1:
        return gain_text(row.over_seeds.gain, comparison.metric)
    for model in comparison.models:
        if model.run is row.best_run and comparison.of_single_models and len(row.configuration.runs) == 1:
            return gain_text(model.difference.gain, comparison.metric)
    return "" if row.over_seeds is None else gain_text(row.over_seeds.gain, comparison.metric)


def secondary_metrics(comparison: Comparison) -> tuple[str, ...]:
    """Other test metrics that every row has, for the wide tables."""
    shared = set.intersection(*(set(row.means) for row in comparison.rows))
    hidden = (comparison.metric.name, "test/accuracy_low", "test/accuracy_high")
    return tuple(name for name in sorted(shared) if name.startswith("test/") and metric(name).name not in hidden)
