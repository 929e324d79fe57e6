"""Which images are meant by files, folders and tables on the command line; nothing is opened but tables."""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnexp.datasets.sources.layout import is_image
from cnnexp.errors import ConfigError
from cnnexp.system.text import listed

COLUMN = "path"  # of a table
_PARQUET = (".parquet", ".pq")
TABLES = (".csv", *_PARQUET)
_ROWS = 10_000  # of a Parquet table at a time


@dataclass(frozen=True, slots=True)
class Listed:
    """One image that was asked for."""

    name: str  # as it was named: the path on the command line, or in the table
    path: Path | None  # None: it is not to be read, and `error` says why
    error: str | None = None


def list_images(words: Sequence[str], *, root: Path | None) -> Iterator[Listed]:
    """Yield every image that `words` mean, in their order.

    Args:
        words: Image files; folders, with all below them but hidden files and links to folders, sorted by name; and
            tables, ``.csv``, ``.parquet`` or ``.pq``, with a column ``path``.
        root: What the paths of tables start from and may not leave; None: each table's own folder.

    Raises:
        ConfigError: A table has no column ``path``, or is none.

    """
    for word in words:
        path = Path(word)
        if os.path.isdir(path):  # noqa: PTH112  False, where Path raises: a name too long, a folder not to be entered
            yield from _below(path)
        elif path.suffix.lower() in TABLES and os.path.isfile(path):  # noqa: PTH113
            yield from _in_table(path, root or path.parent)
        else:
            yield _listed(word, path)


def _listed(name: str, path: Path) -> Listed:
    """Pass over what would be waited for, for ever: a pipe, a socket, a device."""
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return Listed(name, None, "it is no file.")
    return Listed(name, path)


def _below(folder: Path) -> Iterator[Listed]:
    """Walk without following links to folders, which could lead in a circle."""
    found = False
    for here, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name)
            if not name.startswith(".") and is_image(name) and os.path.isfile(path):  # noqa: PTH113
                found = True
                yield Listed(str(path), path)
    if not found:
        yield Listed(str(folder), None, "no image file is in this folder or below it.")


def _raise(error: OSError) -> None:
    raise ConfigError(f"A folder must be listable; {error.filename} is not: {error.strerror}.") from error


def _in_table(table: Path, root: Path) -> Iterator[Listed]:
    base = os.path.realpath(root)
    inside = base if base.endswith(os.sep) else base + os.sep
    paths = _parquet_paths(table) if table.suffix.lower() in _PARQUET else _csv_paths(table)
    for name in paths:
        if not name or "\0" in name:
            yield Listed(name, None, f"the row has no usable value in column {COLUMN}.")
            continue
        full = os.path.realpath(os.path.join(inside, name))  # noqa: PTH118  a million rows
        if full.startswith(inside):
            yield _listed(name, Path(full))
        else:
            yield Listed(name, None, f"it leaves the folder {root}; --root names the folder that holds all.")


def _csv_paths(table: Path) -> Iterator[str]:
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        rows = csv.reader(file)
        try:
            header = next(rows, [])
            place = _place(header, table)
            for row in rows:
                if row:
                    yield row[place] if len(row) > place else ""
        except csv.Error as error:
            raise ConfigError(f"{table} is no CSV table: line {rows.line_num}: {error}.") from error


def _parquet_paths(table: Path) -> Iterator[str]:
    import pyarrow as pa  # only these tables need it
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(table) as file:
            _place(file.schema_arrow.names, table)
            for batch in file.iter_batches(_ROWS, columns=[COLUMN]):
                yield from ("" if path is None else str(path) for path in batch.column(0).to_pylist())
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"{table} is no Parquet table: {error}.") from error


def _place(header: Sequence[str], table: Path) -> int:
    if COLUMN not in header:
        found = listed(header, most=10) or "nothing"
        raise ConfigError(f"A table of images must have a column named {COLUMN}; {table} has {found}.")
    return list(header).index(COLUMN)
