"""Calling MLflow on a store: under which address, as whom, how often, and with errors of one line."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from cnnexp.system.environment import environment
from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking.store.failures import one_line_errors

_USER_AND_PASSWORD = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")


@contextmanager
def calling(uri: str) -> Iterator[None]:
    """Let MLflow ask a store within the block: as the user its address names, with errors of one line.

    Raises:
        TrackingError: as :func:`one_line_errors`.

    """
    with environment(_sign_in(uri)), one_line_errors(uri):
        yield


def asking_once() -> AbstractContextManager[None]:
    """Have MLflow ask a server only once within the block, for what must not be done twice."""
    return environment({"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"})


def _sign_in(uri: str) -> Mapping[str, str]:
    """Return the variables by which MLflow signs in; none where the address says nothing: those of the user count."""
    credentials = StoreUri(uri).credentials
    if credentials is None:
        return {}
    if not credentials.user:
        return {**dict.fromkeys(_USER_AND_PASSWORD, ""), "MLFLOW_TRACKING_TOKEN": credentials.password}
    return dict(zip(_USER_AND_PASSWORD, (credentials.user, credentials.password), strict=True))


def mlflow_uri(uri: str) -> str:
    """Return the address as MLflow takes it: quoted for the installed SQLAlchemy, without the user and the password."""
    from sqlalchemy.engine import make_url

    store = StoreUri(uri)
    unquotes = make_url("sqlite:///%41").database == "A"  # from version 2.1 on
    return store.without_credentials if store.is_server else store.for_sqlalchemy(unquotes=unquotes)
