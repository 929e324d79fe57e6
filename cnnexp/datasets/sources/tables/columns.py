"""The columns of a table that hold the image, label, split and group of each row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnexp.datasets.sources.tables.annotation_columns import explain_missing_label
from cnnexp.datasets.sources.tables.csv_table import CsvTable
from cnnexp.datasets.sources.tables.parquet_table import ParquetTable
from cnnexp.datasets.sources.tables.reader import about_columns, find_column, read_columns
from cnnexp.errors import ConfigError
from cnnexp.system.text import listed, printable

AUTO, NONE = "auto", "none"  # settings of an optional column
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


def columns_by_role(table: CsvTable | ParquetTable, columns: Columns) -> dict[str, str]:
    """Map image, label, split and group to the columns that hold them; split and group may be missing.

    Raises:
        ConfigError: a column that is set by name does not exist.
        DataError: there is no label column, because the rows are boxes or masks.

    """
    wanted = {"image": columns.image, "label": columns.label}
    for role, setting in (("split", columns.split), ("group", columns.group)):
        if setting not in (AUTO, NONE):
            wanted[role] = setting
        elif setting == AUTO and find_column(role, table.names):
            wanted[role] = role
    found = {role: find_column(name, table.names) for role, name in wanted.items()}
    if missing := [role for role, column in found.items() if column is None]:
        raise _missing(table, {role: wanted[role] for role in missing}, image=columns.image)
    return {role: column for role, column in found.items() if column is not None}


def _missing(table: CsvTable | ParquetTable, wanted: Mapping[str, str], *, image: str) -> ConfigError:
    about = ""
    if "label" in wanted and table.names:
        rows = read_columns(table, _plain_columns(table), most=_FIRST)
        about = explain_missing_label(rows, image=image, origin=table.path)
    about = about or about_columns(table.names, {f"data.{role}=": name for role, name in wanted.items()})
    missing = [f"{printable(name)} (data.{role})" for role, name in wanted.items()]
    return ConfigError(
        f"{table.path} must have the columns that the settings name; "
        f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there. "
        f"It has {listed(map(printable, table.names), most=20) or 'no columns, because it is empty'}.{about}"
    )


def _plain_columns(table: CsvTable | ParquetTable) -> Sequence[str]:
    """Return the columns that cannot hold whole images, each once."""
    names = table.plain_names if isinstance(table, ParquetTable) else table.names
    return [name for name in dict.fromkeys(names) if table.names.count(name) == 1]
