"""Images listed in a CSV or Parquet table: per row a path or the image itself, a label, perhaps split and group."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.folders.folder_names import SPLIT_FOLDERS
from cnnexp.datasets.sources.folders.image_folder import file_state
from cnnexp.datasets.sources.source import (
    UNDECLARED,
    DataSource,
    FileSource,
    ImageSource,
    Manifest,
    class_name,
    natural_order,
    without_blanks,
)
from cnnexp.datasets.sources.tables.annotation_columns import (
    Column,
    annotation_columns,
    refuse_joined_labels,
    refuse_repeated_images,
)
from cnnexp.datasets.sources.tables.columns import AUTO, Columns, columns_by_role
from cnnexp.datasets.sources.tables.csv_table import CsvTable, as_text, is_utf8
from cnnexp.datasets.sources.tables.embedded_images import ParquetImages, holds_images, image_names
from cnnexp.datasets.sources.tables.locate_files import hint, locate_files, refuse_missing
from cnnexp.datasets.sources.tables.parquet_table import NO_LABEL, ParquetTable
from cnnexp.datasets.sources.tables.reader import open_table, read_columns
from cnnexp.errors import DataError, DataPathError
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.files import at_home, is_folder, is_there
from cnnexp.system.text import listed, plural, printable

_LISTED = 5  # lines named in a message

Table = CsvTable | ParquetTable
Roles = Mapping[str, str]  # image, label, split, group -> column
Cells = Mapping[str, Column]  # image, label, split, group -> (N,) cells


def table_source(path: Path, *, name: str, root: str | None, columns: Columns) -> DataSource:
    """Find a data set by its table.

    Raises:
        DataPathError: there is no such table, or no such folder `root`.
        DataError: the table is damaged or empty, or a row lacks its path or label or leaves the folder.
        ConfigError: a column that is set by name does not exist.

    """
    place = at_home(path)
    if not is_there(place):
        raise DataPathError(f"data.path must be a CSV or Parquet table; there is no file {place}.")
    table = open_table(place)
    roles = columns_by_role(table, columns)
    notes: tuple[str, ...] = ()
    if isinstance(table, ParquetTable):
        table, notes = table.without_unlabelled(roles["label"])
    if isinstance(table, ParquetTable) and holds_images(table, roles["image"]):
        return replace(_embedded(table, roles, columns, name=name), notes=notes)
    return replace(_listed(table, roles, columns, name=name, folder=_folder(place, root)), notes=notes)


def hint_about_missing(path: Path, file: str, *, root: str | None) -> str:
    """Return a sentence about a file of a table at `path` that does not exist, and may be elsewhere; else empty."""
    folder = _folder(at_home(path), root)
    return "" if (folder / file).exists() else hint(file, folder)


def _folder(table: Path, root: str | None) -> Path:
    """Return the folder that paths start from."""
    folder = at_home(root) if root is not None else table if table.is_dir() else table.parent
    if not is_folder(folder):
        raise DataPathError(f"data.root must be the folder that the paths of {table} start from; {folder} is none.")
    return folder.resolve()


def _listed(table: Table, roles: Roles, columns: Columns, *, name: str, folder: Path) -> DataSource:
    """Find images that are files."""
    cells = _cells(table, roles, columns)
    located = locate_files(_required(cells["image"], roles["image"], table), folder, table=table.path)

    def read() -> tuple[Manifest, ImageSource]:
        manifest = _manifest(table, roles, cells, located.names)
        refuse_missing(located, folder, table=table.path)
        return replace(manifest, notes=(*manifest.notes, *located.notes)), FileSource(folder, located.names)

    state = f"{_state(table)} {folder} {columns} {located.state}"
    return DataSource(name=name, origin=str(table.path), state=state, open=read, cached=True)


def _embedded(table: ParquetTable, roles: Roles, columns: Columns, *, name: str) -> DataSource:
    """Find images that are in the table itself."""

    def read() -> tuple[Manifest, ImageSource]:
        cells = _cells(table, {role: column for role, column in roles.items() if role != "image"}, columns)
        names = image_names(table, roles["image"])
        return _manifest(table, roles, cells, names), ParquetImages(table.files, roles["image"])

    return DataSource(name, origin=str(table.path), state=f"{_state(table)} {columns}", open=read, cached=True)


def _state(table: Table) -> str:
    return file_state(*(table.files if isinstance(table, ParquetTable) else (table.path,)))


def _cells(table: Table, roles: Roles, columns: Columns) -> Cells:
    """Read the columns, and the split from the names of the files where it is in no column.

    Raises:
        DataError: there is no row.

    """
    read = read_columns(table, tuple(set(roles.values())))
    cells = {role: read[column] for role, column in roles.items()}
    if not cells["label"]:
        raise DataError(f"{table.path} must have a row for each image; it has no rows.")
    by_file = _splits_of_files(table) if columns.split == AUTO and "split" not in roles else ()
    return {**cells, "split": by_file} if by_file else cells


def _splits_of_files(table: Table) -> Column:
    """Return the split of each row by the name of its file; empty if some say none.

    train-00000-of-00002.parquet   test/0000.parquet
    """
    if not isinstance(table, ParquetTable):
        return ()
    words = [re.split(r"[^a-z]", file.stem.lower())[0] or file.parent.name.lower() for file in table.files]
    if "train" not in words or len(set(words)) < 2 or not set(words) <= SPLIT_FOLDERS.keys():
        return ()
    return [word for word, length in zip(words, table.lengths(), strict=True) for _ in range(length)]


def _required(column: Column, name: str, table: Table) -> list[str]:
    cells = [cell if cell and without_blanks(cell) else None for cell in column]
    if missing := [number for number, cell in enumerate(cells, start=1) if cell is None]:
        raise DataError(
            f"Every row of {table.path} needs a value in column {name}; {len(missing):,} have none, "
            f"such as row {', '.join(map(str, missing[:_LISTED]))}. {_how_to_complete(name, table)}"
        )
    return [cell for cell in cells if cell is not None]


def _how_to_complete(column: str, table: Table) -> str:
    if isinstance(table, CsvTable) or table.class_names(column) is None:
        return "Fill it in, or remove the row."
    return (
        f'{NO_LABEL} is no label. Keep the other rows: python -c "import pyarrow.parquet as p, pyarrow.compute as c; '
        f"p.write_table(p.read_table('{table.path}').filter(c.field('{column}') >= 0), 'labelled.parquet')\""
    )


def _manifest(table: Table, roles: Roles, cells: Cells, names: tuple[str, ...]) -> Manifest:
    labels = _required(cells["label"], roles["label"], table)
    class_of = {label: class_name(as_text(label)) for label in set(labels)}
    classes = [class_of[label] for label in labels]
    _refuse_out_of_scope(table, roles, names, classes)
    class_names = _class_names(set(classes), table, roles["label"])
    index = {name: number for number, name in enumerate(class_names)}
    return Manifest(
        class_names=class_names,
        labels=np.array([index[name] for name in classes], np.int64),
        files=tuple(map(printable, names)),
        declared_splits=_declared(cells["split"], table)
        if "split" in cells
        else np.full(len(names), UNDECLARED, np.int8),
        groups=_groups(cells["group"]) if "group" in cells else None,
        empty_classes=(),
        notes=(*(() if all(map(is_utf8, class_of)) else (_NO_UTF8,)), *_about_missing_labels(classes)),
    )


_MISSING = {"nan", "na", "n/a", "#n/a", "<na>", "null", "?", "-"}  # what programs write in place of an empty cell


def _about_missing_labels(classes: Sequence[str]) -> Iterator[str]:
    found = [name for name in dict.fromkeys(classes) if name.casefold() in _MISSING]
    if found:
        yield (
            f"{listed(found)}, the label of {plural(sum(map(found.__contains__, classes)), 'image')}, is read as the "
            "name of a class; where it stands for a missing label, remove these rows."
        )


_NO_UTF8 = "The table is not UTF-8; it was read as Windows-1252. If class names look wrong, save it as UTF-8."


def _refuse_out_of_scope(table: Table, roles: Roles, names: tuple[str, ...], classes: Sequence[str]) -> None:
    """Refuse a table whose rows are boxes or masks, or whose images have several labels."""
    if len(set(names)) < len(names):
        found = annotation_columns([name for name in table.names if name not in roles.values()])
        annotations = None if found is None else (found[0], read_columns(table, found[1]))
        refuse_repeated_images(names, classes, annotations=annotations, origin=table.path)
    refuse_joined_labels(classes, column=roles["label"], origin=table.path)


def _class_names(present: set[str], table: Table, column: str) -> tuple[str, ...]:
    """Return the classes in the order of the numbers that the table gives them, or else in natural order."""
    declared = table.class_names(column) if isinstance(table, ParquetTable) else None
    if declared is None:
        return natural_order(present)
    return tuple(name for name in dict.fromkeys(map(class_name, declared)) if name in present)


def _declared(column: Column, table: Table) -> NDArray[np.int8]:
    """Read the split column; an empty cell leaves the split of its image to cnnexp."""
    values = [without_blanks(value or "").casefold() for value in column]
    if unknown := sorted({value for value in values if value and value not in SPLIT_FOLDERS}):
        raise DataError(
            f"The split column of {table.path} may say {', '.join(SPLIT_FOLDERS)}, or nothing; "
            f"got {', '.join(map(printable, unknown[:_LISTED]))}."
        )
    return np.array([SPLIT_NAMES.index(SPLIT_FOLDERS[value]) if value else UNDECLARED for value in values], np.int8)


def _groups(column: Column) -> NDArray[np.int64]:
    """Number the groups; an image without one is a group of its own."""
    named: dict[str, int] = {}
    return np.array([named.setdefault(value, row) if value else row for row, value in enumerate(column)], np.int64)
