"""Answers with pictures as one HTML page that opens from disk, written image by image."""

import base64
import io
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cnnexp.portable.classifier import Classifier
from cnnexp.printable import printable
from cnnexp.report.pages import template
from cnnexp.report.prediction_words import about_model, percent, set_words, unlike_words
from cnnexp.saved.prediction import Prediction

MOST_IMAGES = 500  # on one page: more would neither be looked at nor open quickly


class PageWriter:
    """Each image as the model saw it, its answer, and the training images most like it."""

    def __init__(self, path: Path, model: Classifier, *, coverage: float) -> None:
        self._template = template("prediction_page.html.j2").module
        self._file = path.open("w", encoding="utf-8", errors="replace")
        self._model = model
        self._coverage = coverage
        self._count = 0

    def __enter__(self) -> Self:
        note = about_model(self._model, coverage=self._coverage)
        self._file.write(self._template.head(self._model.card, self._coverage, note))  # type: ignore[attr-defined]
        return self

    def __exit__(self, *_: object) -> None:
        self._file.write(self._template.foot(max(0, self._count - MOST_IMAGES)))  # type: ignore[attr-defined]
        self._file.close()

    def write(self, prediction: Prediction) -> None:
        """Add one image; beyond ``MOST_IMAGES`` they are only counted."""
        self._count += 1
        if self._count > MOST_IMAGES:
            return
        said = prediction.answer
        known = self._model.reference
        names = self._model.card.class_names
        nearest = [
            (picture(known.pixels[row]), names[known.labels[row]], printable(known.files[row]))
            for row in prediction.nearest
        ]
        block = self._template.image(  # type: ignore[attr-defined]
            name=printable(prediction.name),
            error=prediction.error,
            picture=None if prediction.pixels is None else picture(prediction.pixels),
            answer=said,
            probability=said and percent(said.probability),
            next_probability=said and percent(said.next_probability),
            set=said and set_words(said),
            warning=unlike_words(said) if said and said.unlike else "",
            nearest=nearest,
        )
        self._file.write(block)


def picture(pixels: NDArray[np.uint8]) -> str:
    """Return the address of a picture that is inside the page; `pixels` is (H, W, 1 or 3)."""
    file = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels).save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
