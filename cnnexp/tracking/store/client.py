"""Reading any MLflow store through its client."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from mlflow import MlflowClient
from mlflow.entities import Run

from cnnexp.tracking.store.stored_run import CURVES, Locations, StoredRun
from cnnexp.tracking.tags import PARENT

_PAGE = 1000  # runs a request


class ClientStore:
    """A `RunStore` over an MLflow tracking URI; raises what its client raises."""

    def __init__(self, uri: str) -> None:
        self._client = MlflowClient(uri)

    @cached_property
    def _experiments(self) -> Mapping[str, str]:
        """Names of the experiments, by their ids."""
        return {item.experiment_id: item.name for item in self._client.search_experiments()}

    def with_id(self, beginning: str) -> Sequence[StoredRun]:
        """Runs whose id begins with this text."""
        return self._search(f"attributes.run_id LIKE '{beginning}%'")

    def named(self, name: str) -> Sequence[StoredRun]:
        """Runs of this name."""
        return self._search(f"attributes.run_name = {_quoted(name)}")

    def children(self, run_id: str) -> Sequence[StoredRun]:
        """The runs of a sweep."""
        return self._search(f"tags.{PARENT} = '{run_id}'")

    def in_experiment(self, name: str) -> Sequence[StoredRun]:
        """All runs of an experiment."""
        return self._search("", [key for key, value in self._experiments.items() if value == name])

    def tagged(self, name: str, value: str) -> Sequence[StoredRun]:
        """Runs with this value of a tag."""
        return self._search(f"tags.`{name}` = {_quoted(value)}")

    def newest(self) -> Sequence[StoredRun]:
        """The run started last."""
        found = self._client.search_runs(
            list(self._experiments), order_by=["attributes.start_time DESC"], max_results=1
        )
        return [self._stored(run) for run in found]

    def experiments(self) -> Sequence[str]:
        """Names of all experiments."""
        return list(self._experiments.values())

    def curves(self, run_id: str) -> Mapping[str, tuple[tuple[int, float], ...]]:
        """Every value of the metrics in ``CURVES``."""
        histories = {name: self._client.get_metric_history(run_id, name) for name in CURVES}
        return {
            name: tuple((point.step, point.value) for point in sorted(history, key=lambda p: (p.step, p.timestamp)))
            for name, history in histories.items()
            if history
        }

    def locations(self, run_id: str) -> Locations:
        """Where the files of a run are."""
        info = self._client.get_run(run_id).info
        newest = self._client.search_logged_models(
            [info.experiment_id],
            f"source_run_id = '{run_id}'",
            max_results=1,
            order_by=[{"field_name": "creation_timestamp", "ascending": False}],
        )
        return Locations(info.artifact_uri, newest[0].artifact_location if newest else None)

    def _search(self, query: str, experiments: Sequence[str] | None = None) -> Sequence[StoredRun]:
        ids = list(self._experiments if experiments is None else experiments)
        found: list[Run] = []
        token = None
        while ids:
            page = self._client.search_runs(ids, query, max_results=_PAGE, page_token=token)
            found.extend(page)
            token = page.token
            if not token:
                break
        return [self._stored(run) for run in found]

    def _stored(self, run: Run) -> StoredRun:
        return StoredRun(
            run_id=run.info.run_id,
            name=run.info.run_name,
            experiment=self._experiments[run.info.experiment_id],
            status=run.info.status,
            started_ms=run.info.start_time,
            ended_ms=run.info.end_time,
            artifact_uri=run.info.artifact_uri,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            tags=dict(run.data.tags),
            datasets=tuple(sorted({(item.dataset.digest, item.dataset.source) for item in run.inputs.dataset_inputs})),
        )


def _quoted(text: str) -> str:
    """The text as MLflow's filters take it, which know no escapes: quoted by what it does not contain."""
    quote = '"' if "'" in text else "'"
    return f"{quote}{text}{quote}"
