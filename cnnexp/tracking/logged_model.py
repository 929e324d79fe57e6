"""The model of a run as an MLflow model that loads and serves without this package.

Laid out as MLflow documents its model format, instead of by ``pyfunc.save_model``: that one guesses requirements for
seconds, or compares given ones with every installed package (0.4 s), and needs MLflow in the training process. A
loader module, rather than a ``python_model``, is never executed before it serves.
"""

import base64
import importlib.metadata
import io
import json
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnexp import portable
from cnnexp.records import Images
from cnnexp.tracking.store import calls

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.models import ModelSignature

_PACKAGE = "cnnexp_served"  # name of the folder of code inside the model
_NEEDS = ("mlflow", "tensorflow", "keras", "numpy", "pandas", "pillow")
LARGE_FILES = ("data/model.keras", "data/features.npz")
_NOT_IN_NAMES = re.compile(r"[/:.%\"']+")  # as MLflow has it
_EXAMPLES = 2  # images in the input example
_EXAMPLE_INFO = {
    "type": "dataframe",
    "pandas_orient": "split",
    "artifact_path": "input_example.json",
    "serving_input_path": "serving_input_example.json",
}


def lay_out(
    folder: Path,
    *,
    model_file: bytes,
    card: Mapping[str, Any],
    features_file: bytes,
    example: Images,
    code: Mapping[str, str],
) -> None:
    """Write all of the MLflow model into `folder` but its ``MLmodel`` file, which :func:`complete` adds.

    Args:
        folder: Does not exist yet.
        model_file: A ``.keras`` file that takes uint8 (N, H, W, C).
        card: Contents of ``card.json``.
        features_file: Contents of ``features.npz``, which belongs to the card.
        example: uint8 (n, H, W, C), images for the input example.
        code: Files of the user's code, name beside the model file -> text.

    """
    (folder / "data").mkdir(parents=True)
    for name, content in zip(LARGE_FILES, (model_file, features_file), strict=True):
        (folder / name).write_bytes(content)
    _write(folder / "data" / "card.json", json.dumps(card, ensure_ascii=False, indent=2, default=_plain))
    for name, text in code.items():
        file = folder / "data" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    portable.copy_to(folder / "code" / _PACKAGE, without=("predict.py",))
    _write_environment(folder)
    table = {"columns": ["image"], "data": [[_as_text(image)] for image in example[:_EXAMPLES]]}
    _write(folder / _EXAMPLE_INFO["artifact_path"], json.dumps(table))
    _write(folder / _EXAMPLE_INFO["serving_input_path"], json.dumps({"dataframe_split": table}))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_environment(folder: Path) -> None:
    """Pin what serves the model, in the three ways MLflow's environment managers read."""
    pinned = [f"{name}=={importlib.metadata.version(name)}" for name in _NEEDS]
    python = platform.python_version()
    _write(folder / "requirements.txt", "\n".join(pinned) + "\n")
    _write(
        folder / "python_env.yaml",
        f"python: {python}\nbuild_dependencies:\n- pip\ndependencies:\n- -r requirements.txt\n",
    )
    packages = "".join(f"  - {requirement}\n" for requirement in pinned)
    _write(
        folder / "conda.yaml",
        f"name: mlflow-env\nchannels:\n- conda-forge\ndependencies:\n- python={python}\n- pip\n- pip:\n{packages}",
    )


def _plain(value: "np.generic | NDArray[Any]") -> object:
    """NumPy's numbers as JSON's."""
    return value.tolist()


def _as_text(image: NDArray[np.uint8]) -> str:
    """Return a PNG file of the image as base64, as a client would send it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def find_or_create(client: "MlflowClient", *, experiment_id: str, run_id: str) -> "LoggedModel":
    """Return the run's logged model; a lost answer to an earlier creation makes no second one."""
    from mlflow.exceptions import MlflowException

    found = _find(client, experiment_id, run_id)
    if found is not None:
        return found
    try:
        with calls.asking_once():
            name = _NOT_IN_NAMES.sub("-", client.get_run(run_id).info.run_name or "").strip("-") or "model"
            return client.create_logged_model(experiment_id, name=name, source_run_id=run_id)
    except MlflowException:
        found = _find(client, experiment_id, run_id)
        if found is None:
            raise
        return found


def _find(client: "MlflowClient", experiment_id: str, run_id: str) -> "LoggedModel | None":
    found = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'", max_results=1)
    return found[0] if found else None


def remove(client: "MlflowClient", *, run_id: str) -> None:
    """Remove the run's logged model with its files."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    found = _find(client, client.get_run(run_id).info.experiment_id, run_id)
    if found is not None:
        get_artifact_repository(found.artifact_location, tracking_uri=client.tracking_uri).delete_artifacts()
        client.delete_logged_model(found.model_id)


def complete(folder: Path, logged: "LoggedModel", *, run_id: str) -> None:
    """Write the ``MLmodel`` file, which names the run and the logged model."""
    from mlflow import pyfunc
    from mlflow.models import Model

    model = Model(
        artifact_path=logged.artifact_location,
        run_id=run_id,
        model_id=logged.model_id,
        model_uuid=logged.model_id,
        signature=_signature(),
        saved_input_example_info=_EXAMPLE_INFO,
    )
    pyfunc.add_to_model(
        model,
        loader_module=f"{_PACKAGE}.portable.served_model",
        data="data",
        code="code",
        conda_env="conda.yaml",
        python_env="python_env.yaml",
    )
    model.save(folder / "MLmodel")


def _signature() -> "ModelSignature":
    """One column of anything in, because JSON carries files as text and arrays as lists."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import AnyType, Map

    answers = [
        ColSpec(DataType.string, "label", required=False),
        ColSpec(DataType.double, "probability", required=False),
        ColSpec(Map(DataType.double), "probabilities", required=False),
        ColSpec(DataType.string, "error", required=False),
    ]
    return ModelSignature(inputs=Schema([ColSpec(AnyType(), "image")]), outputs=Schema(answers))
