"""Entries of a record's journal as calls of MLflow, in batches of a size that it takes."""

import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnexp.tracking.outbox.record_folder import Entry

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Metric, Param, RunTag

_METRICS = 500  # in one call; MLflow takes 1,000, and one megabyte in all
_VALUES = 40  # parameters or tags in one call; MLflow takes 100, and each may have thousands of characters
_DIGEST = 36  # characters of a data set's digest that MLflow keeps


def log_entries(
    client: "MlflowClient", run_id: str, entries: Sequence[Entry], *, model_id: str | None, continued: bool
) -> None:
    """Send the entries; sending them again changes nothing.

    Args:
        client: Of the store.
        run_id: Of the run.
        entries: Of the journal, in its order.
        model_id: The model that final metrics belong to, if there is one.
        continued: The run had values before this record. Its parameters stay as they are, because MLflow refuses a
            second value; and a metric that has this value at this step gets no second one: a run that was stopped may
            have computed it before.

    """
    params, metrics, tags = _params(entries), list(_metrics(entries, model_id)), _tags(entries)
    if continued:
        known = client.get_run(run_id).data.params
        params = [param for param in params if param.key not in known]
        metrics = _not_logged(client, run_id, metrics)
    while metrics or params or tags:
        client.log_batch(run_id, metrics=metrics[:_METRICS], params=params[:_VALUES], tags=tags[:_VALUES])
        metrics, params, tags = metrics[_METRICS:], params[_VALUES:], tags[_VALUES:]
    if datasets := [_dataset(entry) for entry in _of_kind(entries, "dataset")]:
        client.log_inputs(run_id, datasets=datasets)


def _of_kind(entries: Sequence[Entry], *kinds: str) -> Iterator[Entry]:
    return (entry for entry in entries if entry["kind"] in kinds)


def _params(entries: Sequence[Entry]) -> "list[Param]":
    from mlflow.entities import Param

    return [Param(*item) for entry in _of_kind(entries, "params") for item in entry["values"].items()]


def _tags(entries: Sequence[Entry]) -> "list[RunTag]":
    from mlflow.entities import RunTag

    newest = dict(itertools.chain.from_iterable(entry["values"].items() for entry in _of_kind(entries, "tags")))
    return [RunTag(*item) for item in newest.items()]


def _metrics(entries: Sequence[Entry], model_id: str | None) -> "Iterator[Metric]":
    from mlflow.entities import Metric

    for entry in _of_kind(entries, "metrics", "final"):
        belongs = model_id if entry["kind"] == "final" else None
        for name, value in entry["values"].items():
            yield Metric(name, value, entry["time"], entry["step"], model_id=belongs)


def _not_logged(client: "MlflowClient", run_id: str, metrics: "Sequence[Metric]") -> "list[Metric]":
    """Return those metrics that do not have their value at their step yet."""
    logged = {
        (name, one.step, one.value)
        for name in {metric.key for metric in metrics}
        for one in client.get_metric_history(run_id, name)
    }
    return [one for one in metrics if (one.key, one.step, one.value) not in logged]


def _dataset(entry: dict[str, Any]) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    local = Path(entry["source"]).is_absolute()  # else the function that returns the data
    source = {"uri": entry["source"]} if local else {"tags": {"mlflow.source.name": entry["source"]}}
    dataset = Dataset(
        name=entry["name"],
        digest=entry["digest"][:_DIGEST],
        source_type="local" if local else "code",
        source=json.dumps(source, ensure_ascii=False),
        profile=json.dumps(entry["profile"], ensure_ascii=False),
    )
    return DatasetInput(dataset, tags=[InputTag("mlflow.data.context", "training")])
