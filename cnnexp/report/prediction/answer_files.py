"""Answers about many images as CSV, JSON and Parquet, written as they come."""

import csv
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self

from cnnexp.errors import ConfigError, OutputError
from cnnexp.saved import Prediction
from cnnexp.system.files import is_file, is_there
from cnnexp.system.streams import print_bytes
from cnnexp.system.text import printable, spreadsheet_cell

SEPARATOR = "|"  # between the classes of a prediction set in CSV
FIELDS = (
    "file",
    "label",
    "probability",
    "next_best",
    "next_probability",
    "prediction_set",
    "p_value",
    "unlike",
    "error",
)
STDOUT = Path("-")
_DEVICES = Path("/dev")
_ROWS = 10_000  # of Parquet written at once


class Writer(Protocol):
    """Takes one prediction after the other; complete when its block is left."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def write(self, prediction: Prediction) -> None:
        """Add one line."""


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a path to write to that becomes `path` when the block ends well; an earlier file stays until then.

    The path ``-`` is standard output.

    What was written when the block is interrupted stays beside it, as NAME.part.

    Raises:
        ConfigError: `path` cannot be written, or the command line turned out to be wrong; nothing is left then.
        OutputError: it cannot be written any more, as on a full disk.

    """
    if path == STDOUT:
        with TemporaryDirectory() as folder:
            yield (file := Path(folder) / "answers")
            print_bytes(file.read_bytes())
        return
    if path.parent == _DEVICES or (is_there(path) and not is_file(path)):  # such as /dev/stdout
        with _explained(path):
            yield path
        return
    part = path.with_name(f"{path.name}.part")
    try:
        part.open("w").close()
    except OSError as error:
        raise ConfigError(f"Answers go into a file that can be written; {path}: {error.strerror}.") from error
    try:
        with _explained(path):
            yield part
            part.replace(path)
    except ConfigError:
        part.unlink(missing_ok=True)
        raise


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader of the program's output has left, which is another matter
        raise
    except OSError as error:
        raise OutputError(
            f"Answers go into a file that can be written; {path}: {error.strerror}. Make room, or name another place."
        ) from error


def answer_values(prediction: Prediction) -> dict[str, Any]:
    """Return the `FIELDS` of an image; those of its answer are None where there is none."""
    answer = prediction.answer
    values: dict[str, Any] = dict.fromkeys(FIELDS)
    values |= {"file": prediction.name, "error": prediction.error}
    if answer is not None:
        values |= {name: getattr(answer, name) for name in FIELDS[1:-1]}
    return values


class CsvWriter:
    """One line an image; a name that is no UTF-8 keeps its bytes, and no cell is a formula (`spreadsheet_cell`)."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        self._rows = csv.DictWriter(self._file, FIELDS)

    def __enter__(self) -> Self:
        self._rows.writeheader()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, prediction: Prediction) -> None:
        """Add one line."""
        values = answer_values(prediction)
        if prediction.answer is not None:
            values["prediction_set"] = SEPARATOR.join(prediction.answer.prediction_set)
        self._rows.writerow({name: spreadsheet_cell(value) for name, value in values.items()})


class JsonWriter:
    """A list with one object an image and line."""

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._names = class_names
        self._before = "[\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.write("[]\n" if self._before == "[\n" else "\n]\n")

    def write(self, prediction: Prediction) -> None:
        """Add one object."""
        answer = prediction.answer
        probabilities = None if answer is None else dict(zip(self._names, answer.probabilities, strict=True))
        self._file.write(self._before + json.dumps(answer_values(prediction) | {"probabilities": probabilities}))
        self._before = ",\n"


class ParquetWriter:
    """A row an image: the fields of the CSV, then ``p/<class>`` for each class."""

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        kinds: dict[str, Any] = dict.fromkeys(FIELDS, pa.string())
        kinds |= {name: pa.float64() for name in ("probability", "next_probability", "p_value")}
        kinds |= {"unlike": pa.bool_(), "prediction_set": pa.list_(pa.string())}
        kinds |= {f"p/{name}": pa.float32() for name in class_names}
        self._schema = pa.schema(kinds)
        self._columns = [f"p/{name}" for name in class_names]
        self._rows: list[dict[str, Any]] = []
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._flush()

    def write(self, prediction: Prediction) -> None:
        """Add one row."""
        answer = prediction.answer
        values = answer_values(prediction) | {"file": printable(prediction.name)}  # text in Parquet is UTF-8
        if answer is not None:
            values |= dict(zip(self._columns, answer.probabilities, strict=True))
        self._rows.append(values)
        if len(self._rows) >= _ROWS:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []
