"""A comparison in the terminal."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cnnexp.comparison.result import Comparison, Standing
from cnnexp.report.comparison.advice import advice_sentences
from cnnexp.report.comparison.table_cells import TIME, table
from cnnexp.report.comparison.verdict import verdict
from cnnexp.report.comparison.wording import effect_sentence, left_out_sentences, legend
from cnnexp.report.table import Column, print_table
from cnnexp.system.text import plural, printable

_ROWS_SHOWN, _EFFECTS_SHOWN = 40, 20
_WIDE = 100  # characters
_STYLES = {
    Standing.REFERENCE: "best",
    Standing.ALIKE: "",
    Standing.WORSE: "",
    Standing.BETTER: "finding",
    Standing.UNTESTED: "",
}


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print verdict, table, effects, left-out runs, advice and warnings, in that order."""
    _print_verdict(comparison, console)
    _print_rows(comparison, console)
    if len(comparison.rows) > _ROWS_SHOWN:
        console.print(f"... and {plural(len(comparison.rows) - _ROWS_SHOWN, 'row')} below them; --csv writes all.")
    console.print()
    console.print(Text(printable(legend(comparison)), style="muted"))
    _print_effects(comparison, console)
    for sentence in left_out_sentences(comparison):
        console.print(Text(printable(sentence)))
    for sentence in advice_sentences(comparison):
        console.print(Text.assemble(("Advice:", "attention"), " ", printable(sentence)))
    for warning in comparison.warnings:
        console.print(Text.assemble(("Caution:", "attention"), " ", printable(warning)))


def _print_verdict(comparison: Comparison, console: Console) -> None:
    answer, *rest = verdict(comparison)
    console.print(Text(printable(answer), style="title"))
    for sentence in rest:
        console.print(Text(printable(sentence)))
    console.print()


def _print_rows(comparison: Comparison, console: Console) -> None:
    cells = table(comparison)
    count = len(cells.header) - (console.width < _WIDE and cells.header[-1] == TIME)  # not in a narrow terminal
    columns = [  # a long name breaks between its words
        Column(printable(heading), numeric)
        for heading, numeric in zip(cells.header[:count], cells.numeric[:count], strict=True)
    ]
    rows = [[printable(text) for text in texts[:count]] for texts in cells.rows[:_ROWS_SHOWN]]
    styles = [_STYLES[row.standing] for row in comparison.rows[:_ROWS_SHOWN]]
    print_table(console, columns, rows, styles=styles)


def _print_effects(comparison: Comparison, console: Console) -> None:
    if not comparison.effects:
        return
    title = (f"What each setting does to {comparison.metric.name}", "title")
    console.print()
    console.print(Text.assemble(title, ", the others and the seed held"))
    for effect in comparison.effects[:_EFFECTS_SHOWN]:
        console.print(Padding.indent(Text(printable(effect_sentence(effect, comparison.metric))), 2))
        if effect.reversed_in:
            opposite = printable("; ".join(effect.reversed_in))
            console.print(Padding.indent(Text(f"but the opposite with {opposite}"), 4))
    if len(comparison.effects) > _EFFECTS_SHOWN:
        console.print(f"  ... and {len(comparison.effects) - _EFFECTS_SHOWN} more; --csv writes all.")
