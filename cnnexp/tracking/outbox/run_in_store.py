"""The run of a record in the store: there once, whatever answers were lost, and no other run of the same record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.system.store_uri import StoreUri
from cnnexp.tracking.outbox.record_folder import Opening, Progress
from cnnexp.tracking.store import calls
from cnnexp.tracking.tags import RECORD

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run


@dataclass(frozen=True, slots=True)
class RunInStore:
    """Creates, finds and deletes the runs of one record."""

    client: "MlflowClient"
    folder: Path  # of the record
    opening: Opening
    progress: Progress

    def open(self) -> None:
        """Create the run or continue it, and delete the runs that it replaces."""
        if self.opening.run_id is None:
            run = self.client.get_run(self._lost_answer() or self._create())
        else:
            run = self._continue(self.opening.run_id)
        if self.opening.replaces is not None:
            self._delete(self._runs_of(self.opening.replaces))
        self.progress.run_id, self.progress.experiment_id = run.info.run_id, run.info.experiment_id
        self.progress.save(self.folder)

    def delete(self) -> None:
        """Delete all runs of the record; MLflow can restore them."""
        self._delete(self._runs_of(self.opening.key))

    def delete_ghosts(self) -> None:
        """Delete further runs of this record, which a slow server or a proxy that repeats a request may have created.

        One may appear at any time after its request was given up, so this is done last.
        """
        if not StoreUri(self.opening.uri).is_server:
            return
        self._delete([run for run in self._runs_of(self.opening.key) if run.info.run_id != self.progress.run_id])

    def _create(self) -> str:
        """Create the run; where the answer is lost, look whether the store has it, instead of asking for a second."""
        from mlflow.exceptions import MlflowException

        self.progress.asked = True
        self.progress.save(self.folder)
        try:
            with calls.asking_once():
                run = self.client.create_run(
                    str(self.progress.experiment_id),
                    start_time=self.opening.started,
                    tags={**self.opening.tags, RECORD: self.opening.key},
                    run_name=self.opening.run_name,
                )
        except MlflowException:
            found = self._lost_answer()
            if found is None:
                raise
            return found
        return str(run.info.run_id)

    def _lost_answer(self) -> str | None:
        """Return the run that was asked for before, if the store created it and only the answer was lost."""
        if not self.progress.asked:
            return None
        found = self._runs_of(self.opening.key)
        return str(found[0].info.run_id) if found else None

    def _continue(self, run_id: str) -> "Run":
        self.client.update_run(run_id, status="RUNNING")
        for name, value in self.opening.tags.items():
            self.client.set_tag(run_id, name, value)
        return self.client.get_run(run_id)

    def _delete(self, runs: "Sequence[Run]") -> None:
        for run in runs:
            if run.info.status == "RUNNING":  # else it would be running again when it is restored
                self.client.set_terminated(run.info.run_id, "KILLED")
            self.client.delete_run(run.info.run_id)

    def _runs_of(self, key: str) -> "Sequence[Run]":
        found: Sequence[Run] = self.client.search_runs([str(self.progress.experiment_id)], f"tags.`{RECORD}` = '{key}'")
        return found
