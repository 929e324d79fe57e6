"""From a record on disk into MLflow: the same steps while the run is running, after an outage, and for ``cnnexp send``.

Every step can be interrupted anywhere and repeated: it reads from the record what is left, and where the store may have
more than the record knows, it asks the store. MLflow keeps equal metrics, parameters, tags, data sets and files once.
"""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from cnnexp.errors import StoreUnavailableError
from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking import logged_model
from cnnexp.tracking.outbox import record_folder
from cnnexp.tracking.outbox.record_folder import Entry, Opening, Progress
from cnnexp.tracking.store import calls, connection
from cnnexp.tracking.tags import RECORD

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, FileInfo, Metric, Param, Run, RunTag

_METRICS = 500  # in one call; MLflow takes 1,000, and one megabyte in all
_VALUES = 40  # parameters or tags in one call; MLflow takes 100, and each may have thousands of characters
_DIGEST = 36  # characters of a data set's digest that MLflow keeps
_GRID_FILES = 2  # of an image: itself and a small copy
_IMAGES = "images"  # folder of MLflow's image grid; one file that is not its own hides all of the run's images


class Delivery:
    """One record on its way into its store."""

    def __init__(self, folder: Path, opening: Opening, progress: Progress) -> None:
        self.folder = folder
        self.opening = opening
        self.progress = progress
        self._client: MlflowClient | None = None

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Continue where the last delivery of the record stopped."""
        return cls(folder, record_folder.read_opening(folder), Progress.load(folder))

    @property
    def client(self) -> "MlflowClient":
        """Client of the store; getting it creates the experiment."""
        if self._client is None:
            with calls.calling(self.opening.uri):
                self._client, self.progress.experiment_id = connection.connect(
                    uri=self.opening.uri, artifacts=self.opening.artifacts, experiment=self.opening.experiment
                )
        return self._client

    @property
    def run_id(self) -> str:
        """Of the run, which has been created."""
        assert self.progress.run_id is not None
        return self.progress.run_id

    def advance(self) -> bool:
        """Deliver what there is by now; return whether the run has ended and the store has all of it.

        Raises:
            TrackingError: The store cannot be reached or refuses; calling again continues from there.

        """
        ending = record_folder.read_ending(self.folder)
        if ending is not None and ending.discarded and not self.progress.asked:
            return True
        client = self.client
        with calls.calling(self.opening.uri):
            if ending is not None and ending.discarded:
                self._delete(client, self._runs_of(client, self.opening.key))
                return True
            if self.progress.run_id is None:
                self._open(client)
            self._send_entries(client, ended=ending is not None)
            if ending is None:
                return False
            self._send_files(client)
            self._delete_ghosts(client)
            client.set_terminated(self.run_id, ending.status, ending.ended)
        return True

    def _open(self, client: "MlflowClient") -> None:
        if self.opening.run_id is None:
            run = client.get_run(self._lost_answer(client) or self._create(client))
        else:
            run = self._continue(client, self.opening.run_id)
        if self.opening.replaces is not None:
            self._delete(client, self._runs_of(client, self.opening.replaces))
        self.progress.run_id, self.progress.experiment_id = run.info.run_id, run.info.experiment_id
        self.progress.save(self.folder)

    def _create(self, client: "MlflowClient") -> str:
        """Create the run; where the answer is lost, look whether the store has it, instead of asking for a second."""
        from mlflow.exceptions import MlflowException

        self.progress.asked = True
        self.progress.save(self.folder)
        try:
            with calls.asking_once():
                run = client.create_run(
                    str(self.progress.experiment_id),
                    start_time=self.opening.started,
                    tags={**self.opening.tags, RECORD: self.opening.key},
                    run_name=self.opening.run_name,
                )
        except MlflowException:
            found = self._lost_answer(client)
            if found is None:
                raise
            return found
        return str(run.info.run_id)

    def _lost_answer(self, client: "MlflowClient") -> str | None:
        """Return the run that was asked for before, if the store created it and only the answer was lost."""
        if not self.progress.asked:
            return None
        found = self._runs_of(client, self.opening.key)
        return str(found[0].info.run_id) if found else None

    def _delete_ghosts(self, client: "MlflowClient") -> None:
        """Delete further runs of this record, which a slow server or a proxy that repeats a request may have created.

        One may appear at any time after its request was given up, so this is done last.
        """
        if not StoreUri(self.opening.uri).is_server:
            return
        self._delete(client, [run for run in self._runs_of(client, self.opening.key) if run.info.run_id != self.run_id])

    def _delete(self, client: "MlflowClient", runs: "Sequence[Run]") -> None:
        """Delete runs that another one replaces, so that a configuration has one run; MLflow can restore them."""
        for run in runs:
            if run.info.status == "RUNNING":  # else it would be running again when it is restored
                client.set_terminated(run.info.run_id, "KILLED")
            client.delete_run(run.info.run_id)

    def _runs_of(self, client: "MlflowClient", key: str) -> "Sequence[Run]":
        found: Sequence[Run] = client.search_runs([str(self.progress.experiment_id)], f"tags.`{RECORD}` = '{key}'")
        return found

    def _continue(self, client: "MlflowClient", run_id: str) -> "Run":
        client.update_run(run_id, status="RUNNING")
        for name, value in self.opening.tags.items():
            client.set_tag(run_id, name, value)
        return client.get_run(run_id)

    def _send_entries(self, client: "MlflowClient", *, ended: bool) -> None:
        entries = record_folder.read_entries(self.folder, start=self.progress.entries)
        if not ended:  # final values are linked to the model, which comes with the end
            entries = list(_before_final(entries))
        elif (self.folder / "model").exists() and self.progress.model_id is None:
            self._send_model(client)
        if entries:
            _log_entries(client, self.run_id, entries, model_id=self.progress.model_id, continued=self._continued)
            self.progress.entries += len(entries)
            self.progress.save(self.folder)

    @property
    def _continued(self) -> bool:
        return self.opening.run_id is not None

    def _send_model(self, client: "MlflowClient") -> None:
        """Log the model, or continue with one that an interrupted delivery began to log."""
        from mlflow.entities import LoggedModelOutput

        folder = self.folder / "model"
        logged = logged_model.find_or_create(client, experiment_id=str(self.progress.experiment_id), run_id=self.run_id)
        outputs = client.get_run(self.run_id).outputs.model_outputs
        if all(output.model_id != logged.model_id for output in outputs):
            client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        logged_model.complete(folder, logged, run_id=self.run_id)
        client.log_model_artifacts(logged.model_id, str(folder))
        self._require_kept(folder, partial(client.list_logged_model_artifacts, logged.model_id))
        client.finalize_logged_model(logged.model_id, "READY")
        self.progress.model_id = logged.model_id
        self.progress.save(self.folder)

    def _send_files(self, client: "MlflowClient") -> None:
        root = self.folder / "files"
        if any(root.iterdir()):
            client.log_artifacts(self.run_id, str(root))
            self._require_kept(root, partial(client.list_artifacts, self.run_id))
        _log_image_grid(client, self.run_id, root, record_folder.read_entries(self.folder, start=0))

    def _require_kept(self, folder: Path, list_kept: "Callable[[str | None], Sequence[FileInfo]]") -> None:
        """Make sure that a server has every file of a folder: a network to be signed in to answers for it with success.

        Raises:
            StoreUnavailableError: it has not.

        """
        if not StoreUri(self.opening.uri).is_server:
            return
        for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            kept = {item.path: item.file_size or 0 for item in list_kept(_name_in(folder, place) or None)}
            for file in filter(Path.is_file, place.iterdir()):
                if kept.get(_name_in(folder, file)) != file.stat().st_size:
                    raise StoreUnavailableError(f"The store said that it took {file.name}, and does not have it.")


def _name_in(folder: Path, path: Path) -> str:
    relative = path.relative_to(folder).as_posix()
    return "" if relative == "." else relative


def _before_final(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry["kind"] == "final":
            return
        yield entry


def _log_entries(
    client: "MlflowClient", run_id: str, entries: Sequence[Entry], *, model_id: str | None, continued: bool
) -> None:
    """Send the entries; sending them again changes nothing.

    Args:
        client: Of the store.
        run_id: Of the run.
        entries: Of the journal, in its order.
        model_id: The model that final metrics belong to, if there is one.
        continued: The run had parameters before this record: those stay as they are, because MLflow refuses a second
            value.

    """
    params = _params(entries)
    if continued:
        known = client.get_run(run_id).data.params
        params = [param for param in params if param.key not in known]
    metrics, tags = list(_metrics(entries, model_id)), _tags(entries)
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


def _log_image_grid(client: "MlflowClient", run_id: str, files: Path, entries: Sequence[Entry]) -> None:
    """Log the artifacts named by ``image`` entries; a whole grid is left, since MLflow would add it again."""
    asked = [entry for entry in entries if entry["kind"] == "image"]
    if not asked or len(client.list_artifacts(run_id, _IMAGES)) >= _GRID_FILES * len(asked):
        return
    from PIL import Image

    for entry in asked:
        with Image.open(files / entry["file"]) as image:
            client.log_image(run_id, image, key=entry["key"], step=entry["step"], timestamp=entry["time"])
    if len(client.list_artifacts(run_id, _IMAGES)) < _GRID_FILES * len(asked):
        raise StoreUnavailableError("The store said that it took the images of the run, and does not have them.")
