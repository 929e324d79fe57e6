"""Parquet tables: one file, or the files of one table; cells as text, whatever type a column has.

Hugging Face ships data sets this way: a split is several files, such as train-00000-of-00002.parquet, labels are
numbers whose names stand in the schema, and images are files inside a column (`embedded_images`). Spark and pandas
write a folder for each value of a column, such as label=cat/part-0.parquet: it is a column, too.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.datasets.sources.tables.partitions import partitions_of
from cnnexp.errors import DataError
from cnnexp.system.text import listed, plural, printable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

ENDINGS = (".parquet", ".pq")
NO_LABEL = -1  # Hugging Face's number for an image without a label
_ROWS = 10_000  # read at a time
_BUFFER = 2**20  # bytes read at a time, instead of a whole column of a group of rows


@dataclass(frozen=True, slots=True)
class ParquetTable:
    """One or several files of the same columns."""

    path: Path  # the file, or the folder of the files
    files: tuple[Path, ...]
    schema: "pa.Schema"  # of the first file
    partitions: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)  # column -> its value in each file

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns."""
        return (*self.schema.names, *self.partitions)

    @property
    def plain_names(self) -> tuple[str, ...]:
        """The names of the columns that cannot hold whole images."""
        import pyarrow as pa

        large = (pa.types.is_struct, pa.types.is_nested, pa.types.is_binary, pa.types.is_large_binary)
        plain = [column.name for column in self.schema if not any(is_kind(column.type) for is_kind in large)]
        return (*plain, *self.partitions)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
        """Yield some cells of each row, as text; None for an empty one, or a label that has no name.

        Raises:
            DataError: a file is damaged or lacks a column, or what a column holds cannot be written as text.

        """
        written = [name for name in dict.fromkeys(names) if name not in self.partitions]
        for number, file in enumerate(self.files):
            with opened(file) as content:
                if lacking := [name for name in written if name not in content.schema_arrow.names]:
                    raise DataError(
                        f"All files of {self.path} must have the same columns; {file.name} has no {listed(lacking)}."
                    )
                for batch in content.iter_batches(_ROWS, columns=written):
                    yield from zip(*(self._cells(batch, name, number) for name in names), strict=True)

    def _cells(self, batch: "pa.RecordBatch", name: str, file: int) -> list[str | None]:
        if name in self.partitions:
            return [self.partitions[name][file]] * batch.num_rows
        cells = _texts(batch.column(batch.schema.get_field_index(name)), name, self.path)
        classes = self.class_names(name)
        return cells if classes is None else [_named(cell, classes, name, self.path) for cell in cells]

    def class_names(self, name: str) -> tuple[str, ...] | None:
        """Return the names that the schema's metadata give to the numbers of a column (`ClassLabel`)."""
        try:
            feature = json.loads((self.schema.metadata or {})[b"huggingface"])["info"]["features"][name]
            return tuple(map(str, feature["names"])) if feature["_type"] == "ClassLabel" else None
        except (KeyError, TypeError, ValueError):
            return None

    def without_unlabelled(self, name: str) -> tuple["ParquetTable", tuple[str, ...]]:
        """Return the table without the files none of whose labels in a column has a name, and a note about them.

        Hugging Face ships test splits so that only their authors can evaluate.
        """
        if self.class_names(name) is None:
            return self, ()
        labelled = [any(cell is not None for (cell,) in self._only([n]).rows([name])) for n in range(len(self.files))]
        if all(labelled) or not any(labelled):
            return self, ()
        left_out = self._only([number for number, known in enumerate(labelled) if not known])
        note = (
            f"Left out: {plural(sum(left_out.lengths()), 'image')} without a label ({NO_LABEL}), all those of "
            f"{listed(printable(file.name) for file in left_out.files)}."
        )
        return self._only([number for number, known in enumerate(labelled) if known]), (note,)

    def _only(self, numbers: Sequence[int]) -> "ParquetTable":
        partitions = {name: tuple(cells[number] for number in numbers) for name, cells in self.partitions.items()}
        return replace(self, files=tuple(self.files[number] for number in numbers), partitions=partitions)

    def lengths(self) -> tuple[int, ...]:
        """Return the number of rows of each file."""
        lengths = []
        for file in self.files:
            with opened(file) as content:
                lengths.append(content.metadata.num_rows)
        return tuple(lengths)


def open_parquet(path: Path) -> ParquetTable:
    """Read the columns of a file, or of a folder of files.

    Raises:
        DataError: it cannot be read.

    """
    files = tuple(sorted(_files_below(path))) if path.is_dir() else (path,)
    if not files:
        raise DataError(
            f"data.path must be a table, or a folder of Parquet files; there is none in {path}. "
            "A folder of images needs data=folder."
        )
    with opened(files[0]) as content:
        schema = content.schema_arrow
    return ParquetTable(path, files, schema, partitions_of(path, files, schema.names) if path.is_dir() else {})


def _files_below(folder: Path) -> Iterator[Path]:
    for file in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if file.suffix.lower() in ENDINGS and file.is_file() and not hidden:
            yield file


@contextmanager
def opened(file: Path) -> Iterator["pq.ParquetFile"]:
    """Open a file.

    Raises:
        DataError: it is damaged.

    """
    import pyarrow as pa  # it takes a tenth of a second; only tables need it
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, buffer_size=_BUFFER) as content:
            yield content
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{file} cannot be read as a Parquet table: {error}.") from error


def _texts(column: "pa.Array", name: str, path: Path) -> list[str | None]:
    """Write every cell as text; a label must not depend on the type that a number is stored in."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    if pa.types.is_struct(kind) and "path" in [field.name for field in kind]:  # Hugging Face's Image without the image
        return [value and value["path"] for value in column.to_pylist()]
    if pa.types.is_decimal(kind):
        return [None if value is None else _plain(value) for value in column.to_pylist()]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):  # several labels in one cell
        return [None if value is None else str(value) for value in column.to_pylist()]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return [None if not value else value.decode("utf-8", "surrogateescape") for value in column.to_pylist()]
    try:
        return [cell or None for cell in column.cast(pa.string()).to_pylist()]
    except pa.ArrowNotImplementedError as error:
        raise DataError(
            f"Column {printable(name)} of {path} must hold text or numbers; it holds {kind}. Name another column."
        ) from error


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _named(cell: str | None, classes: Sequence[str], name: str, path: Path) -> str | None:
    """Return the name of a label; a column whose cells are names already keeps them."""
    if cell is None or not cell.lstrip("-").isdecimal():
        return cell
    number = int(cell)
    if number == NO_LABEL:
        return None
    if not 0 <= number < len(classes):
        raise DataError(
            f"Column {printable(name)} of {path} must hold 0..{len(classes) - 1}, for which its metadata have names; "
            f"it holds {number}."
        )
    return classes[number]
