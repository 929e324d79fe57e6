"""The files of a logged model: whole, on this machine, wherever and however they are stored."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cnnexp.errors import ModelError
from cnnexp.portable.card import UnfitModelError
from cnnexp.portable.delta import SUFFIX, Delta, deltas, restore
from cnnexp.tracking.store import run_files
from cnnexp.tracking.store.calls import calling, mlflow_uri
from cnnexp.tracking.store.find_runs import ask

_DATA = "data"  # folder of the logged model with the model file, the card and the features


@contextmanager
def model_folder(location: str, *, store: str, run_id: str) -> Iterator[Path]:
    """Give the folder with model file, card and features; a copy, for as long as the block, unless it is there as such.

    Args:
        location: URI of the logged model's files.
        store: Tracking URI.
        run_id: Of the run that has the model.

    Raises:
        ModelError: Files are gone.

    """
    local = run_files.local_folder(location)
    if local is not None and not (local / _DATA).is_dir():
        raise ModelError(
            f"The model of run {run_id} must be in {local}; it is not there. Was the folder of the store moved or "
            "deleted? An exported folder can be moved: cnnexp export."
        )
    if local is not None and not deltas(local / _DATA):
        yield local / _DATA
        return
    with tempfile.TemporaryDirectory() as copy:
        folder = _copied(location, local, Path(copy), store=store)
        try:
            restore(folder, partial(_read_base, store))
        except UnfitModelError as error:
            raise ModelError(
                f"{error} If that run was deleted, MLflow can restore it: mlflow runs restore --run-id ID. If its "
                "files are gone, train the model again; the command is on the page of its run."
            ) from error
        yield folder


def read_model_file(location: str, name: str, *, store: str) -> bytes | None:
    """Return one file of the folder that `model_folder` gives; None: it is gone."""
    folder = f"{location.rstrip('/')}/{_DATA}"
    whole = run_files.read_file(folder, name, store=store)
    if whole is not None or (stored := run_files.read_file(folder, name + SUFFIX, store=store)) is None:
        return whole
    try:
        delta = Delta.from_bytes(stored)
        base = _read_base(store, delta.run, delta.base)
        return None if base is None else delta.apply(base)
    except UnfitModelError:
        return None


def _copied(location: str, local: Path | None, target: Path, *, store: str) -> Path:
    if local is not None:
        return Path(shutil.copytree(local / _DATA, target / _DATA))
    import mlflow.artifacts

    with calling(store):
        found = mlflow.artifacts.download_artifacts(
            f"{location}/{_DATA}", dst_path=str(target), tracking_uri=mlflow_uri(store)
        )
    return Path(found)


def _read_base(store: str, run_id: str, name: str) -> bytes | None:
    for run in ask(store, lambda asked: asked.with_id(run_id)):  # none where it was deleted
        return run_files.read_file(run.artifact_uri, name, store=store)
    return None
