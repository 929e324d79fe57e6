"""The schema of a store: MLflow upgrades an older one in place, after which the older MLflow cannot open it."""

import re
import shlex
import sqlite3
import sys
from contextlib import closing
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from cnnexp.errors import TrackingError
from cnnexp.system.files import is_file
from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking.store.sqlite import KNOWN_SCHEMAS

_REVISION = re.compile(r"^(revision|down_revision)\s*(?::[^=]*)?=(.*)$", re.MULTILINE)  # as Alembic writes them


def require_current_schema(uri: str) -> None:
    """Make sure that the installed MLflow opens a store as it is; a store that does not exist yet is fine.

    Raises:
        TrackingError: it would change the store, or cannot read it.

    """
    found = _schema(uri)
    if found is None or found == _current():
        return
    installed, shown = f"MLflow {version('mlflow')}", StoreUri(uri).masked
    if found not in _known():
        raise TrackingError(
            f"The installed MLflow must know the schema of a store; that of {shown} ({found}) is newer than "
            f"{installed}. Type: pip install --upgrade mlflow"
        )
    raise TrackingError(
        f"A store is not changed without a word; {shown} was made by {KNOWN_SCHEMAS.get(found, 'an older MLflow')}, "
        f"and {installed} would upgrade it, so that the older one cannot open it again. Copy the file, then type: "
        f"{shlex.quote(sys.executable)} -m mlflow db upgrade {shlex.quote(shown)}. Or record to another store: "
        "tracking.uri=sqlite:///new.db."
    )


def _schema(uri: str) -> str | None:
    """Return the last migration of an SQLite file; None where it has none, or where the store is another's business."""
    database = StoreUri(uri).database
    if database is None or not is_file(database):
        return None
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError:  # no such table, or no such database: MLflow makes the one and refuses the other
        return None
    return None if found is None else str(found[0])


def _current() -> str:
    """Return the migration that no other one follows."""
    migrations = _known()
    (last,) = migrations.keys() - {earlier for before in migrations.values() for earlier in before}
    return last


@cache
def _known() -> dict[str, list[str]]:
    """Return each migration of the installed MLflow with those before it, without importing MLflow."""
    package = find_spec("mlflow")
    assert package is not None
    assert package.origin is not None
    files = (Path(package.origin).parent / "store" / "db_migrations" / "versions").glob("*.py")
    found = [dict(_REVISION.findall(file.read_text(encoding="utf-8"))) for file in files]
    return {_names(one["revision"])[0]: _names(one["down_revision"]) for one in found if "revision" in one}


def _names(value: str) -> list[str]:
    return re.findall(r"\w+", value.replace("None", ""))
