"""From a record on disk into MLflow: the same steps while the run is running, after an outage, and for ``cnnexp send``.

Every step can be interrupted anywhere and repeated: it reads from the record what is left, and where the store may have
more than the record knows, it asks the store. MLflow keeps equal metrics, parameters, tags, data sets and files once.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking.outbox import record_folder
from cnnexp.tracking.outbox.log_entries import log_entries
from cnnexp.tracking.outbox.record_folder import Entry, Opening, Progress
from cnnexp.tracking.outbox.run_in_store import RunInStore
from cnnexp.tracking.outbox.send_files import send_artifacts, send_image_grid, send_model
from cnnexp.tracking.outbox.shared_files import shared_files
from cnnexp.tracking.store import calls, connection
from cnnexp.tracking.tags import PARENT

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Delivery:
    """One record on its way into its store."""

    def __init__(self, folder: Path, opening: Opening, progress: Progress) -> None:
        self.folder = folder
        self.opening = opening
        self.progress = progress
        self.died = False  # the recording process has not recorded an end
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
        self.died = ending is not None and ending.died
        client = self.client
        run = RunInStore(client, self.folder, self.opening, self.progress)
        with calls.calling(self.opening.uri):
            if ending is not None and ending.discarded:
                run.delete()
                return True
            if self.progress.run_id is None:
                run.open()
            self._send_entries(client, complete=ending is not None and not ending.died)
            if ending is None:
                return False
            self._send_files(client)
            run.delete_ghosts()
            if ending.status != record_folder.RUNNING:
                client.set_terminated(self.run_id, ending.status, ending.ended)
        return True

    def _send_entries(self, client: "MlflowClient", *, complete: bool) -> None:
        entries = record_folder.read_entries(self.folder, start=self.progress.entries)
        if not complete:  # final values are linked to the model, which comes with the end
            entries = list(_before_final(entries))
        elif (self.folder / "model").exists() and self.progress.model_id is None:
            self._send_model(client)
        if entries:
            continued = self.opening.run_id is not None
            log_entries(client, self.run_id, entries, model_id=self.progress.model_id, continued=continued)
            self.progress.entries += len(entries)
            self.progress.save(self.folder)

    def _send_model(self, client: "MlflowClient") -> None:
        self._share_files(client)
        self.progress.model_id = send_model(
            client,
            self.folder / "model",
            experiment_id=str(self.progress.experiment_id),
            run_id=self.run_id,
            verify=self._verify,
        )
        self.progress.save(self.folder)

    def _share_files(self, client: "MlflowClient") -> None:
        """Store what the model has in common with those of the other runs of its parent once, if it has one."""
        parent = self.opening.tags.get(PARENT)
        if parent is None:
            return
        for file in record_folder.read_shared(self.folder):
            shared_files(client, parent, store=self.opening.uri, verify=self._verify).replace(file)

    def _send_files(self, client: "MlflowClient") -> None:
        files = self.folder / "files"
        send_artifacts(client, files, run_id=self.run_id, verify=self._verify)
        entries = record_folder.read_entries(self.folder, start=0)
        send_image_grid(client, files, run_id=self.run_id, entries=entries)

    @property
    def _verify(self) -> bool:
        return StoreUri(self.opening.uri).is_server


def _before_final(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        if entry["kind"] == "final":
            return
        yield entry
