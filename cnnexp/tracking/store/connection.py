"""The MLflow store: found, reached, prepared."""

import atexit
import http.client
import itertools
import logging
import os
import sqlite3
import ssl
import tempfile
import urllib.error
import urllib.request
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnexp.errors import ConfigError, TrackingError
from cnnexp.system.files import at_home, is_there, replacing
from cnnexp.system.locks import LocksUnsupportedError, locked_folder, require_locks
from cnnexp.system.quiet import heavy_imports
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import printable
from cnnexp.tracking.store.calls import mlflow_uri
from cnnexp.tracking.store.schema import require_current_schema

if TYPE_CHECKING:
    from mlflow import MlflowClient

_REACH_SECONDS = 6.0  # a server that does not answer for so long is taken as unreachable
_CREATE_SECONDS = 120.0  # another process may be creating the same store; that takes it seconds

# Seconds; each creation of a store has its own, because MLflow keeps connections by their whole address, and the one to
# a file that could not be completed is of no use to the next attempt.
_TIMEOUTS = itertools.count(20)

# MLflow would try for minutes. Whoever set one of these knows better.
_MLFLOW_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "8",  # seconds of silence
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # its link opens another view than ours
    "MLFLOW_DISABLE_TELEMETRY": "true",  # recording a run should tell nobody but the store
}


def absolute_uri(uri: str) -> str:
    """Return the URI so that it means the same store from any folder.

    Raises:
        ConfigError: It names no store, or one that MLflow cannot open.

    """
    store = StoreUri.parse(uri).absolute()
    if store.database is not None:
        _require_utf8(store.database, setting="tracking.uri", instead="tracking.uri=sqlite:////tmp/mlflow.db")
    return str(store)


def absolute_location(artifacts: str | None) -> str | None:
    """Return where a new experiment keeps its files, as a URI that means the same from any folder."""
    if artifacts is None or "://" in artifacts:
        return artifacts
    folder = at_home(artifacts).absolute()
    _require_utf8(folder, setting="tracking.artifacts", instead="tracking.artifacts=/tmp/mlartifacts")
    return folder.as_uri()


def _require_utf8(path: Path, *, setting: str, instead: str) -> None:
    """Refuse a path that MLflow would read as another."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{setting} must be a path in UTF-8, because MLflow reads no other; {printable(str(path))} is not. "
            f"Choose another, such as {instead}."
        ) from None


def reach(uri: str) -> None:
    """Make sure within ten seconds, and without MLflow, that there is something at the URI to record to.

    Raises:
        TrackingError: No server answers, the database cannot be written to, or an older MLflow made it.

    """
    store = StoreUri(uri)
    if store.is_server:
        _reach_server(uri)
    elif store.database is not None:
        _reach_folder(store.database.parent)
        _reach_database(store.database)
        require_current_schema(uri)


def _reach_server(uri: str) -> None:
    address = StoreUri(uri).without_credentials.rstrip("/")
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=_REACH_SECONDS) as answer:
            is_page = answer.read(1) == b"<"  # MLflow's answer is OK
    except urllib.error.HTTPError:
        return  # it answered; whether it lets us in is for MLflow to find out, which knows the credentials
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return  # MLflow has its own settings for certificates
        reason = f"did not ({reason})"
    except ValueError as error:  # a name that no host can have, such as a..b, or a letter that no address has
        reason = f"is no address ({error})"
    else:
        if not is_page:
            return
        reason = "answers with a page: it is another program, or a network that wants to be signed in to"
    raise TrackingError(
        f"The MLflow server of tracking.uri must answer within {_REACH_SECONDS:g} seconds; {StoreUri(uri).masked} "
        f"{reason}. Start it, correct the address, or record to a file: tracking.uri=sqlite:///mlflow.db."
    )


def _reach_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(f"The folder of the database in tracking.uri cannot be made: {error}.") from None
    if not os.access(folder, os.W_OK):
        raise TrackingError(
            f"The folder of the database in tracking.uri must be writable; {folder} is not. "
            "Choose another, such as tracking.uri=sqlite:////tmp/mlflow.db."
        )
    try:
        require_locks(folder)
    except LocksUnsupportedError as error:
        raise TrackingError(
            f"The folder of the database in tracking.uri must be on a file system with locks; {folder} is not "
            f"({error.strerror}). Choose another, such as tracking.uri=sqlite:////tmp/mlflow.db."
        ) from error


def _reach_database(database: Path) -> None:
    """Refuse at once what MLflow would try to open for two minutes."""
    if not is_there(database):
        return
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            return  # that passes
        raise TrackingError(
            f"The file in tracking.uri must be an SQLite database that can be read; {database} is not ({error}). "
            "Choose another, such as tracking.uri=sqlite:///mlflow.db."
        ) from error


def load_mlflow() -> None:
    """Import MLflow with its start-up noise turned off and its patience limited; warnings stay."""
    for name, value in _MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # a paragraph for each attempt; the last one raises
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    with heavy_imports():
        import mlflow  # noqa: F401


def connect(*, uri: str, artifacts: str | None, experiment: str) -> "tuple[MlflowClient, str]":
    """Return a client of the store and the id of the experiment; create what is missing.

    Any number of processes may do this at once. Call :func:`load_mlflow` before.
    """
    from mlflow import MlflowClient

    store = StoreUri(uri)
    with _alone(store):
        if store.database is not None:
            require_current_schema(uri)
            if not store.database.exists():
                _create_whole(store.database)
            _let_readers_and_writers_meet(store.database)
            _close_at_exit()
        address = mlflow_uri(uri)
        client = MlflowClient(tracking_uri=address, registry_uri=address)
        return client, _experiment_id(client, experiment, None if store.is_server else artifacts)


def _alone(store: StoreUri) -> AbstractContextManager[None]:
    """MLflow looks whether the tables are there, then creates them: two processes at once would both do it."""
    if store.is_server:
        return nullcontext()  # the server's business
    folder = Path(tempfile.gettempdir()) if store.database is None else store.database.parent
    return locked_folder(folder, patience=_CREATE_SECONDS)


def _create_whole(database: Path) -> None:
    """Create a store under another name first: MLflow refuses for good what it was killed in the middle of creating.

    MLflow's own way writes the current folder into SQL as it stands, as the place of its experiment "Default"; quoted,
    the same folder may have any letters.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with replacing(database) as growing:
        address = StoreUri.of_database(growing, f"?timeout={next(_TIMEOUTS)}")
        SqlAlchemyStore(mlflow_uri(str(address)), (Path.cwd() / "mlruns").as_uri())


def _let_readers_and_writers_meet(database: Path) -> None:
    """Keep the database in WAL mode, where it can be: then the UI reads while runs write."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database, timeout=1.0)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


@cache
def _close_at_exit() -> None:
    """Have the connections to databases closed when the process ends: the last one to close writes the -wal file back.

    Without that, a copy of the database file alone would lack the newest records. The garbage collector would do it,
    but the store is referred to by modules that :func:`heavy_imports` has hidden from it.
    """
    from sqlalchemy import event
    from sqlalchemy.pool import Pool

    connections: set[Any] = set()
    event.listen(Pool, "connect", lambda connection, _: connections.add(connection))
    event.listen(Pool, "close", lambda connection, _: connections.discard(connection))

    def close_all() -> None:
        for connection in connections:
            connection.close()

    atexit.register(close_all)


def _experiment_id(client: "MlflowClient", name: str, artifacts: str | None) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifacts))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another process was faster
    if found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"tracking.experiment must not be a deleted experiment; {name!r} is one. Restore it with "
            f"`mlflow experiments restore --experiment-id {found.experiment_id}` or choose another name."
        )
    return str(found.experiment_id)
