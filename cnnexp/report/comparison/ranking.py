"""The end of a sweep in the terminal: the ranking of settings, seeds folded, never longer than the screen allows."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnnexp.comparison.endings import LostRow
from cnnexp.comparison.result import Comparison, Row, Standing
from cnnexp.config import all_settings
from cnnexp.config.shown_values import short_number, shown_value
from cnnexp.report.comparison.setting_words import level_name
from cnnexp.report.comparison.table_cells import NONE, counts_both_ways, failed_learning
from cnnexp.report.comparison.wording import MARKS, mean_text, name_of_runs, short_names, value_text
from cnnexp.system.text import plural, printable

_LEAST_ROWS = 3
_GAP = 2
_WIDE = 80  # columns; below, settings have the short names that they have in the names of runs
_LEAST_LABEL = 12  # letters of a column of settings


def print_ranking(comparison: Comparison, console: Console, *, lines: int) -> None:
    """Print the best settings in at most `lines` lines, and last how many more there are, with those that failed."""
    total = len(comparison.rows) + len(comparison.lost)
    shown = max(_LEAST_ROWS, lines - 2)
    shown = total if total <= shown + 1 else shown
    rows = comparison.rows[:shown]
    lost = comparison.lost[: max(0, shown - len(rows))]
    header, cells = _cells(comparison, rows, lost, narrow=console.width < _WIDE)
    console.print(_fitted(header, cells, console.width))
    if left := total - len(rows) - len(lost):
        hidden = [row.endings for row in comparison.rows[len(rows) :]] + [
            row.endings for row in comparison.lost[len(lost) :]
        ]
        failures = sum(endings.failures for endings in hidden)
        nothing = f"; {plural(failures, 'run')} of them learned nothing" if failures else ""
        console.print(Text(f"   ... and {plural(left, 'more setting')}{nothing}", style="muted"), soft_wrap=True)


def _cells(
    comparison: Comparison, rows: tuple[Row, ...], lost: tuple[LostRow, ...], *, narrow: bool
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return a header and rows: mark, settings, how many learned, both scores, what failed."""
    settings = comparison.settings
    short = short_names([setting.name for setting in settings])
    both = counts_both_ways(comparison)
    several = any(row.endings.total > 1 for row in rows)
    known = all_settings() if narrow else {}
    names = [known[name].short if name in known else None for name in short]
    words = (name or short[one.name].replace("_", " ") for name, one in zip(names, settings, strict=True))
    header = ["", ", ".join(words) or "name"]
    header += [
        *(["learned"] if both else ["runs"] if several else []),
        comparison.metric.name,
        *(["all"] if both else []),
        "",
    ]
    cells = []
    for row in rows:
        values = row.configuration.values
        label = ", ".join(level_name(one, values[one.name]) for one in settings) or name_of_runs(row.configuration.runs)
        endings = row.endings
        count = [f"{endings.learned}/{endings.tried}"] if both else [str(endings.tried)] if several else []
        score = value_text(row.score, comparison.metric) if endings.learned else NONE
        all_runs = [mean_text(row.score_all, comparison.metric)] if both else []
        cells.append((MARKS[row.standing], label, *count, score, *all_runs, failed_learning(row)))
    for gone in lost:
        label = ", ".join(_short(*one) for one in gone.values.items())
        why = ", ".join(
            f"{n} {how}" for how, n in (*gone.endings.learned_nothing.items(), *gone.endings.not_finished.items())
        )
        count = [f"0/{gone.endings.total}"] if both or several else []
        cells.append(("!", label, *count, NONE, *([NONE] if both else []), why))
    return header, [tuple(map(printable, row)) for row in cells]


def _short(name: str, value: str) -> str:
    """Return a level that no run with a score has, as the others stand."""
    shown = shown_value(name, value)
    return short_number(shown) or shown


def _fitted(header: list[str], cells: list[tuple[str, ...]], width: int) -> Table:
    """Return a table of one line a row: the settings are cut where they do not fit, numbers never."""
    widths = [max(len(row[place]) for row in [tuple(header), *cells]) for place in range(len(header))]
    spare = width - sum(widths) - _GAP * (len(widths) - 1)
    if spare < 0:  # what failed is in the column of those that learned, too
        header, cells = header[:-1], [row[:-1] for row in cells]
        widths = widths[:-1]
        spare = width - sum(widths) - _GAP * (len(widths) - 1)
    label = max(_LEAST_LABEL, widths[1] + min(0, spare))
    table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="label", collapse_padding=True)
    for place, name in enumerate(header):
        if place == 1:
            table.add_column(Text(name), width=label, no_wrap=True, overflow="ellipsis")
        else:
            right = place > 1 and (place < len(header) - 1 or name != "")
            table.add_column(Text(name), width=widths[place], justify="right" if right else "left", no_wrap=True)
    for number, row in enumerate(cells):
        table.add_row(*map(Text, row), style="best" if number == 0 and row[0] == MARKS[Standing.REFERENCE] else "")
    return table
