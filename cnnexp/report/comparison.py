"""A comparison in the terminal."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from cnnexp.comparison.result import Comparison, Standing
from cnnexp.report.comparison_table import table
from cnnexp.report.comparison_words import LEGEND, effect_sentence, verdict

_ROWS_SHOWN = 40
_NAMES_SHOWN = 5  # of runs left out, for each reason
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
    console.print(_rich_table(comparison))
    if len(comparison.rows) > _ROWS_SHOWN:
        console.print(f"... and {len(comparison.rows) - _ROWS_SHOWN} rows below them; --csv writes all.")
    console.print(f"[dim]{LEGEND}[/dim]")
    _print_effects(comparison, console)
    _print_left_out(comparison, console)
    for warning in comparison.warnings:
        console.print(f"[yellow]Mind:[/yellow] {escape(warning)}")


def _print_verdict(comparison: Comparison, console: Console) -> None:
    answer, *rest = verdict(comparison)
    console.print(f"[bold]{escape(answer)}[/bold]")
    for sentence in rest:
        console.print(escape(sentence))
    console.print()


def _rich_table(comparison: Comparison) -> RichTable:
    cells = table(comparison)
    drawn = RichTable(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
    for name, numeric in zip(cells.header, cells.numeric, strict=True):
        drawn.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    shown = list(zip(comparison.rows, cells.rows, strict=True))[:_ROWS_SHOWN]
    for row, texts in shown:
        drawn.add_row(*(escape(text) for text in texts), style=_STYLES[row.standing])
    return drawn


def _print_effects(comparison: Comparison, console: Console) -> None:
    if not comparison.effects:
        return
    console.print(f"\n[bold]What each setting does to {comparison.metric.name}[/bold], the others and the seed held")
    for effect in comparison.effects:
        console.print(f"  {escape(effect_sentence(effect, comparison.metric))}")
        if effect.reversed_in:
            console.print(f"    but the opposite with {escape('; '.join(effect.reversed_in))}")


def _print_left_out(comparison: Comparison, console: Console) -> None:
    by_reason: dict[str, list[str]] = {}
    for run, reason in comparison.left_out:
        by_reason.setdefault(reason, []).append(run.name)
    if by_reason:
        console.print()
    for reason, names in by_reason.items():
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        console.print(f"{len(names)} {reason}: {escape(', '.join(names[:_NAMES_SHOWN]))}{more}")
