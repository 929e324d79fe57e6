"""The page of a comparison, kept where a reader of the MLflow UI opens the sweep."""

import shlex
from collections.abc import Sequence

from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking.store.calls import calling, mlflow_uri
from cnnexp.tracking.store.connection import absolute_uri, load_mlflow
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

    with calling(uri):
        client = MlflowClient(mlflow_uri(uri))
        client.log_text(parent_id, page, PAGE)
        client.set_tag(parent_id, DESCRIPTION, shortened(description))


def command_again(targets: Sequence[str], *, uri: str, metric: str, by: Sequence[str]) -> str:
    """Return the command that makes a comparison's page again, from any folder."""
    settings = ["--by", ",".join(by)] if by else []
    store = f"tracking.uri={StoreUri(absolute_uri(uri)).masked}"
    return shlex.join(["cnnexp", "compare", *targets, store, "--metric", metric, *settings, "--html", "report.html"])


def shortened(description: str) -> str:
    """Return a description that a tag can hold, in whole lines."""
    if len(description) <= _LONGEST_TAG:
        return description
    whole_lines = description[:_LONGEST_TAG].rpartition("\n")[0]
    return f"{whole_lines}\n\nThe rest is in {PAGE}."
