"""The logged model as ``mlflow models serve`` and ``mlflow.pyfunc.load_model`` run it.

Keras, NumPy, pandas and Pillow are enough to serve.

One column in, ``image``: an image file as bytes or base64 text, or an array as :func:`read_image` takes it. Four
columns out: ``label``, ``probability``, ``probabilities`` (class name to probability) and ``error`` (why there is no
answer for this row; null when there is one).
"""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..images import ImageSpec, UnreadableImageError, read_image
from .classifier import Classifier, load

_CHUNK = 256  # images in memory at once


def _load_pyfunc(data_path: str) -> "ImageModel":
    """Load the model; the name and the argument are MLflow's."""
    return ImageModel(load(Path(data_path)))


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
        best = int(row.argmax())
        return {
            "label": self.classifier.card.class_names[best],
            "probability": float(row[best]),
            "probabilities": dict(zip(self.classifier.card.class_names, row.tolist(), strict=True)),
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
    """Return an image from JSON as bytes or pixels: base64 text to bytes, nested lists to pixels."""
    if isinstance(source, bytes | np.ndarray):
        return source  # never a path: a server must not open files that a client names
    if isinstance(source, str):
        try:
            return base64.b64decode(source, validate=True)
        except (binascii.Error, ValueError):
            raise UnreadableImageError("An image in text must be the base64 of an image file; this is not.") from None
    try:
        pixels = np.array(source, dtype=np.float64)
    except (TypeError, ValueError):
        pixels = np.empty(0)
    if (
        pixels.ndim < 2
        or pixels.size == 0
        or not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 255)
    ):
        raise UnreadableImageError(
            "An image in numbers must be rows of pixels from 0 to 255, all rows of one length; this is not."
        )
    whole = pixels.astype(np.uint8)
    if (whole != pixels).any():
        raise UnreadableImageError(
            "Pixels in numbers must be whole, from 0 to 255; these have fractions. "
            "Multiply pixels from 0 to 1 by 255, and round."
        )
    return whole
