"""A comparison in the terminal."""

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from cnnexp.comparison.result import Comparison, Standing
from cnnexp.report.comparison.table_cells import TIME, table
from cnnexp.report.comparison.wording import advice_sentences, effect_sentence, left_out_sentences, legend, verdict
from cnnexp.system.text import printable

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
    """Print verdict, table, effects, left-out runs, advice and warnings, in that order."""
    _print_verdict(comparison, console)
    console.print(_rich_table(comparison, console.width))
    if len(comparison.rows) > _ROWS_SHOWN:
        console.print(f"... and {len(comparison.rows) - _ROWS_SHOWN} rows below them; --csv writes all.")
    console.print(f"[dim]{_plain(legend(comparison))}[/dim]")
    _print_effects(comparison, console)
    _print_left_out(comparison, console)
    for sentence in advice_sentences(comparison):
        console.print(f"[yellow]Learned nothing:[/yellow] {_plain(sentence)}")
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
    columns = len(cells.header) - (width < _WIDE and cells.header[-1] == TIME)  # not in a narrow terminal
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
    """Text without Rich's markup or control characters."""
    return escape(printable(text))
