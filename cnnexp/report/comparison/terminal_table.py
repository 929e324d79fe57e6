"""A comparison in the terminal."""

from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from cnnexp.comparison.metric import metric
from cnnexp.comparison.result import Comparison, Row, Standing
from cnnexp.report.comparison.wording import (
    MARKS,
    effect_sentence,
    gain_text,
    left_out_sentences,
    legend,
    short_names,
    unit_text,
    value_text,
    verdict,
)
from cnnexp.system.text import printable

TIME = "train s"


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
    settings = [short[name] for name in names] or ["run"]
    numeric = [setting.is_numeric for setting in comparison.settings] or [False]
    lower = " (lower is better)" if comparison.metric.lower_is_better else ""
    return Table(
        header=(
            "",
            *settings,
            "seeds",
            *([] if comparison.objective is None else [comparison.objective.name.removeprefix("best/")]),
            f"{comparison.metric.name}{lower}",
            f"vs ★, {unit_text(comparison.metric)}",
            *([] if comparison.objective is None else [TIME]),  # an evaluation trains nothing
        ),
        numeric=(False, *numeric, *[True] * (3 if comparison.objective is None else 5)),
        rows=tuple(_cells(comparison, row) for row in comparison.rows),
    )


def _cells(comparison: Comparison, row: Row) -> tuple[str, ...]:
    return (
        MARKS[row.standing],
        *([one.text(row.configuration.values[one.name]) for one in comparison.settings] or [row.best_run.name]),
        str(row.seeds),
        *(
            []
            if row.objective is None or comparison.objective is None
            else [value_text(row.objective, comparison.objective)]
        ),
        value_text(row.score, comparison.metric),
        _gain(comparison, row),
        *([] if comparison.objective is None else [_seconds(row)]),
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


_ROWS_SHOWN, _EFFECTS_SHOWN = 40, 20
_WIDE = 100  # characters
_RESULT_COLUMNS = 4  # at the right; a number is never broken over lines
_STYLES = {
    Standing.REFERENCE: "bold green",
    Standing.ALIKE: "",
    Standing.WORSE: "dim",
    Standing.BETTER: "bold yellow",
    Standing.UNTESTED: "",
}


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print verdict, table, effects, what was left out and what is unfair, in that order."""
    _print_verdict(comparison, console)
    console.print(_rich_table(comparison, console.width))
    if len(comparison.rows) > _ROWS_SHOWN:
        console.print(f"... and {len(comparison.rows) - _ROWS_SHOWN} rows below them; --csv writes all.")
    console.print(f"[dim]{_plain(legend(comparison))}[/dim]")
    _print_effects(comparison, console)
    _print_left_out(comparison, console)
    for warning in comparison.warnings:
        console.print(f"[yellow]Mind:[/yellow] {_plain(warning)}")


def _print_verdict(comparison: Comparison, console: Console) -> None:
    answer, *rest = verdict(comparison)
    console.print(f"[bold]{_plain(answer)}[/bold]")
    for sentence in rest:
        console.print(_plain(sentence))
    console.print()


def _rich_table(comparison: Comparison, width: int) -> RichTable:
    cells = table(comparison)
    columns = len(cells.header) - (width < _WIDE and cells.header[-1] == TIME)  # which a narrow terminal can do without
    drawn = RichTable(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False, collapse_padding=True)
    for index in range(columns):
        drawn.add_column(
            _plain(cells.header[index].replace("_", " ")),  # so that a long name breaks between words
            justify="right" if cells.numeric[index] else "left",
            overflow="fold",
            no_wrap=index >= len(cells.header) - _RESULT_COLUMNS,
        )
    for row, texts in list(zip(comparison.rows, cells.rows, strict=True))[:_ROWS_SHOWN]:
        drawn.add_row(*(_plain(text) for text in texts[:columns]), style=_STYLES[row.standing])
    return drawn


def _print_effects(comparison: Comparison, console: Console) -> None:
    if not comparison.effects:
        return
    console.print(f"\n[bold]What each setting does to {comparison.metric.name}[/bold], the others and the seed held")
    for effect in comparison.effects[:_EFFECTS_SHOWN]:
        console.print(f"  {_plain(effect_sentence(effect, comparison.metric))}")
        if effect.reversed_in:
            console.print(f"    but the opposite with {_plain('; '.join(effect.reversed_in))}")
    if len(comparison.effects) > _EFFECTS_SHOWN:
        console.print(f"  ... and {len(comparison.effects) - _EFFECTS_SHOWN} more; --csv writes all.")


def _print_left_out(comparison: Comparison, console: Console) -> None:
    for sentence in left_out_sentences(comparison):
        console.print(_plain(sentence))


def _plain(text: str) -> str:
    """Text that neither Rich nor the terminal takes for a command."""
    return escape(printable(text))
