"""The address of an MLflow store (`tracking.uri`): which text is one, what it names, and how it is shown."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote

from cnnexp.errors import ConfigError
from cnnexp.system.files import at_home
from cnnexp.system.secrets import MASK, masked

__all__ = ["Credentials", "StoreUri", "masked"]

# What MLflow records to: a database, perhaps with a driver as in mysql+pymysql://, a server, or Databricks.
_STORE = re.compile(
    r"sqlite(\+\w+)?:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|https?://.+|databricks(-uc)?(://.+)?", re.DOTALL
)
_SQLITE = "sqlite:///"  # with a driver's name in it, the address is left to MLflow
_OPTIONS = re.compile(r"(?P<path>.*?)(?P<options>\?[\w.-]+=[^?/]*)?", re.DOTALL)  # as in mlflow.db?timeout=5
_AMBIGUOUS = ("?", "%")  # letters of a path that SQLAlchemy takes for something else, so that they must be quoted
_AS_URI = "uri=true"  # the option by which a path is an SQLite URI, file:..., quoted
_USER = re.compile(r"(?P<scheme>https?://)(?P<user>[^:/?#]*(?::(?!\d{1,5}(?:[/?#]|$))[^?#]*|:?))@", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a server's address says about who asks."""

    user: str  # of a token: empty
    password: str  # or the token


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
        uri = cls(text)
        if not _STORE.fullmatch(text):
            raise ConfigError(
                "tracking.uri must name a database or a server, because MLflow has given up its folder store; "
                f"got {uri.masked!r}. Use sqlite:///mlflow.db or http://host:port."
            )
        return uri

    @classmethod
    def of_database(cls, path: Path, options: str = "") -> Self:
        """Return the address of an SQLite file; quoted, as SQLite's own URIs are, where its path needs that."""
        if not any(letter in str(path) for letter in _AMBIGUOUS):
            return cls(f"{_SQLITE}{path}{options}")
        return cls(f"{_SQLITE}file:{_quoted(path)}{_joined(options, _AS_URI)}")

    @property
    def database(self) -> Path | None:
        """The SQLite file; None for any other store."""
        if not self.text.startswith(_SQLITE):
            return None
        path, options = self._path_and_options
        if _is_quoted(path, options):
            return Path(os.fsdecode(unquote(path.removeprefix("file:"), errors="surrogateescape")))
        return _as_typed(path)

    @property
    def options(self) -> str:
        """What follows the path of an SQLite file, with its question mark; empty for any other store."""
        if not self.text.startswith(_SQLITE):
            return ""
        path, options = self._path_and_options
        return _without(options, _AS_URI) if _is_quoted(path, options) else options

    @property
    def _path_and_options(self) -> tuple[str, str]:
        found = _OPTIONS.fullmatch(self.text.removeprefix(_SQLITE))
        assert found is not None
        return found["path"], found["options"] or ""

    @property
    def is_server(self) -> bool:
        """Whether an MLflow server answers at the address."""
        return self.text.startswith(("http://", "https://"))

    @property
    def credentials(self) -> Credentials | None:
        """User and password, or the token, in the address of a server; None where it has none."""
        found = _USER.match(self.text)
        if found is None:
            return None
        user, _, password = (unquote(part) for part in found["user"].partition(":"))
        return Credentials(user, password) if password else Credentials("", user)

    @property
    def without_credentials(self) -> str:
        """The address of a server as it is connected to; any other address as it is."""
        return _USER.sub(lambda found: found["scheme"], self.text, count=1)

    def absolute(self) -> Self:
        """Return an address that means the same store from any folder."""
        database = self.database
        return self if database is None else self.of_database(database.absolute(), self.options)

    def for_sqlalchemy(self, *, unquotes: bool) -> str:
        """Return the address as SQLAlchemy opens it; `unquotes` tells whether it unquotes paths, as from 2.1 on.

        With the driver's name in it: MLflow makes the folders of an address without, before anything is unquoted.
        """
        database = self.database
        if database is None or not any(letter in str(database) for letter in _AMBIGUOUS):
            return self.text
        path = f"file:{_quoted(database)}"
        return f"sqlite+pysqlite:///{quote(path) if unquotes else path}{_joined(self.options, _AS_URI)}"

    def __str__(self) -> str:
        return self.text

    @property
    def masked(self) -> str:
        """The address without its password, to be shown; whatever letters the password has."""
        if (credentials := self.credentials) is not None:
            scheme, _, rest = self.without_credentials.partition("://")
            user = f"{credentials.user}:" if credentials.user else ""
            return masked(f"{scheme}://{user}{MASK}@{rest}")
        return masked(re.sub(r"(?<=://)([^:/]*:).*@", rf"\1{MASK}@", self.text, flags=re.DOTALL))


def _quoted(path: Path) -> str:
    return quote(os.fsencode(path))


def _is_quoted(path: str, options: str) -> bool:
    return path.startswith("file:") and _AS_URI in options.removeprefix("?").split("&")


def _as_typed(path: str) -> Path:
    """Return the path as it stands, or unquoted, as SQLAlchemy reads it, where only that folder is there."""
    plain, unquoted = at_home(path), at_home(unquote(path))
    return unquoted if unquoted.parent.is_dir() and not plain.parent.is_dir() else plain


def _joined(options: str, option: str) -> str:
    return f"{options}&{option}" if options else f"?{option}"


def _without(options: str, option: str) -> str:
    left = [one for one in options.removeprefix("?").split("&") if one != option]
    return f"?{'&'.join(left)}" if left else ""
