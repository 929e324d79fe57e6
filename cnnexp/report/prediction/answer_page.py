"""Answers with pictures as one HTML page that opens from disk, written image by image.

Where the network looks costs about as much as the answer, by gradients; where it has to be found by occlusion, eighty
times as much, and is shown by ``cnnexp diagnose`` alone.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from cnnexp.models.heat_maps import OCCLUSION
from cnnexp.portable.classifier import Classifier
from cnnexp.report.pages import overlaid, picture, template
from cnnexp.report.prediction.answer_text import model_note, percent, set_text, unlike_text
from cnnexp.saved import Answer, Prediction
from cnnexp.saved.looks import heat_maps, mapper_of
from cnnexp.system.text import printable

MOST_IMAGES = 500  # on one page; with more it opens slowly, and nobody looks at so many
_IMAGE, _NEIGHBOUR = 112, 72  # pixels of a side, as the style shows them


class PageWriter:
    """Each image as the model saw it, where it looked, its answer, and the training images most like it."""

    def __init__(self, path: Path, model: Classifier, *, coverage: float) -> None:
        self._template = template("prediction/page.html.j2").module
        self._file = path.open("w", encoding="utf-8", errors="replace")
        self._model = model
        self._coverage = coverage
        mapper = mapper_of(model)
        self._mapper = None if mapper.method == OCCLUSION else mapper
        self._count = 0

    def __enter__(self) -> Self:
        note = model_note(self._model, coverage=self._coverage)
        with ExitStack() as stack:
            stack.push(self._file)  # it is closed where it cannot be written
            self._file.write(self._template.head(self._model.card, self._coverage, note))  # type: ignore[attr-defined]
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            self._file.write(self._template.foot(max(0, self._count - MOST_IMAGES)))  # type: ignore[attr-defined]

    def write(self, prediction: Prediction) -> None:
        """Add one image; beyond ``MOST_IMAGES`` they are only counted."""
        self._count += 1
        if self._count > MOST_IMAGES:
            return
        answer = prediction.answer
        reference = self._model.reference
        names = self._model.card.class_names
        nearest = [
            (picture(reference.pixels[row], side=_NEIGHBOUR), names[label], printable(reference.files[row]))
            for row, label in ((row, reference.labels[row]) for row in prediction.nearest)
        ]
        block = self._template.image(  # type: ignore[attr-defined]
            name=printable(prediction.name),
            error=prediction.error,
            picture=None if prediction.pixels is None else picture(prediction.pixels, side=_IMAGE),
            looked_at=self._looked_at(prediction, answer),
            answer=answer,
            probability=answer and percent(answer.probability),
            next_probability=answer and percent(answer.next_probability),
            set=answer and set_text(answer),
            warning=unlike_text(answer) if answer and answer.unlike else "",
            nearest=nearest,
        )
        self._file.write(block)

    def _looked_at(self, prediction: Prediction, answer: Answer | None) -> str | None:
        """Return the picture of what speaks for the answer, where gradients tell it."""
        if self._mapper is None or answer is None or prediction.pixels is None:
            return None
        (heat,) = heat_maps(self._model, self._mapper, prediction, [answer.label])
        return picture(overlaid(prediction.pixels, heat.values), side=_IMAGE)
