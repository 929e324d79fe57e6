"""Answers with pictures as one HTML page that opens from disk, written image by image."""

from pathlib import Path
from typing import Self

from cnnexp.portable.classifier import Classifier
from cnnexp.portable.reference import minimum_probability
from cnnexp.report.pages import picture, template
from cnnexp.saved import Answer, Prediction
from cnnexp.system.text import listed, plural, printable

_SET_LISTED = 8  # classes of a prediction set that are named


def answer(prediction: Prediction, *, coverage: float) -> str:
    """One line, and a second where the image is unlike the training data."""
    said = prediction.answer
    assert said is not None
    line = (
        f"{printable(prediction.name)}: {printable(said.label)} {percent(said.probability)}, "
        f"next {printable(said.next_best)} {percent(said.next_probability)}; {coverage:.4g} set: {set_words(said)}"
    )
    return f"{line}\n  warning: {unlike_words(said)}" if said.unlike else line


def failure(prediction: Prediction) -> str:
    """One line about an image that could not be read."""
    return f"{printable(prediction.name)}: not answered: {prediction.error}"


def set_words(said: Answer) -> str:
    """The classes of the prediction set, or as many of them as can be read."""
    return listed(map(printable, said.prediction_set), most=_SET_LISTED)


def unlike_words(said: Answer) -> str:
    """Why an answer should not be trusted."""
    return (
        f"unlike the training data (p = {said.p_value:.2g}): only this share of ordinary images is as far from them. "
        "The answer may mean nothing."
    )


def about_model(model: Classifier, *, coverage: float) -> str:
    """What a reader of the answers has to know about this model; empty if nothing."""
    notes = []
    if minimum_probability(model.reference.label_scores, coverage) == 0:
        count = len(model.reference.label_scores)
        notes.append(f"the prediction sets hold every class, because {count} calibration images say too little")
    judged = len(model.reference.distances)
    if 1 / (judged + 1) >= model.card.thresholds.unlike_p:
        notes.append(f"{judged} calibration images are too few to call an image unlike the training data")
    return f"note: {'; '.join(notes)}." if notes else ""


def summary(count: int, failed: int, unlike: int, seconds: float) -> str:
    """Counts and throughput."""
    parts = [plural(count, "image")]
    if failed:
        parts.append(f"{failed:,} not answered")
    if unlike:
        parts.append(f"{unlike:,} unlike the training data")
    return f"{', '.join(parts)}; {seconds:.2f} s, {count / max(seconds, 1e-9):,.0f} images a second"


def percent(share: float) -> str:
    """A probability; never 100 % unless it is."""
    return f"{share:.1%}" if share < 0.9995 or share == 1 else ">99.9%"


MOST_IMAGES = 500  # on one page: more would neither be looked at nor open quickly


class PageWriter:
    """Each image as the model saw it, its answer, and the training images most like it."""

    def __init__(self, path: Path, model: Classifier, *, coverage: float) -> None:
        self._template = template("prediction/page.html.j2").module
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
