"""What MLflow, its database and the network raise, as an error of one line that says whether asking again may help."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from cnnexp.errors import StoreUnavailableError, TrackingError
from cnnexp.system.secrets import masked
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import one_line

_LONGEST = 400  # characters of a reason; MLflow quotes whole pages
_NO_JSON = "not in a valid JSON format"  # of MLflow's message about an answer that is no MLflow server's
_SIGN_IN_PAGE = "what answers is no MLflow server, but perhaps the sign-in page of a network"
_BUSY = (408, 429)  # HTTP status codes below 500 that ask for another attempt
_NEVER = 501  # the one above that does not


@contextmanager
def one_line_errors(uri: str) -> Iterator[None]:
    """Turn whatever MLflow, its database or the network raises into a TrackingError of one line.

    Raises:
        StoreUnavailableError: asking again may help.
        TrackingError: it does not.

    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:  # requests' errors are OSErrors
        kind = StoreUnavailableError if may_pass(error) else TrackingError
        raise kind(
            f"The MLflow store {StoreUri(uri).masked} refused or could not be reached: {reason_of(error)}"
        ) from error


def may_pass(error: Exception) -> bool:
    """Tell a store that fails at the moment from one that refuses."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import OperationalError, SQLAlchemyError

    if isinstance(error, MlflowException):
        status = error.get_http_status_code()
        return (status >= 500 and status != _NEVER) or status in _BUSY
    if isinstance(error, SQLAlchemyError):
        return isinstance(error, OperationalError)
    return isinstance(error, OSError)


def reason_of(error: Exception) -> str:
    """Return why, in one line and without passwords: what the network or the database said, where they did."""
    if _NO_JSON in str(error):
        return _SIGN_IN_PAGE
    return masked(one_line(_innermost(error)))[:_LONGEST]


def _innermost(error: Exception) -> str:
    """Return the message of the first cause that is the network's or the database's; the error's own without one.

    MLflow and urllib3 wrap "Connection refused" into two paragraphs.
    """
    from urllib3.exceptions import HTTPError

    message, cause = str(error), _cause(error)
    while cause is not None:
        if isinstance(cause, OSError | HTTPError | sqlite3.Error):
            message = getattr(cause, "strerror", None) or str(cause)
        cause = _cause(cause)
    return message


def _cause(error: BaseException) -> BaseException | None:
    wrapped = next((value for value in reversed(error.args) if isinstance(value, BaseException)), None)
    return error.__cause__ or error.__context__ or wrapped
