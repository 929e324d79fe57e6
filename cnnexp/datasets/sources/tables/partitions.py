"""Columns that the folders of a table name, as Spark, Hive and pandas write them: label=cat/part-0.parquet."""

import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

_NAME_AND_VALUE = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_NULL = "__HIVE_DEFAULT_PARTITION__"  # how an empty value is written


def partitions_of(folder: Path, files: Sequence[Path], written: Sequence[str]) -> dict[str, tuple[str | None, ...]]:
    """Return the columns that the folders of all files name, with the value of each file.

    Args:
        folder: that of the table
        files: those of the table, below the folder
        written: columns that the files hold, which count

    """
    said = [_named(file.relative_to(folder).parts[:-1]) for file in files]
    names = [name for name in said[0] if name not in written and all(name in own for own in said)]
    return {name: tuple(own[name] for own in said) for name in names}


def _named(folders: Sequence[str]) -> dict[str, str | None]:
    found = [match for folder in folders if (match := _NAME_AND_VALUE.fullmatch(folder))]
    return {unquote(match[1]): None if match[2] == _NULL else unquote(match[2]) for match in found}
