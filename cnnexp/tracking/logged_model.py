"""The model of a run as an MLflow model that loads and serves without this package.

What it is made of is laid out in the outbox when the run ends; whoever delivers makes an MLflow model of it. A loader
module, rather than a pickled or executed ``python_model``, lets MLflow write it without importing Keras, and written
requirements spare the seconds of guessing them.
"""

import base64
import importlib.metadata
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Images

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature

PACKAGE = "cnnexp_served"  # name of the folder of code inside the model
_SOURCES = ("images.py", "served_model.py")
_NEEDS = ("mlflow", "tensorflow", "keras", "numpy", "pandas", "pillow")
_EXAMPLES = 2  # images in the input example


def lay_out(folder: Path, *, model_file: bytes, card: Mapping[str, Any], example: Images) -> None:
    """Write into `folder` all that :func:`build` needs, so that it can be built later, by another version of cnnexp.

    Parameters
    ----------
    folder
        Does not exist yet.
    model_file
        A ``.keras`` file that takes uint8 (N, H, W, C).
    card
        Contents of ``card.json``.
    example
        uint8 (n, H, W, C), images for the input example.

    """
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "model.keras").write_bytes(model_file)
    (folder / "data" / "card.json").write_text(json.dumps(card, ensure_ascii=False, indent=2), encoding="utf-8")
    code = folder / PACKAGE
    code.mkdir()
    (code / "__init__.py").touch()
    for name in _SOURCES:
        shutil.copyfile(Path(__file__).parents[1] / name, code / name)
    requirements = [f"{name}=={importlib.metadata.version(name)}" for name in _NEEDS]
    (folder / "requirements.json").write_text(json.dumps(requirements))
    (folder / "example.json").write_text(json.dumps([_as_text(image) for image in example[:_EXAMPLES]]))


def _as_text(image: NDArray[np.uint8]) -> str:
    """Return a PNG file of the image as base64, as a client would send it."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def find_or_create(client: "MlflowClient", *, experiment_id: str, run_id: str) -> str:
    """Return the id of the run's logged model; a lost answer to an earlier creation makes no second one."""
    found = client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'", max_results=1)
    if found:
        return str(found[0].model_id)
    return str(client.create_logged_model(experiment_id, name="model", source_run_id=run_id).model_id)


def build(folder: Path, destination: Path, *, run_id: str, model_id: str) -> None:
    """Make an MLflow model in `destination` of what :func:`lay_out` left in `folder`."""
    import pandas as pd
    from mlflow import pyfunc
    from mlflow.models import Model

    pyfunc.save_model(
        destination,
        loader_module=f"{PACKAGE}.served_model",
        data_path=str(folder / "data"),
        code_paths=[str(folder / PACKAGE)],
        mlflow_model=Model(run_id=run_id, model_id=model_id),
        signature=_signature(),
        input_example=pd.DataFrame({"image": json.loads((folder / "example.json").read_text())}),
        pip_requirements=json.loads((folder / "requirements.json").read_text()),
    )


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
