"""``cnnexp cache``: list or clear the decoded images and the features on this disk."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from cnnexp.config import Override, unquote, values_of
from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.cache.folder import Entry
from cnnexp.errors import ConfigError, DataError
from cnnexp.report.console import open_console
from cnnexp.report.table import Column, print_table
from cnnexp.runs.checkpoint_folder import StoppedRuns
from cnnexp.system.files import reason_of
from cnnexp.system.streams import print_required
from cnnexp.system.text import file_size, plural, printable


def print_entries(console: Console, folder: Path, entries: Sequence[Entry]) -> None:
    """Print a line for each data set, the most recently used first, and the total."""
    whole = f"{counted(entries)}, {file_size(sum(entry.size for entry in entries))}" if entries else "empty"
    console.print(Text.assemble((printable(str(folder)), "title"), f": {whole}"), soft_wrap=True)
    if not entries:
        return
    columns = [Column("name"), Column("images", True), Column("on disk", True), Column("last used"), Column("from")]
    print_table(console, columns, [_row(entry) for entry in entries])


def counted(entries: Sequence[Entry]) -> str:
    """Count data sets and features, such as "2 data sets, 1 array of features"."""
    features = sum(entry.features for entry in entries)
    of_features = f", {plural(features, 'array of features', 'arrays of features')}" if features else ""
    return plural(len(entries) - features, "data set") + of_features


def _row(entry: Entry) -> list[str]:
    images = f"{entry.images:,}" if entry.complete else "unfinished"
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
    return [printable(entry.name), images, file_size(entry.size), used, printable(entry.origin)]


_SETTING = "data.cache"
CHECKPOINTS = "checkpoints"  # what clears the states of stopped runs alone


def run(arguments: Sequence[str]) -> int:
    """List the data sets in the cache folder, or clear it.

    Raises:
        ConfigError: another verb than ``clear``, or a data set that the cache does not hold.
        DataError: the folder cannot be read or written.

    """
    folder = cache.cache_folder(_setting(arguments))
    verb, *names = [argument for argument in arguments if Override.parse(argument).key != _SETTING] or ["list"]
    if verb != "clear" and (verb != "list" or names):
        raise ConfigError(f"cache takes clear, perhaps with names, and data.cache=DIR; got {verb!r}.")
    try:
        _clear(folder, tuple(names)) if verb == "clear" else _list(folder)
    except OSError as error:
        raise DataError(
            f"The cache folder {folder} cannot be {verb}ed: {reason_of(error)}. "
            "Name another with data.cache=DIR, or see to its permissions."
        ) from error
    return 0


def _setting(arguments: Sequence[str]) -> str | None:
    values = values_of(arguments)
    return unquote(values[_SETTING]) if _SETTING in values else None


def _list(folder: Path) -> None:
    console = open_console()
    print_entries(console, folder, cache.entries(folder))
    if (stopped := StoppedRuns.of(folder)).folders:
        console.print(Text(f"{_states(stopped)}; cnnexp cache clear {CHECKPOINTS} removes them"), soft_wrap=True)


def _states(stopped: StoppedRuns) -> str:
    return f"states of {plural(len(stopped.folders), 'stopped run')}, {file_size(stopped.size)}"


def _clear(folder: Path, names: tuple[str, ...]) -> None:
    if CHECKPOINTS in names or not names:
        if (stopped := StoppedRuns.of(folder)).folders or names == (CHECKPOINTS,):
            print_required(f"{_states(stopped)}, cleared: they cannot be resumed any more.")
        stopped.remove()
        if names == (CHECKPOINTS,):
            return
        names = tuple(name for name in names if name != CHECKPOINTS)
    known = {entry.name for entry in cache.entries(folder)}
    if unknown := [name for name in names if name not in known]:
        raise ConfigError(
            f"cache clear takes the names of data sets in {folder}; {', '.join(unknown)} is not there. "
            f"It holds {', '.join(sorted(known)) or 'nothing'}."
        )
    before = len(cache.entries(folder))
    deleted = cache.clear(folder, names or None)
    kept = before - len(deleted) if not names else len([e for e in cache.entries(folder) if e.name in names])
    still = f"; {kept} in use by another process stay" if kept else ""
    print_required(f"{counted(deleted)} cleared, {file_size(sum(entry.size for entry in deleted))} freed{still}.")
