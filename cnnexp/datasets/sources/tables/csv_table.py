"""CSV tables as spreadsheets and other programs write them: encoding and separator are recognized.

encoding   by its byte order mark, or UTF-16 by its zero bytes, else UTF-8; a cell that is no UTF-8 keeps its bytes
           (``surrogateescape``), and `as_text` reads them as Windows-1252
separator  comma, semicolon, tab or |: the one that divides the first lines into the most columns; ``sep=;`` is obeyed
"""

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cnnexp.datasets.sources.source import without_blanks
from cnnexp.errors import DataError
from cnnexp.system.text import plural

if TYPE_CHECKING:
    from _csv import Reader

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_NO_SEPARATOR = "\x1f"  # of a table of one column, whose cells may hold commas
COMPRESSED = (".gz", ".bz2", ".lz4", ".zst", ".br")
_BOMS = (  # the mark of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HEAD = 2**16  # characters in which the separator is found
_LINES = 50  # of them, at most
_AGREE = 0.9  # share of the first lines that have as many cells as there are names


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A table whose first line names its columns."""

    path: Path
    names: tuple[str, ...]
    encoding: str
    separator: str
    skips_blanks: bool  # between a separator and a quotation mark
    skipped: int  # lines before the names

    def rows(self, names: Sequence[str]) -> Iterator[tuple[str | None, ...]]:
        """Yield some cells of each row, as text; None for an empty one.

        Lines without a cell are no rows, and neither are the rows of empty cells that some spreadsheets end with.

        Raises:
            DataError: the table is damaged, or a row has more cells than there are columns.

        """
        places = [self.names.index(name) for name in names]
        empty = 0
        with _opened(self.path, self.encoding) as file:
            rows = _reader(file, self.separator, self.skips_blanks)
            for row in itertools.islice(rows, self.skipped + 1, None):
                cells = row if len(row) == len(self.names) else self._fitted(row, line=rows.line_num)
                if any(cells):
                    yield from itertools.repeat((None,) * len(places), empty)
                    yield tuple(cells[place] or None for place in places)
                    empty = 0
                else:
                    empty += bool(row)

    def _fitted(self, row: list[str], *, line: int) -> list[str]:
        """Return a row with as many cells as there are columns."""
        width = len(self.names)
        if any(map(str.strip, row[width:])):
            raise DataError(
                f"Every row of {self.path} must have {plural(width, 'cell')}, separated by {self.separator_name}, as "
                f"its first line has; line {line:,} has {len(row):,}. A cell that holds the separator needs quotation "
                f'marks: "a{self.separator} b".'
            )
        return row[:width] + [""] * (width - len(row))

    @property
    def separator_name(self) -> str:
        """The separator, in words."""
        return _SEPARATORS.get(self.separator, "nothing")


def open_csv(path: Path) -> CsvTable:
    """Recognize how a table is written, and read the names of its columns.

    Raises:
        DataError: it cannot be read.

    """
    with _refusing(path), _binary(path) as file:
        beginning = file.read(256)
    encoding = _encoding(beginning)
    with _opened(path, encoding) as text:
        head = text.read(_HEAD)
    if len(head) == _HEAD:
        head = head[: head.rfind("\n") + 1] or head
    separator = _separator(head)
    skips_blanks = f'{separator} "' in head
    lines = _lines(head, separator, skips_blanks)
    skipped = next((number for number, row in enumerate(lines) if any(row) and not _is_hint(row)), len(lines))
    names = tuple(without_blanks(as_text(name)) for name in lines[skipped]) if skipped < len(lines) else ()
    return CsvTable(path, names, encoding, separator, skips_blanks, skipped)


def as_text(cell: str) -> str:
    """Return a cell whose bytes are no UTF-8 as Windows-1252 reads them, or Latin-1, which has a letter for each."""
    if is_utf8(cell):
        return cell
    content = cell.encode("utf-8", "surrogateescape")
    try:
        return content.decode("cp1252")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def is_utf8(cell: str) -> bool:
    """Return whether a cell is text, and not bytes that are no UTF-8."""
    return cell.isascii() or not any("\udc80" <= letter <= "\udcff" for letter in cell)


@contextmanager
def _binary(path: Path) -> Iterator[BinaryIO]:
    if path.suffix.lower() in COMPRESSED:
        import pyarrow as pa

        with pa.input_stream(path, compression="detect") as stream:
            yield stream
    else:
        with path.open("rb") as file:
            yield file


@contextmanager
def _opened(path: Path, encoding: str) -> Iterator[io.TextIOWrapper]:
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    with _refusing(path), _binary(path) as file, io.TextIOWrapper(file, encoding, errors, newline="") as text:
        yield text


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except (csv.Error, ValueError, OSError) as error:  # Arrow's and Unicode's errors are values
        raise DataError(f"{path} cannot be read as a CSV table: {error}.") from error


def _encoding(beginning: bytes) -> str:
    for mark, name in _BOMS:
        if beginning.startswith(mark):
            return name
    if beginning.count(0) > len(beginning) // 3:
        return "utf-16-le" if beginning[1::2].count(0) > beginning[::2].count(0) else "utf-16-be"
    return "utf-8"


def _separator(head: str) -> str:
    hinted = next((mark for mark in _SEPARATORS if head.startswith(f"sep={mark}")), None)
    shapes = {mark: _shape(head, mark) for mark in _SEPARATORS}
    best = max(_SEPARATORS, key=shapes.__getitem__)
    return hinted or (best if shapes[best][1] > 1 else _NO_SEPARATOR)


def _shape(head: str, separator: str) -> tuple[bool, int]:
    """Return whether most lines have as many cells as the first, if those are several, and the cells of the first."""
    widths = [len(row) for row in _lines(head, separator, f'{separator} "' in head) if any(row)] or [0]
    return widths[0] > 1 and Counter(widths)[widths[0]] >= _AGREE * len(widths), widths[0]


def _lines(head: str, separator: str, skips_blanks: bool) -> list[list[str]]:
    """Divide the first lines; a damaged one ends them, which is reported when it is read as a row."""
    lines: list[list[str]] = []
    rows = _reader(io.StringIO(head, newline=""), separator, skips_blanks)
    try:
        for row in itertools.islice(rows, _LINES):
            lines.append(row)
    except csv.Error:
        pass
    return lines


def _is_hint(row: Sequence[str]) -> bool:
    return row[0].startswith("sep=") and not any(row[1:])


def _reader(lines: Iterable[str], separator: str, skips_blanks: bool) -> "Reader":
    return csv.reader(lines, delimiter=separator, skipinitialspace=skips_blanks, strict=True)
