"""The address of an MLflow store (`tracking.uri`): which text is one, what it names, and how it is shown."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cnnexp.errors import ConfigError
from cnnexp.system.files import at_home

# What MLflow records to: a database, perhaps with a driver as in mysql+pymysql://, a server, or Databricks.
_STORE = re.compile(
    r"sqlite(\+\w+)?:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|https?://.+|databricks(-uc)?(://.+)?", re.DOTALL
)
_SQLITE = "sqlite:///"  # with a driver's name in it, the address is left to MLflow


@dataclass(frozen=True, slots=True)
class StoreUri:
    """A tracking URI. The constructor takes any text; :meth:`parse` refuses what names no store."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the address in `text`.

        Raises:
            ConfigError: it is a folder, which MLflow no longer writes to, or nothing MLflow knows.

        """
        if not _STORE.fullmatch(text):
            raise ConfigError(
                "tracking.uri must name a database or a server, because MLflow has given up its folder store; "
                f"got {masked(text)!r}. Use sqlite:///mlflow.db or http://host:port."
            )
        return cls(text)

    @classmethod
    def of_database(cls, path: Path) -> Self:
        """Return the address of an SQLite file."""
        return cls(f"{_SQLITE}{path}")

    @property
    def database(self) -> Path | None:
        """The SQLite file; None for any other store."""
        return at_home(self._path_and_options[0]) if self.text.startswith(_SQLITE) else None

    @property
    def options(self) -> str:
        """What follows the path of an SQLite file, with its question mark; empty for any other store."""
        return self._path_and_options[1] if self.text.startswith(_SQLITE) else ""

    @property
    def _path_and_options(self) -> tuple[str, str]:
        path, question_mark, options = self.text.removeprefix(_SQLITE).partition("?")
        return path, question_mark + options

    @property
    def is_server(self) -> bool:
        """Whether an MLflow server answers at the address."""
        return self.text.startswith(("http://", "https://"))

    def absolute(self) -> Self:
        """Return an address that means the same store from any folder."""
        database = self.database
        if database is None:
            return self
        return type(self)(f"{_SQLITE}{database.absolute()}{self.options}")

    def __str__(self) -> str:
        return self.text

    @property
    def masked(self) -> str:
        """The address without its password, to be shown."""
        return masked(self.text)


def masked(text: str) -> str:
    """Return any text without the passwords of the URIs in it."""
    return re.sub(r"(://[^/\s:@]*:)[^/\s@]+@", r"\1***@", text)
