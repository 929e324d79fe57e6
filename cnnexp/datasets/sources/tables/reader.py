"""Opens a table of either kind and finds its columns by the names that the settings, or a command, give."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.source import without_blanks
from cnnexp.datasets.sources.tables.annotation_columns import Column
from cnnexp.datasets.sources.tables.csv_table import COMPRESSED, CsvTable, open_csv
from cnnexp.datasets.sources.tables.parquet_table import ENDINGS, ParquetTable, open_parquet
from cnnexp.errors import DataError
from cnnexp.system.text import closest, printable

_PARQUET = b"par1"  # the first bytes of a file, in small letters
_OTHER_FILES = (
    (
        b"pk\x03\x04",
        "an Excel workbook or a zip archive. Save a table as CSV; images need data=folder",
    ),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook. Save the table as CSV"),
    (b"\x1f\x8b", "compressed by gzip, and its name does not end in .gz"),
    (b"arrow1", "an Arrow file. Save the table as Parquet"),
    (b"{", "JSON. Save the table as CSV or Parquet"),
    (b"[", "JSON. Save the table as CSV or Parquet"),
    (b"<!doctype", "a web page. Download the table itself"),
    (b"<html", "a web page. Download the table itself"),
    (b"version https://git-lfs", "the pointer that Git keeps in place of a large file. Get the file: git lfs pull"),
)


class Table(Protocol):
    """A table whose cells are read as text."""

    @property
    def path(self) -> Path:
        """The file, or the folder of several files."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""

    def rows(self, names: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
        """Yield the cells of some columns, row by row; None for an empty one.

        Raises:
            DataError: the table is damaged.

        """


def open_table(path: Path) -> CsvTable | ParquetTable:
    """Open a table by its content; a folder is that of the Parquet files of one table.

    Raises:
        DataError: it cannot be read.

    """
    beginning = b"" if path.is_dir() else _beginning(path)
    for mark, kind in _OTHER_FILES:
        if beginning.startswith(mark):
            raise DataError(f"{path} must be a CSV or Parquet table; it is {kind}.")
    if path.is_dir() or path.suffix.lower() in ENDINGS or beginning.startswith(_PARQUET):
        return open_parquet(path)
    return open_csv(path)


def _beginning(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(64)
    except OSError as error:
        raise DataError(f"{path} cannot be read as a table: {error.strerror}.") from error
    return b"" if path.suffix.lower() in COMPRESSED else content.lower()


def read_columns(table: Table, names: Sequence[str], *, most: int | None = None) -> dict[str, Column]:
    """Read some columns, of all rows or of the first ones."""
    columns = tuple(zip(*itertools.islice(table.rows(names), most), strict=True))
    return dict(zip(names, columns or [()] * len(names), strict=True))


def find_column(wanted: str, names: Sequence[str]) -> str | None:
    """Return the column of a name, which may have blanks around it; None: there is none, or several."""
    found = [name for name in names if name == wanted] or [name for name in names if name == without_blanks(wanted)]
    return found[0] if len(found) == 1 else None


def about_columns(names: Sequence[str], wanted: Mapping[str, str]) -> str:
    """Return sentences on what may be meant by columns that are not there; empty if nothing is alike.

    Args:
        names: those of the table
        wanted: what to type before a column's name -> the name that is missing, such as ``{"data.label=": "label"}``

    """
    if any(map(is_image, names)):
        first = " ".join(map(printable, names[:_SHOWN]))
        return f" Its first line is a row, {first}; it must name the columns instead: path,label."
    if names and names[0].startswith(("#", "//", "%")):
        return " Its first line seems to be a comment: remove it, so that the first line names the columns."
    if len(names) == 1 and len(names[0].split()) > 1:
        return " Are its columns separated by blanks? They must be separated by commas, semicolons, tabs or |."
    if repeated := [name for name in wanted.values() if names.count(name) > 1]:
        return f" It has column {printable(repeated[0])} more than once; give each a name of its own."
    meant = [f"{typed}{printable(near)}" for typed, name in wanted.items() if (near := _similar(name, names))]
    return f" Did you mean {' '.join(meant)}?" if meant else ""


def _similar(wanted: str, names: Sequence[str]) -> str | None:
    """Return the column whose name has the same letters, or means the same, or is spelled alike."""
    by_letters = {_letters(name): name for name in reversed(names)}
    meanings = next((words for words in map(str.split, _MEANINGS) if wanted in words), [])
    same = next((word for word in (_letters(wanted), *meanings) if word in by_letters), None)
    return closest(wanted, names) if same is None else by_letters[same]


def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name.casefold())


_MEANINGS = (
    "path image img file filepath filename imagepath imagefile imagename imgpath picture photo imageid id",
    "label class classname category target labels kind type species breed y classid labelname name",
)
_SHOWN = 5  # columns of a line in a message
