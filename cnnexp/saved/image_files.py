"""Image files from the files, folders and tables of a command line; only tables are opened."""

import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnexp.datasets.sources.folders.folder_names import of_system
from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.tables.csv_table import CsvTable
from cnnexp.datasets.sources.tables.embedded_images import ParquetImages, holds_images, image_names
from cnnexp.datasets.sources.tables.parquet_table import ENDINGS, ParquetTable
from cnnexp.datasets.sources.tables.path_finder import PathFinder
from cnnexp.datasets.sources.tables.reader import about_columns, find_column, open_table
from cnnexp.errors import ConfigError, DataError
from cnnexp.images import ImageInput, UnreadableImageError
from cnnexp.system.files import is_file, is_folder, is_there
from cnnexp.system.text import listed, printable

COLUMN = "path"  # of a table
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", *ENDINGS)


@dataclass(frozen=True, slots=True)
class ListedImage:
    """One image to classify."""

    name: str  # the path on the command line, or in the table
    path: Path | None  # None: it is no file, see `content` and `error`
    error: str | None = None  # why it cannot be read
    content: ImageInput | None = None  # the image itself, which was in a table


def list_images(names: Sequence[str], *, root: Path | None) -> Iterator[ListedImage]:
    """Yield every image that `names` refer to, in their order.

    Args:
        names: Image files; folders, with all images below them, by name, except hidden files, links to folders, and
            what belongs to systems; and tables (`TABLES`), with a column ``path`` or one that holds the images, which
            are read as tables of training images are.
        root: The folder that paths of tables are relative to and must stay in; None: the folder of each table.

    Raises:
        ConfigError: A table has no column ``path``, or cannot be read.

    """
    for name in names:
        path = Path(name)
        if is_folder(path):
            yield from _below(path)
        elif path.name.lower().endswith(TABLES) and is_file(path):
            yield from _in_table(path, root or path.parent)
        else:
            yield _listed(name, path)


def _listed(name: str, path: Path) -> ListedImage:
    """Refuse pipes, sockets and devices, on which reading could block for ever."""
    if is_there(path) and not is_file(path):
        return ListedImage(name, None, "it is not a file.")
    return ListedImage(name, path)


def _below(folder: Path) -> Iterator[ListedImage]:
    """Walk a folder; links to folders are not followed, because they could form a cycle."""
    found = False
    for here, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not of_system(name))
        for name in sorted(files):
            path = Path(here, name)
            if not of_system(name) and is_image(name) and is_file(path):
                found = True
                yield ListedImage(str(path), path)
    if not found:
        yield ListedImage(str(folder), None, "there is no image file in this folder or below it.")


def _raise(error: OSError) -> None:
    raise ConfigError(f"A folder must be listable; {error.filename} is not: {error.strerror}.") from error


def _in_table(path: Path, root: Path) -> Iterator[ListedImage]:
    try:
        table = open_table(path)
        column = _column(table)
        if isinstance(table, ParquetTable) and holds_images(table, column):
            yield from _embedded(table, column)
        else:
            yield from _named((cell or "" for (cell,) in table.rows([column])), path, root)
    except DataError as error:
        raise ConfigError(str(error)) from error


def _column(table: CsvTable | ParquetTable) -> str:
    """Return the column of the paths; if there is none, the one column that holds images."""
    if column := find_column(COLUMN, table.names):
        return column
    embedded = [name for name in table.names if isinstance(table, ParquetTable) and holds_images(table, name)]
    if len(embedded) == 1:
        return embedded[0]
    raise ConfigError(
        f"A table of images must have a column named {COLUMN}; {table.path} has "
        f"{listed(map(printable, table.names), most=10) or 'nothing'}.{about_columns(table.names, {'': COLUMN})}"
    )


def _embedded(table: ParquetTable, column: str) -> Iterator[ListedImage]:
    """Yield the images that are in a table itself."""
    images, names = ParquetImages(table.files, column), image_names(table, column)
    if not names:
        yield _without_rows(table.path)
    for row, name in enumerate(names):
        try:
            yield ListedImage(name, None, content=images[row])
        except UnreadableImageError as error:
            yield ListedImage(name, None, str(error))


def _without_rows(table: Path) -> ListedImage:
    return ListedImage(str(table), None, "there is no row in this table.")


def _named(names: Iterator[str], table: Path, root: Path) -> Iterator[ListedImage]:
    """Yield the images that a table names by their paths."""
    first = next(names, None)
    if first is None:
        yield _without_rows(table)
        return
    base = os.path.realpath(root)
    inside = base if base.endswith(os.sep) else base + os.sep
    finder = PathFinder(Path(base))
    for name in itertools.chain([first], names):
        if not name or "\0" in name:
            yield ListedImage(name, None, f"the row has no usable value in column {COLUMN}.")
            continue
        full = os.path.realpath(os.path.join(inside, name))  # noqa: PTH118  faster, for a million rows
        if not is_there(full) and (meant := finder.find(name)) is not None:
            full = os.path.realpath(inside + meant)
        if full.startswith(inside):
            yield _listed(name, Path(full))
        else:
            yield ListedImage(
                name, None, f"it is outside of the folder {root}; name a folder that contains all with --root."
            )
