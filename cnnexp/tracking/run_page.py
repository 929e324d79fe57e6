"""Where a reader finds the page of a recorded run."""

from contextlib import suppress

from cnnexp.errors import TrackingError
from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking import mlflow_ui
from cnnexp.tracking.receipt import Receipt
from cnnexp.tracking.store.find_runs import ask
from cnnexp.tracking.store.run_files import local_folder

PAGE = "run.html"


def page_of(receipt: Receipt, *, uri: str) -> str | None:
    """Return the file of a run's page on this machine, or its address on an MLflow server; None: it has none there.

    `uri` is that of the store. What it answers decides about this line alone: the run is recorded.
    """
    if receipt.kept_folder is not None:
        kept = receipt.kept_folder / "files" / PAGE
        return str(kept) if kept.is_file() else None
    return None if receipt.run_id is None else page_in(receipt.run_id, uri=uri)


def page_in(run_id: str, *, uri: str) -> str | None:
    """Return the same of a run that is in the store at `uri`."""
    with suppress(TrackingError):
        if StoreUri(uri).is_server:
            return mlflow_ui.artifact_link(uri, run_id, PAGE)
        folder = local_folder(ask(uri, lambda store: store.locations(run_id)).artifacts)
        if folder is not None and (folder / PAGE).is_file():
            return str(folder / PAGE)
    return None
