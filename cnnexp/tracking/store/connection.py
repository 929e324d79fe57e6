"""The MLflow store: found, reached, prepared; its errors in one line."""

import http.client
import logging
import os
import sqlite3
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError
from cnnexp.system.files import at_home, replacing
from cnnexp.system.locks import locked_folder
from cnnexp.system.quiet import heavy_imports
from cnnexp.system.store_uri import StoreUri, masked
from cnnexp.system.text import one_line

if TYPE_CHECKING:
    from mlflow import MlflowClient

_REACH_SECONDS = 6.0  # a server that does not answer for so long is taken as unreachable
_CREATE_SECONDS = 120.0  # another process may be creating the same store; that takes it seconds

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
        ConfigError: It names no store.

    """
    return str(StoreUri.parse(uri).absolute())


def absolute_location(artifacts: str | None) -> str | None:
    """Return where a new experiment keeps its files, as a URI that means the same from any folder."""
    if artifacts is None or "://" in artifacts:
        return artifacts
    return at_home(artifacts).absolute().as_uri()


def reach(uri: str) -> None:
    """Make sure within ten seconds, and without MLflow, that there is something at the URI to record to.

    Raises:
        TrackingError: No server answers, or the folder of the database cannot be written to.

    """
    store = StoreUri(uri)
    if store.is_server:
        _reach_server(uri)
    elif store.database is not None:
        _reach_folder(store.database.parent)


def _reach_server(uri: str) -> None:
    try:
        with urllib.request.urlopen(uri.rstrip("/") + "/health", timeout=_REACH_SECONDS):
            return
    except urllib.error.HTTPError:
        return  # it answered; whether it lets us in is for MLflow to find out, which knows the credentials
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):
            return  # MLflow has its own settings for certificates
    raise TrackingError(
        f"The MLflow server of tracking.uri must answer within {_REACH_SECONDS:g} seconds; {masked(uri)} did not "
        f"({reason}). Start it, correct the address, or record to a file: tracking.uri=sqlite:///mlflow.db."
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


def load_mlflow() -> None:
    """Import MLflow with its start-up noise turned off and its patience limited; warnings stay."""
    for name, value in _MLFLOW_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    with heavy_imports():
        import mlflow  # noqa: F401


@contextmanager
def one_line_errors(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its database or the network raises into a TrackingError of one line."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError, TimeoutError) as error:  # requests' errors are OSErrors
        reason = masked(one_line(error))[:400]
        raise TrackingError(f"The MLflow store {masked(uri)} refused or could not be reached: {reason}") from error


def connect(*, uri: str, artifacts: str | None, experiment: str) -> "tuple[MlflowClient, str]":
    """Return a client of the store and the id of the experiment; create what is missing.

    Any number of processes may do this at once. Call :func:`load_mlflow` before.
    """
    from mlflow import MlflowClient

    store = StoreUri(uri)
    with _alone(store):
        if store.database is not None:
            if not store.database.exists():
                _create_whole(store.database)
            _let_readers_and_writers_meet(store.database)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return client, _experiment_id(client, experiment, None if store.is_server else artifacts)


def _alone(store: StoreUri) -> AbstractContextManager[None]:
    """MLflow looks whether the tables are there, then creates them: two processes at once would both do it."""
    if store.is_server:
        return nullcontext()  # the server's business
    folder = Path(tempfile.gettempdir()) if store.database is None else store.database.parent
    return locked_folder(folder, patience=_CREATE_SECONDS)


def _create_whole(database: Path) -> None:
    """Create a store under another name first: MLflow refuses for good what it was killed in the middle of creating."""
    from mlflow import MlflowClient

    with replacing(database) as growing:
        MlflowClient(tracking_uri=str(StoreUri.of_database(growing))).search_experiments()


def _let_readers_and_writers_meet(database: Path) -> None:
    """Keep the database in WAL mode, where it can be: then the UI reads while runs write."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database, timeout=1.0)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


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
