"""The files of a record, its model and its images on their way into the store, and whether the store has kept them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cnnexp.errors import StoreUnavailableError
from cnnexp.tracking import logged_model
from cnnexp.tracking.outbox.record_folder import Entry

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import FileInfo

_GRID_FILES = 2  # of an image: itself and a small copy
_IMAGES = "images"  # folder of MLflow's image grid; one file that is not its own hides all of the run's images


def send_model(client: "MlflowClient", folder: Path, *, experiment_id: str, run_id: str, verify: bool) -> str:
    """Log a model, or continue with one that an interrupted delivery began to log.

    Args:
        client: Of the store.
        folder: Of the model.
        experiment_id: Of the run.
        run_id: Of the run.
        verify: Make sure that the store has kept every file.

    Returns:
        The id of the logged model.

    Raises:
        StoreUnavailableError: The store has not kept a file.

    """
    from mlflow.entities import LoggedModelOutput

    logged = logged_model.find_or_create(client, experiment_id=experiment_id, run_id=run_id)
    outputs = client.get_run(run_id).outputs.model_outputs
    if all(output.model_id != logged.model_id for output in outputs):
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    logged_model.complete(folder, logged, run_id=run_id)
    client.log_model_artifacts(logged.model_id, str(folder))
    if verify:
        require_kept(folder, partial(client.list_logged_model_artifacts, logged.model_id))
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def send_artifacts(client: "MlflowClient", folder: Path, *, run_id: str, verify: bool) -> None:
    """Log the artifacts of a run; `verify` makes sure that the store has kept every one.

    Raises:
        StoreUnavailableError: It has not.

    """
    if any(folder.iterdir()):
        client.log_artifacts(run_id, str(folder))
        if verify:
            require_kept(folder, partial(client.list_artifacts, run_id))


def send_image_grid(client: "MlflowClient", files: Path, *, run_id: str, entries: Sequence[Entry]) -> None:
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


def require_kept(folder: Path, list_kept: "Callable[[str | None], Sequence[FileInfo]]") -> None:
    """Make sure that a store has every file of a folder: a network to be signed in to answers for it with success."""
    for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        kept = {item.path: item.file_size or 0 for item in list_kept(_name_in(folder, place) or None)}
        for file in filter(Path.is_file, place.iterdir()):
            if kept.get(_name_in(folder, file)) != file.stat().st_size:
                raise StoreUnavailableError(f"The store said that it took {file.name}, and does not have it.")


def _name_in(folder: Path, path: Path) -> str:
    relative = path.relative_to(folder).as_posix()
    return "" if relative == "." else relative
