"""The logged model as ``mlflow models serve`` and ``mlflow.pyfunc.load_model`` run it.

Keras, NumPy, pandas and Pillow are enough to serve.

One column in, ``image``: an image file as bytes or as base64 text, or pixels, whole numbers from 0 to 255. Four columns
out: ``label``, ``probability``, ``probabilities`` (class name to probability) and ``error`` (why there is no
answer for this row; null when there is one).
"""

import base64
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..images import ImageSpec, UnreadableImageError, read_image
from .card import UnfitModelError
from .classifier import Classifier, load
from .decision import decide
from .delta import deltas, restore

_CHUNK = 256  # images in memory at once
_URL_SAFE = str.maketrans("-_", "+/")  # the other alphabet of base64


def _load_pyfunc(data_path: str) -> "ImageModel":
    """Load the model; the name and the argument are MLflow's."""
    folder = Path(data_path)
    if not deltas(folder):
        return ImageModel(load(folder))
    with tempfile.TemporaryDirectory() as copy:
        whole = Path(shutil.copytree(folder, Path(copy) / "data"))
        restore(whole, _read_base)
        return ImageModel(load(whole))


def _read_base(run: str, name: str) -> bytes:
    import mlflow.artifacts

    try:
        return Path(mlflow.artifacts.download_artifacts(run_id=run, artifact_path=name)).read_bytes()
    except Exception as error:  # whatever the store raises
        raise UnfitModelError(
            f"The runs of a sweep share what is alike in their models; that of this one is {name} among the artifacts "
            f"of run {run}, which the store {mlflow.get_tracking_uri()} does not give: {error}. Set "
            "MLFLOW_TRACKING_URI to the store of that run; or make a model without it: cnnexp export RUN FOLDER"
        ) from error


@dataclass(frozen=True, slots=True)
class ImageModel:
    """Answers a table of image files or arrays with a table."""

    classifier: Classifier

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Answer each row of the column ``image``; a row that cannot be read gets the reason in ``error``."""
        sources = list(model_input["image"])
        chunks = (sources[start : start + _CHUNK] for start in range(0, len(sources), _CHUNK))
        answers = [answer for chunk in chunks for answer in self._answer(chunk)]
        columns = ["label", "probability", "probabilities", "error"]
        return pd.DataFrame(answers, columns=columns, index=model_input.index, dtype=object)

    def _answer(self, sources: list[Any]) -> list[dict[str, Any]]:
        read = [_read(source, self.classifier.card.image) for source in sources]
        images = [image for image in read if not isinstance(image, str)]
        rows = iter(self.classifier.forward(np.stack(images))[0] if images else ())
        return [_failure(image) if isinstance(image, str) else self._success(next(rows)) for image in read]

    def _success(self, row: NDArray[np.float32]) -> dict[str, Any]:
        card = self.classifier.card
        best = int(decide(row[None], card.class_names, card.decision)[0])
        return {
            "label": card.class_names[best],
            "probability": float(row[best]),
            "probabilities": dict(zip(card.class_names, row.tolist(), strict=True)),
            "error": None,
        }


def _failure(reason: str) -> dict[str, Any]:
    return {"label": None, "probability": None, "probabilities": None, "error": reason}


def _read(source: object, spec: ImageSpec) -> NDArray[np.uint8] | str:
    """Return the pixels, or why the image cannot be read."""
    try:
        return read_image(_decoded(source), spec)
    except UnreadableImageError as error:
        return str(error)


def _decoded(source: object) -> bytes | NDArray[Any]:
    """Return an image as the content of a file or as pixels; never a path, which a client could choose."""
    if isinstance(source, str):
        return _file_in_text(source)
    if isinstance(source, bytes) or (isinstance(source, np.ndarray) and source.dtype.kind in "bu"):
        return source
    return _whole_pixels(source)


def _file_in_text(text: str) -> bytes:
    """Decode base64 as programs write it: in lines, as a ``data:`` URI, URL-safe, or without padding."""
    if text[:5].lower() == "data:":
        text = unquote(text.partition(";base64,")[2])
    digits = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError:
        raise UnreadableImageError("An image in text must be the base64 of an image file; this is not.") from None


def _whole_pixels(source: object) -> NDArray[np.uint8]:
    """Return numbers, such as nested lists of JSON, as pixels; those that were scaled to 0..1 are refused."""
    try:
        given = np.asarray(source)
        pixels = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        given = pixels = np.empty(0)
    if pixels.ndim < 2 or pixels.size == 0 or not (pixels.min() >= 0 and pixels.max() <= 255):  # also false for NaN
        raise UnreadableImageError(
            "An image in numbers must be rows of pixels from 0 to 255, all rows of one length; this is not."
        )
    if (np.rint(pixels) != pixels).any() or (given.dtype.kind == "f" and 0 < pixels.max() <= 1):
        raise UnreadableImageError(
            "Pixels in numbers must be whole, from 0 to 255; these have fractions or end at 1. The model scales them "
            "itself: multiply pixels from 0 to 1 by 255, and round."
        )
    return pixels.astype(np.uint8)
