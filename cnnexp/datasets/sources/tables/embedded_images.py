"""Images inside a column of a Parquet table: whole files as bytes, or pixels as nested lists.

struct<bytes: binary, path: string>   Hugging Face's Image
binary, list<uint8>                   the bytes of a file
list<list<uint8>>, list<list<list>>   pixels (H, W), (H, W, C) in 0..255
"""

import bisect
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.tables.parquet_table import ParquetTable, opened
from cnnexp.errors import DataError
from cnnexp.images import ImageInput, UnreadableImageError

if TYPE_CHECKING:
    import pyarrow as pa

Value = bytes | dict[str, Any] | list[Any] | None  # of a cell

_BATCH = 16  # images read at a time, which may be large
_NAMES = 10_000  # names of images read at a time


def holds_images(table: ParquetTable, column: str) -> bool:
    """Return whether a column holds images and not their paths, by its type and first value."""
    import pyarrow as pa

    if "bytes" in _fields(table, column):
        return _first(table, f"{column}.bytes") is not None
    kind = table.schema.field(column).type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):  # some programs write text as binary
        value = _first(table, column)
        return isinstance(value, bytes) and not is_image(value[-100:].decode("utf-8", "ignore"))
    return _is_list_of_numbers(kind)


def image_names(table: ParquetTable, column: str) -> tuple[str, ...]:
    """Return a name for each image: that of its file, where each has one of its own, else index-17."""
    names = list(_values(table, f"{column}.path", _NAMES)) if "path" in _fields(table, column) else []
    if names and None not in names and len(set(names)) == len(names):
        return tuple(names)
    return tuple(f"index-{number}" for number in range(sum(table.lengths())))


def _fields(table: ParquetTable, column: str) -> list[str]:
    """Return the fields of a struct; none for any other column."""
    import pyarrow as pa

    kind = table.schema.field(column).type
    return [field.name for field in kind] if pa.types.is_struct(kind) else []


def _first(table: ParquetTable, column: str) -> Value:
    values = itertools.islice(_values(table, column, _BATCH), 1000)
    return next((value for value in values if value is not None), None)


def _values(table: ParquetTable, column: str, count: int) -> Iterator[Any]:
    """Yield each value of a column, or of the field of a struct after a dot in `column`; read `count` at a time."""
    for file in table.files:
        with opened(file) as content:
            for batch in content.iter_batches(count, columns=[column]):
                for value in batch.column(0).to_pylist():
                    yield next(iter(value.values())) if isinstance(value, dict) else value


@dataclass(frozen=True)
class ParquetImages:
    """The images in a column of Parquet files, of which a few are in memory at a time."""

    files: tuple[Path, ...]
    column: str

    def __len__(self) -> int:
        return self._cursor.rows

    def __getitem__(self, row: int) -> ImageInput:
        return _image(self._cursor.value(row))

    @cached_property
    def _cursor(self) -> "_Cursor":
        return _Cursor(self.files, self.column)

    def __reduce__(self) -> tuple[Any, ...]:
        return ParquetImages, (self.files, self.column)  # open files cannot go to another process


class _Cursor:
    """Reads values in rising order of their rows, a batch at a time; going back begins the group of rows again."""

    def __init__(self, files: Sequence[Path], column: str) -> None:
        self._column = column
        self._groups: list[tuple[Path, int]] = []  # file, and number of the group in it
        self._starts = [0]  # first row of each group, and the number of all rows
        for file in files:
            with opened(file) as content:
                for number in range(content.num_row_groups):
                    self._groups.append((file, number))
                    self._starts.append(self._starts[-1] + content.metadata.row_group(number).num_rows)
        self._batches: Iterator[pa.Array] = iter(())
        self._first, self._until = 0, 0  # the rows from the batch in memory to the end of its group
        self._batch: Sequence[Any] | pa.Array = []

    @property
    def rows(self) -> int:
        """The number of rows of all files."""
        return self._starts[-1]

    def value(self, row: int) -> Value:
        """Return the value of a row.

        Raises:
            UnreadableImageError: the file is damaged there.

        """
        try:
            if not self._first <= row < self._until:
                self._open(row)
            while row >= self._first + len(self._batch):
                self._first += len(self._batch)
                self._batch = next(self._batches)
        except DataError as error:
            self._until = 0  # the next value begins its group again
            raise UnreadableImageError(str(error)) from error
        value: Value = self._batch[row - self._first].as_py()
        return value

    def _open(self, row: int) -> None:
        group = bisect.bisect_right(self._starts, row) - 1
        self._batches = self._read(*self._groups[group])
        self._first, self._until, self._batch = self._starts[group], self._starts[group + 1], []

    def _read(self, file: Path, group: int) -> "Iterator[pa.Array]":
        with opened(file) as content:
            for batch in content.iter_batches(_BATCH, row_groups=[group], columns=[self._column]):
                yield batch.column(0)


def _image(value: Value) -> ImageInput:
    content = value["bytes"] if isinstance(value, dict) else value
    if content is None:
        raise UnreadableImageError("the row holds no image.")
    return _pixels(content) if isinstance(content, list) else bytes(content)


def _pixels(value: list[Any]) -> ImageInput:
    """Return the pixels of nested lists, or the bytes of a file in a list."""
    try:
        pixels = np.array(value)
    except ValueError as error:
        raise UnreadableImageError("its lists of pixels have different lengths.") from error
    if pixels.dtype.kind in "iu" and pixels.size and pixels.min() >= 0 and pixels.max() <= 255:
        pixels = pixels.astype(np.uint8)
    return pixels.tobytes() if pixels.ndim == 1 and pixels.dtype == np.uint8 else pixels


def _is_list_of_numbers(kind: "pa.DataType") -> bool:
    """Return whether a type is a list of whole numbers, or lists of lists of numbers."""
    import pyarrow as pa

    depth = 0
    while pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        kind, depth = kind.value_type, depth + 1
    return depth > 0 and bool(pa.types.is_integer(kind) or (depth > 1 and pa.types.is_floating(kind)))
