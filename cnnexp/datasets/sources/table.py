"""Images listed in a CSV or Parquet table: a path and a label per row, optionally a split and a group."""

import functools
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np

from cnnexp.datasets.sources.annotation_columns import (
    Column,
    annotation_columns,
    explain_missing_label,
    refuse_joined_labels,
    refuse_repeated_images,
)
from cnnexp.datasets.sources.image_folder import file_state
from cnnexp.datasets.sources.layout import SPLIT_FOLDERS
from cnnexp.datasets.sources.source import (
    UNDECLARED,
    DataSource,
    FileSource,
    ImageSource,
    Manifest,
    class_name,
    natural_order,
)
from cnnexp.errors import ConfigError, DataError, DataPathError
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.files import at_home
from cnnexp.system.text import printable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.csv

AUTO, NONE = "auto", "none"  # settings of an optional column
_PARQUET = (".parquet", ".pq")
_LISTED = 5  # lines named in a message
_FIRST = 10_000  # rows that are looked at where the label column is missing


@dataclass(frozen=True, slots=True)
class Columns:
    """The names of the columns that are read; split and group may be ``auto`` or ``none``.

    Its representation is part of the cache key: a renamed class or field makes every table decode again.
    """

    image: str
    label: str
    split: str
    group: str


def table_source(path: Path, *, name: str, root: str | None, columns: Columns) -> DataSource:
    """Find a data set by its table.

    Raises:
        DataPathError: there is no such table, or no such folder `root`.
        DataError: the table is damaged, or a row lacks its path or label or leaves the folder.
        ConfigError: a column that is set by name does not exist.

    """
    table = at_home(path)
    if not table.is_file():
        raise DataPathError(f"data.path must be a CSV or Parquet table; there is no file {table}.")
    folder = (at_home(root) if root is not None else table.parent).resolve()
    if not folder.is_dir():
        raise DataPathError(f"data.root must be the folder that the paths of the table start from; {folder} is none.")
    present = _names(table)
    wanted = _wanted(columns, present, table)
    texts = _read(table, tuple(wanted.values()))
    found = {role: texts[column] for role, column in wanted.items()}
    names = _inside(_required(found["image"], columns.image, table), folder, table)

    def read() -> tuple[Manifest, ImageSource]:
        _refuse_out_of_scope(found, names, columns, table, others=[name for name in present if name not in texts])
        return _manifest(found, names, columns, table), FileSource(folder, names)

    state = f"{file_state(table)} {folder} {columns} {_state(folder, names, table)}"
    return DataSource(name=name, origin=str(table), state=state, open=read, cached=True)


@contextmanager
def _readable(table: Path) -> Iterator[None]:
    import pyarrow as pa  # it takes a tenth of a second; only tables need it

    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table} cannot be read as a CSV or Parquet table: {error}.") from error


def _names(table: Path) -> list[str]:
    """Read the names of all columns."""
    import pyarrow.csv
    import pyarrow.parquet

    with _readable(table):
        is_parquet = table.suffix.lower() in _PARQUET
        schema = pyarrow.parquet.read_schema(table) if is_parquet else pyarrow.csv.open_csv(table).schema
        return list(schema.names)


def _read(table: Path, names: Sequence[str]) -> dict[str, Column]:
    """Read some columns, as text."""
    import pyarrow.csv
    import pyarrow.parquet

    with _readable(table):
        if table.suffix.lower() in _PARQUET:
            content = pyarrow.parquet.read_table(table, columns=list(set(names)))
        else:
            content = pyarrow.csv.read_csv(table, convert_options=_as_text(names))
        return {name: _text(content[name]) for name in names}


def _first_rows(table: Path, names: Sequence[str]) -> dict[str, Column]:
    """Read the first rows of the columns, as text, except those that may hold whole images."""
    import pyarrow.csv
    import pyarrow.parquet

    with _readable(table):
        if table.suffix.lower() in _PARQUET:
            file = pyarrow.parquet.ParquetFile(table)
            names = [field.name for field in file.schema_arrow if not _is_large(field.type)]
            rows = next(file.iter_batches(batch_size=_FIRST, columns=names), None)
        else:
            rows = next(iter(pyarrow.csv.open_csv(table, convert_options=_as_text(names))), None)
        return {name: _text(rows[name]) if rows is not None else [] for name in names}


def _as_text(names: Sequence[str]) -> "pyarrow.csv.ConvertOptions":
    """Return options that leave every cell as it is, so that a class called 007 or NA stays that."""
    import pyarrow as pa
    import pyarrow.csv

    kinds = dict.fromkeys(names, pa.string())
    return pyarrow.csv.ConvertOptions(
        column_types=kinds, include_columns=list(kinds), strings_can_be_null=True, null_values=[""]
    )


def _is_large(kind: "pa.DataType") -> bool:
    import pyarrow as pa

    return bool(pa.types.is_struct(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _text(column: "pa.Array | pa.ChunkedArray") -> Column:
    import pyarrow as pa

    if pa.types.is_list(column.type):  # several labels in one cell of a Parquet table
        return [None if value is None else str(value) for value in column.to_pylist()]
    return cast(Column, column.cast(pa.string()).to_pylist())


def _wanted(columns: Columns, present: Sequence[str], table: Path) -> dict[str, str]:
    """Map image, label, split and group to the columns that hold them; split and group may be missing."""
    wanted = {"image": columns.image, "label": columns.label}
    for role, setting in (("split", columns.split), ("group", columns.group)):
        if setting not in (AUTO, NONE):
            wanted[role] = setting
        elif setting == AUTO and role in present:
            wanted[role] = role
    if missing := [f"{column} (data.{role})" for role, column in wanted.items() if column not in present]:
        about = ""
        if columns.label not in present:
            about = explain_missing_label(_first_rows(table, present), image=columns.image, origin=table)
        raise ConfigError(
            f"{table} must have the columns that the settings name; {', '.join(missing)} is not there. "
            f"It has {', '.join(map(printable, present))}.{about}"
        )
    return wanted


def _required(column: Column, name: str, table: Path) -> list[str]:
    if missing := [number for number, value in enumerate(column, start=1) if not value]:
        raise DataError(
            f"Every row of {table} needs a value in column {name}; {len(missing):,} have none, "
            f"such as row {', '.join(map(str, missing[:_LISTED]))}."
        )
    return [value for value in column if value]


def _inside(paths: list[str], folder: Path, table: Path) -> tuple[str, ...]:
    """Make every path relative to the folder, and refuse those that leave it."""
    root = f"{folder}{os.sep}" if folder != Path(folder.anchor) else folder.anchor
    full = [os.path.normpath(os.path.join(root, path)) for path in paths]  # noqa: PTH118  a million rows
    if outside := [number for number, path in enumerate(full) if not path.startswith(root)]:
        raise DataError(
            f"Every path of {table} must stay inside {folder}; {len(outside):,} lead out, such as "
            f"{printable(paths[outside[0]])}. If that is meant, name the folder that holds them all: data.root=FOLDER."
        )
    return tuple(path[len(root) :] for path in full)


def _state(folder: Path, names: tuple[str, ...], table: Path) -> str:
    """Hash size, time and mode of every file; a missing file is reported when it is read.

    Raises:
        DataError: a path leaves the folder through a link, or is a pipe, socket or device, which might never end.

    """
    facts = hashlib.sha256()
    elsewhere, no_files = [], []
    inside = functools.cache(functools.partial(_is_inside, folder))
    for name in names:
        path = f"{folder}/{name}"
        try:
            own = os.lstat(path)
            if not inside(path if stat.S_ISLNK(own.st_mode) else os.path.dirname(path)):  # noqa: PTH120
                elsewhere.append(name)
            found = os.stat(path)  # noqa: PTH116  a million rows
        except (OSError, ValueError):
            facts.update(b"missing\0")
            continue
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            no_files.append(name)
        facts.update(b"%d %d %d\0" % (found.st_size, found.st_mtime_ns, found.st_mode))
    for wrong, rule in ((elsewhere, f"lead to a file inside {folder}"), (no_files, "name a file")):
        if wrong:
            raise DataError(f"Every path of {table} must {rule}; {len(wrong):,} do not, such as {printable(wrong[0])}.")
    return facts.hexdigest()


def _is_inside(folder: Path, path: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(folder)


def _refuse_out_of_scope(
    found: dict[str, Column], names: tuple[str, ...], columns: Columns, table: Path, *, others: Sequence[str]
) -> None:
    """Refuse a table whose rows are boxes or masks, or whose images have several labels."""
    labels = _required(found["label"], columns.label, table)
    if len(set(names)) < len(names):
        task_and_names = annotation_columns(others)
        annotations = None if task_and_names is None else (task_and_names[0], _read(table, task_and_names[1]))
        refuse_repeated_images(names, labels, annotations=annotations, origin=table)
    refuse_joined_labels(labels, column=columns.label, origin=table)


def _manifest(found: dict[str, Column], names: tuple[str, ...], columns: Columns, table: Path) -> Manifest:
    classes = [class_name(label) for label in _required(found["label"], columns.label, table)]
    class_names = natural_order(classes)
    index = {name: number for number, name in enumerate(class_names)}
    return Manifest(
        class_names=class_names,
        labels=np.array([index[name] for name in classes], np.int64),
        files=tuple(map(printable, names)),
        declared_splits=_declared(found["split"], table)
        if "split" in found
        else np.full(len(names), UNDECLARED, np.int8),
        groups=_groups(found["group"]) if "group" in found else None,
        empty_classes=(),
        notes=(),
    )


def _declared(column: Column, table: Path) -> np.ndarray:
    """Read the split column; an empty cell leaves the split of its image to cnnexp."""
    values = [(value or "").strip().casefold() for value in column]
    if unknown := sorted({value for value in values if value and value not in SPLIT_FOLDERS}):
        raise DataError(
            f"The split column of {table} may say {', '.join(SPLIT_FOLDERS)}, or nothing; "
            f"got {', '.join(map(printable, unknown[:_LISTED]))}."
        )
    return np.array([SPLIT_NAMES.index(SPLIT_FOLDERS[value]) if value else UNDECLARED for value in values], np.int8)


def _groups(column: Column) -> np.ndarray:
    """Number the groups; an image without one is a group of its own."""
    named: dict[str, int] = {}
    return np.array([named.setdefault(value, row) if value else row for row, value in enumerate(column)], np.int64)
