"""Image files from the files, folders and tables of a command line; only tables are opened."""

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
class ListedImage:
    """One image to classify."""

    name: str  # the path on the command line, or in the table
    path: Path | None  # None: it cannot be read, see `error`
    error: str | None = None


def list_images(names: Sequence[str], *, root: Path | None) -> Iterator[ListedImage]:
    """Yield every image that `names` refer to, in their order.

    Args:
        names: Image files; folders, with all images below them except hidden files and links to folders, sorted by
            name; and tables, ``.csv``, ``.parquet`` or ``.pq``, with a column ``path``.
        root: The folder that paths of tables are relative to and must stay in; None: the folder of each table.

    Raises:
        ConfigError: A table has no column ``path``, or cannot be read.

    """
    for name in names:
        path = Path(name)
        if os.path.isdir(path):  # noqa: PTH112  False where Path raises: a name too long, no permission
            yield from _below(path)
        elif path.suffix.lower() in TABLES and os.path.isfile(path):  # noqa: PTH113
            yield from _in_table(path, root or path.parent)
        else:
            yield _listed(name, path)


def _listed(name: str, path: Path) -> ListedImage:
    """Refuse pipes, sockets and devices, on which reading could block for ever."""
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        return ListedImage(name, None, "it is not a file.")
    return ListedImage(name, path)


def _below(folder: Path) -> Iterator[ListedImage]:
    """Walk a folder; links to folders are not followed, because they could form a cycle."""
    found = False
    for here, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(here, name)
            if not name.startswith(".") and is_image(name) and os.path.isfile(path):  # noqa: PTH113
                found = True
                yield ListedImage(str(path), path)
    if not found:
        yield ListedImage(str(folder), None, "there is no image file in this folder or below it.")


def _raise(error: OSError) -> None:
    raise ConfigError(f"A folder must be listable; {error.filename} is not: {error.strerror}.") from error


def _in_table(table: Path, root: Path) -> Iterator[ListedImage]:
    base = os.path.realpath(root)
    inside = base if base.endswith(os.sep) else base + os.sep
    paths = _parquet_paths(table) if table.suffix.lower() in _PARQUET else _csv_paths(table)
    for name in paths:
        if not name or "\0" in name:
            yield ListedImage(name, None, f"the row has no usable value in column {COLUMN}.")
            continue
        full = os.path.realpath(os.path.join(inside, name))  # noqa: PTH118  faster, for a million rows
        if full.startswith(inside):
            yield _listed(name, Path(full))
        else:
            yield ListedImage(
                name, None, f"it is outside of the folder {root}; name a folder that contains all with --root."
            )


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
            raise ConfigError(f"{table} is not a CSV table: line {rows.line_num}: {error}.") from error


def _parquet_paths(table: Path) -> Iterator[str]:
    import pyarrow as pa  # needed for these tables only
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(table) as file:
            _place(file.schema_arrow.names, table)
            for batch in file.iter_batches(_ROWS, columns=[COLUMN]):
                yield from ("" if path is None else str(path) for path in batch.column(0).to_pylist())
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"{table} is not a Parquet table: {error}.") from error


def _place(header: Sequence[str], table: Path) -> int:
    if COLUMN not in header:
        found = listed(header, most=10) or "nothing"
        raise ConfigError(f"A table of images must have a column named {COLUMN}; {table} has {found}.")
    return list(header).index(COLUMN)
