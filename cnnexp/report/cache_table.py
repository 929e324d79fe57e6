"""What lies in the cache of decoded images, as a table."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnnexp.datasets.cache import Entry
from cnnexp.printable import printable

_UNITS = ("kB", "MB", "GB", "TB")


def print_entries(console: Console, folder: Path, entries: Sequence[Entry]) -> None:
    """Print a line for each data set, the most recently used first, and the whole."""
    whole = f"{sets(len(entries))}, {size(sum(entry.size for entry in entries))}" if entries else "empty"
    console.print(Text.assemble((printable(str(folder)), "title"), f": {whole}"), soft_wrap=True)
    if not entries:
        return
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="label")
    table.add_column("name", overflow="fold")
    table.add_column("images", justify="right", no_wrap=True)
    table.add_column("on disk", justify="right", no_wrap=True)
    table.add_column("last used", no_wrap=True)
    table.add_column("decoded from", overflow="fold", style="aside")
    for entry in entries:
        images = f"{entry.images:,}" if entry.complete else Text("unfinished", style="attention")
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        table.add_row(printable(entry.name), images, size(entry.size), used, printable(entry.origin))
    console.print(table)


def sets(number: int) -> str:
    """Write how many data sets."""
    return f"{number:,} data set{'' if number == 1 else 's'}"


def size(count: float) -> str:
    """Write a number of bytes in the unit that suits it."""
    for unit in _UNITS:
        count /= 1000
        if count < 1000 or unit == _UNITS[-1]:
            break
    return f"{count:.3g} {unit}" if count < 999.5 else f"{count:.0f} {unit}"
