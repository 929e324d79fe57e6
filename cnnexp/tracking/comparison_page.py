"""The page of a comparison, kept where a reader of the MLflow UI opens the sweep."""

import shlex
from collections.abc import Sequence

from cnnexp.system.store_uri import masked
from cnnexp.tracking.store.connection import absolute_uri, load_mlflow, one_line_errors
from cnnexp.tracking.tags import DESCRIPTION

PAGE = "comparison.html"
METRIC = "test/accuracy"  # compared by default
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
        client.set_tag(parent_id, DESCRIPTION, shortened(description))


def command_again(targets: Sequence[str], *, uri: str, metric: str, by: Sequence[str]) -> str:
    """Return the command that makes a comparison's page again, from any folder."""
    settings = ["--by", ",".join(by)] if by else []
    store = f"tracking.uri={masked(absolute_uri(uri))}"
    return shlex.join(["cnnexp", "compare", *targets, store, "--metric", metric, *settings, "--html", "report.html"])


def shortened(description: str) -> str:
    """Return a description that a tag can hold, in whole lines."""
    if len(description) <= _LONGEST_TAG:
        return description
    whole_lines = description[:_LONGEST_TAG].rpartition("\n")[0]
    return f"{whole_lines}\n\nThe rest is in {PAGE}."
