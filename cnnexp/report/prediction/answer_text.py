"""The sentences about answered images, the same in the terminal and on the page."""

import shlex
from collections.abc import Sequence

from cnnexp.portable.classifier import Classifier
from cnnexp.portable.reference import minimum_probability
from cnnexp.saved import Answer, Prediction
from cnnexp.system.text import listed, plural, printable, program

_SET_LISTED = 8  # classes of a prediction set that are named


def answer_line(prediction: Prediction, *, coverage: float) -> str:
    """One line about an answered image; a second if it is unlike the training data."""
    answer = prediction.answer
    assert answer is not None
    line = (
        f"{printable(prediction.name)}: {printable(answer.label)} {percent(answer.probability)}, "
        f"next {printable(answer.next_best)} {percent(answer.next_probability)}; {coverage:.4g} set: {set_text(answer)}"
    )
    return f"{line}\n  warning: {unlike_text(answer)}" if answer.unlike else line


def failure_line(prediction: Prediction) -> str:
    """One line about an image that could not be read."""
    return f"{printable(prediction.name)}: not answered: {prediction.error}"


def summary_line(count: int, failed: int, unlike: int, seconds: float) -> str:
    """Counts and throughput."""
    parts = [plural(count, "image")]
    if failed:
        parts.append(f"{failed:,} not answered")
    if unlike:
        parts.append(f"{unlike:,} unlike the training data")
    return f"{', '.join(parts)}; {seconds:.2f} s, {count / max(seconds, 1e-9):,.0f} images a second"


def diagnose_line(asked: Sequence[str], *, count: int, unlike: int) -> str:
    """Return the command that says why images are unlike the training data; `asked`: the model and the images."""
    what = "it is" if count == 1 else f"{unlike:,} of {count:,} are"
    return f"why {what} unlike: {program()} diagnose {shlex.join(map(printable, asked))}"


def model_note(model: Classifier, *, coverage: float) -> str:
    """By which threshold it decides, and what its calibration data are too few for; empty if nothing."""
    notes = []
    decision = model.card.decision
    if decision is not None:
        notes.append(f"{printable(decision.positive)} is answered from {percent(decision.threshold)} on")
    if minimum_probability(model.reference.label_scores, coverage) == 0:
        count = len(model.reference.label_scores)
        notes.append(f"the prediction sets hold every class, because {count} calibration images say too little")
    images = len(model.reference.distances)
    if 1 / (images + 1) >= model.card.thresholds.unlike_p:
        notes.append(
            f"{images} images that it was not trained on are too few to call an image unlike the training data"
        )
    return f"note: {'; '.join(notes)}." if notes else ""


def set_text(answer: Answer) -> str:
    """The classes of the prediction set; of many, the most probable ones and how many more."""
    return listed(map(printable, answer.prediction_set), most=_SET_LISTED)


def unlike_text(answer: Answer) -> str:
    """Why an answer should not be trusted."""
    return (
        f"unlike the training data (p = {answer.p_value:.2g}): only this share of ordinary images is as far from them. "
        "The answer may mean nothing."
    )


def percent(share: float) -> str:
    """A probability; 100 % only if it is exactly 1."""
    return f"{share:.1%}" if share < 0.9995 or share == 1 else ">99.9%"
