"""Which tracking URIs name a store, and how one is shown."""

import re

from cnnexp.errors import ConfigError

# What MLflow records to: a database, perhaps with a driver as in mysql+pymysql://, a server, or Databricks.
_STORE = re.compile(
    r"sqlite(\+\w+)?:///.+|(postgresql|mysql|mssql)(\+\w+)?://.+|https?://.+|databricks(-uc)?(://.+)?", re.DOTALL
)


def require_store(uri: str) -> None:
    """Refuse a URI that names no store.

    Raises:
        ConfigError: it is a folder, which MLflow no longer writes to, or nothing MLflow knows.

    """
    if not _STORE.fullmatch(uri):
        raise ConfigError(
            "tracking.uri must name a database or a server, because MLflow has given up its folder store; "
            f"got {masked(uri)!r}. Use sqlite:///mlflow.db or http://host:port."
        )


def masked(text: str) -> str:
    """Return the text without the passwords of URIs in it."""
    return re.sub(r"(://[^/\s:@]*:)[^/\s@]+@", r"\1***@", text)
