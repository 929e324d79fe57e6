"""Putting a comparison where a reader of the MLflow UI opens the sweep."""

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cnnexp.errors import TrackingError

PAGE = "comparison.html"
_DESCRIPTION = "mlflow.note.content"
_LONGEST_TAG = 7_500  # characters; MLflow refuses 8,000


def log_comparison(*, uri: str, parent_id: str, page: str, description: str) -> None:
    """Log ``page`` (HTML) as ``comparison.html`` to the sweep's parent run and set its description (Markdown).

    Raises TrackingError when the store refuses or does not answer.
    """
    if len(description) > _LONGEST_TAG:
        whole_lines = description[:_LONGEST_TAG].rpartition("\n")[0]
        description = f"{whole_lines}\n\nThe rest stands in {PAGE}."
    client = MlflowClient(uri)
    try:
        client.log_text(parent_id, page, PAGE)
        client.set_tag(parent_id, _DESCRIPTION, description)
    except MlflowException as error:
        raise TrackingError(f"The comparison could not be logged to run {parent_id} at {uri}: {error}") from error
