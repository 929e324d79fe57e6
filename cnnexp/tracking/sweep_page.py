"""Putting a comparison where a reader of the MLflow UI opens the sweep."""

from cnnexp.tracking.store import load_mlflow, one_line_errors

PAGE = "comparison.html"
_DESCRIPTION = "mlflow.note.content"
_LONGEST_TAG = 7_500  # characters; MLflow refuses 8,000


def log_comparison(*, uri: str, parent_id: str, page: str, description: str) -> None:
    """Log ``page`` (HTML) as ``comparison.html`` to the sweep's parent run and set its description (Markdown).

    Raises TrackingError when the store refuses or does not answer.
    """
    load_mlflow()
    from mlflow import MlflowClient

    with one_line_errors(uri):
        client = MlflowClient(uri)
        client.log_text(parent_id, page, PAGE)
        client.set_tag(parent_id, _DESCRIPTION, _shortened(description))


def _shortened(description: str) -> str:
    if len(description) <= _LONGEST_TAG:
        return description
    whole_lines = description[:_LONGEST_TAG].rpartition("\n")[0]
    return f"{whole_lines}\n\nThe rest stands in {PAGE}."
