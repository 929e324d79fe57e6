"""From the outbox into MLflow: the same steps live, after an outage, and for ``cnnexp send``.

Every step can be cut off anywhere and done again: it asks the record what is left, and where the store may have more
than the record knows, it asks the store. MLflow keeps equal metrics, parameters, tags, data sets and files once.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.errors import TrackingError
from cnnexp.system.locks import is_locked, locked_folder
from cnnexp.tracking import logged_model, ui
from cnnexp.tracking.outbox import mlflow_batches, record_folder
from cnnexp.tracking.outbox.record_folder import Progress
from cnnexp.tracking.receipt import Receipt
from cnnexp.tracking.store import connection

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


KEY_TAG = "cnnexp.record"  # names the folder a run was delivered from


class Delivery:
    """One record on its way into its store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opening = record_folder.read_opening(folder)
        self.progress = Progress.load(folder)
        self._client: MlflowClient | None = None

    @property
    def client(self) -> "MlflowClient":
        """Of the store; the experiment exists once it is there."""
        if self._client is None:
            with connection.one_line_errors(self.opening.uri):
                self._client, self.progress.experiment_id = connection.connect(
                    uri=self.opening.uri, artifacts=self.opening.artifacts, experiment=self.opening.experiment
                )
        return self._client

    @property
    def run_id(self) -> str:
        """Of the run, which has been opened."""
        assert self.progress.run_id is not None
        return self.progress.run_id

    def advance(self) -> bool:
        """Deliver what there is by now; return whether the run has ended and the store has all of it.

        Raises:
            TrackingError: The store cannot be reached or refuses; calling again goes on from there.

        """
        ending = record_folder.read_ending(self.folder)
        if ending is not None and ending.discarded and not self.progress.asked:
            return True
        client = self.client
        with connection.one_line_errors(self.opening.uri):
            if ending is not None and ending.discarded:
                self._delete(client, self.opening.key)
                return True
            if self.progress.run_id is None:
                self._open(client)
            self._send_entries(client, ended=ending is not None)
            if ending is None:
                return False
            self._send_files(client)
            client.set_terminated(self.run_id, ending.status, ending.ended)
        return True

    def _open(self, client: "MlflowClient") -> None:
        run_id = self.opening.run_id or self._lost_answer(client)
        if run_id is None:
            self.progress.asked = True
            self.progress.save(self.folder)
            run = client.create_run(
                str(self.progress.experiment_id),
                start_time=self.opening.started,
                tags={**self.opening.tags, KEY_TAG: self.opening.key},
                run_name=self.opening.run_name,
            )
        else:
            run = self._continue(client, run_id)
        if self.opening.replaces is not None:
            self._delete(client, self.opening.replaces)
        self.progress.run_id, self.progress.experiment_id = run.info.run_id, run.info.experiment_id
        self.progress.save(self.folder)

    def _lost_answer(self, client: "MlflowClient") -> str | None:
        """Return the run that was asked for before, if the store made it and only its answer was lost."""
        if not self.progress.asked:
            return None
        found = self._runs_of(client, self.opening.key)
        return str(found[0].info.run_id) if found else None

    def _delete(self, client: "MlflowClient", key: str) -> None:
        """Delete the run of a broken attempt, so that a configuration has one run; MLflow can restore it."""
        for run in self._runs_of(client, key):
            if run.info.status == "RUNNING":  # or it would be so again when it is restored
                client.set_terminated(run.info.run_id, "KILLED")
            client.delete_run(run.info.run_id)

    def _runs_of(self, client: "MlflowClient", key: str) -> "Sequence[Run]":
        found: Sequence[Run] = client.search_runs([str(self.progress.experiment_id)], f"tags.`{KEY_TAG}` = '{key}'")
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
            mlflow_batches.send(
                client, self.run_id, entries, model_id=self.progress.model_id, continued=self._continued
            )
            self.progress.entries += len(entries)
            self.progress.save(self.folder)

    @property
    def _continued(self) -> bool:
        return self.opening.run_id is not None

    def _send_model(self, client: "MlflowClient") -> None:
        """Log the model; a model that was begun before is gone on with."""
        from mlflow.entities import LoggedModelOutput

        folder = self.folder / "model"
        logged = logged_model.find_or_create(client, experiment_id=str(self.progress.experiment_id), run_id=self.run_id)
        outputs = client.get_run(self.run_id).outputs.model_outputs
        if all(output.model_id != logged.model_id for output in outputs):
            client.log_outputs(self.run_id, [LoggedModelOutput(logged.model_id, step=0)])
        logged_model.complete(folder, logged, run_id=self.run_id)
        client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, "READY")
        self.progress.model_id = logged.model_id
        self.progress.save(self.folder)

    def _send_files(self, client: "MlflowClient") -> None:
        root = self.folder / "files"
        if any(root.iterdir()):
            client.log_artifacts(self.run_id, str(root))
        mlflow_batches.send_image_grid(client, self.run_id, root, record_folder.read_entries(self.folder, start=0))


def _before_final(entries: Sequence[record_folder.Entry]) -> Iterator[record_folder.Entry]:
    for entry in entries:
        if entry["kind"] == "final":
            return
        yield entry


_PATIENCE = 15.0  # seconds another delivery of the same record may take


def send(folder: Path) -> Receipt:
    """Deliver a kept record into the run it belongs to, and remove it.

    Sending again, two at once, or after a delivery that was cut off loses and doubles nothing.

    Raises:
        TrackingError: There is no record, it is still growing, or its store still cannot be reached.

    """
    folder = folder.absolute()
    if not (folder / "run.json").exists():
        raise TrackingError(
            f"cnnexp send needs the folder of a kept record; {folder} is none. What has been delivered is removed."
        )
    if is_locked(folder / record_folder.JOURNAL):
        raise TrackingError(f"A record can be sent when its run has ended; the run of {folder} is still going.")
    try:
        with locked_folder(folder, patience=_PATIENCE):
            return _deliver(folder)
    except TimeoutError:
        raise TrackingError(f"Another process is delivering {folder}; wait for it, then look again.") from None


def _deliver(folder: Path) -> Receipt:
    if not folder.exists():  # whoever held it before us has delivered it
        return Receipt(run_id=None, url_command=None, kept_folder=None, reason="Another process has just delivered it.")
    connection.reach(record_folder.read_opening(folder).uri)
    connection.load_mlflow()
    delivery = Delivery(folder)
    delivery.advance()
    record_folder.remove(folder)
    command = ui.command(uri=delivery.opening.uri, run_id=delivery.run_id)
    return Receipt(run_id=delivery.run_id, url_command=command, kept_folder=None, reason="")
