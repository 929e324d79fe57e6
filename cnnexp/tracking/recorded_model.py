"""The model that a recorded run left behind, wherever its files are."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnnexp.errors import ModelError, TargetError
from cnnexp.records import RunSummary
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import listed
from cnnexp.tracking.store import run_files
from cnnexp.tracking.store.find_runs import find_runs
from cnnexp.tracking.store.stored_run import EVALUATES

_DATA = "data"  # folder of the logged model with the model file, the card and the features

# The newest model of a run: a run that was continued may have logged one before.
_PLACES = """
    SELECT r.artifact_uri, m.artifact_location FROM runs r
    LEFT JOIN logged_models m ON m.source_run_id = r.run_uuid AND m.lifecycle_stage = 'active'
    WHERE r.run_uuid = ? ORDER BY m.creation_timestamp_ms DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """A run with a model."""

    run: RunSummary
    store: str  # tracking URI
    artifacts: str  # URI of the run's files
    location: str  # URI of the logged model's files

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Give the folder with model file, card and features; a copy, for as long as the block, if they are remote.

        Raises:
            ModelError: The files are gone.

        """
        local = run_files.local_folder(self.location)
        if local is not None:
            if not (local / _DATA).is_dir():
                raise ModelError(
                    f"The model of run {self.run.run_id} must be in {local}; it is not there. Was the folder of the "
                    "store moved or deleted? An exported folder can be moved: cnnexp export."
                )
            yield local / _DATA
            return
        import mlflow.artifacts

        with tempfile.TemporaryDirectory() as copy:
            found = mlflow.artifacts.download_artifacts(
                f"{self.location}/{_DATA}", dst_path=copy, tracking_uri=self.store
            )
            yield Path(found)

    def config_yaml(self) -> str | None:
        """Return the run's whole configuration; None where it was not recorded."""
        content = run_files.read_file(self.artifacts, "config.yaml", store=self.store)
        return None if content is None else content.decode("utf-8")


def recorded_model(target: str, *, uri: str) -> RecordedModel:
    """Find the model of one run.

    Args:
        target: A run id or its first six characters or more, a run's name, or ``latest``; a run that evaluated the
            model of another run means that one.
        uri: Of the store.

    Raises:
        TargetError: There is no store, or the target names nothing, or several models.
        ModelError: The run has none.

    """
    found = recorded_models(target, uri=uri)
    if len(found) > 1:
        ids = listed(f"{model.run.run_id[:12]} ({model.run.name})" for model in found)
        raise TargetError(f"One run has one model; {target!r} has {len(found)} models. Name one run of them: {ids}.")
    return found[0]


def recorded_models(target: str, *, uri: str) -> tuple[RecordedModel, ...]:
    """Find the models of all runs that a target names, such as a sweep; runs that have none are passed over.

    Raises:
        TargetError: There is no store, or the target names nothing.
        ModelError: None of the runs has a model.

    """
    runs = find_runs([target], uri=uri)
    models = [model for run in runs for model in _models_of(run, uri)]
    if models:
        return tuple({model.run.run_id: model for model in models}.values())
    none = (
        f"run {runs[0].run_id} ({runs[0].name}) has none and is {runs[0].status}"
        if len(runs) == 1
        else f"none of the {len(runs)} runs of {target!r} has one"
    )
    raise ModelError(f"A run has a model when it is finished; {none}.")


def _models_of(run: RunSummary, uri: str) -> tuple[RecordedModel, ...]:
    artifacts, location = _places(run.run_id, uri)
    if location is not None:
        return (RecordedModel(run, uri, artifacts, location),)
    return recorded_models(run.tags[EVALUATES], uri=uri) if EVALUATES in run.tags else ()


def _places(run_id: str, uri: str) -> tuple[str, str | None]:
    """Return where the run's files are, and its model's."""
    database = StoreUri(uri).database
    if database is not None:
        address = f"{database.resolve().as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(address, uri=True, timeout=10)) as connection:
                artifacts, location = connection.execute(_PLACES, (run_id,)).fetchone()
                return artifacts, location
        except sqlite3.OperationalError:  # tables of another MLflow: its client knows them
            pass
    from mlflow import MlflowClient  # a second of imports, for stores that need it

    client = MlflowClient(uri)
    run = client.get_run(run_id)
    models = run.outputs.model_outputs if run.outputs else []
    return run.info.artifact_uri, client.get_logged_model(models[-1].model_id).artifact_location if models else None
