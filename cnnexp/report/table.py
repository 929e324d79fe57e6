"""A table that fits: as columns where they fit into the width, else each row as a block of names and values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

_GAP = 2  # columns of the terminal between two of the table


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, which may break between words and after a dot, and whether it holds numbers."""

    heading: str
    numeric: bool = False


def print_table(
    console: Console,
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    *,
    styles: Sequence[str] = (),
    indent: int = 0,
) -> None:
    """Print rows of cells, none of which is ever broken: a number or a name in two parts is neither.

    Args:
        console: what is printed to.
        columns: one for each cell of a row.
        rows: printable texts.
        styles: one for each row, or none at all.
        indent: columns of the terminal left empty before it.

    """
    styles = styles or [""] * len(rows)
    cells = [[row[place] for row in rows] for place in range(len(columns))]
    whole = [_width([column.heading, *texts]) for column, texts in zip(columns, cells, strict=True)]
    broken = [_width([*_broken(column.heading).split(), *texts]) for column, texts in zip(columns, cells, strict=True)]
    for widths in (whole, broken):
        if indent + sum(widths) + _GAP * len(widths) <= console.width:
            console.print(Padding.indent(_table(columns, rows, widths, styles), indent))
            break
    else:
        for number, (row, style) in enumerate(zip(rows, styles, strict=True)):
            console.print(*([""] if number else []), Padding.indent(_block(columns, row, style), indent), sep="\n")


def _broken(heading: str) -> str:
    """Return a heading with a line for the group of a setting: ``training.`` and ``batch_size``."""
    return re.sub(r"\.(?=\w)", ".\n", heading)


def _width(texts: Sequence[str]) -> int:
    return max(map(cell_len, texts), default=0)


def _table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    widths: Sequence[int],
    styles: Sequence[str],
) -> RichTable:
    table = RichTable(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="label")
    for column, width in zip(columns, widths, strict=True):
        heading = column.heading if cell_len(column.heading) <= width else _broken(column.heading)
        table.add_column(Text(heading), justify="right" if column.numeric else "left", width=width)
    for row, style in zip(rows, styles, strict=True):
        table.add_row(*map(Text, row), style=style)
    return table


def _block(columns: Sequence[Column], row: Sequence[str], style: str) -> RichTable:
    block = RichTable.grid(padding=(0, _GAP, 0, 0))
    block.add_column(style="label")
    block.add_column(style=style, overflow="fold")
    for column, text in zip(columns, row, strict=True):
        if column.heading or text:
            block.add_row(Text(column.heading), Text(text))
    return block
