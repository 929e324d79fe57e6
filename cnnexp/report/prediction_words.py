"""What a saved model says about images, in lines for the terminal."""

from cnnexp.portable.classifier import Classifier
from cnnexp.portable.reference import least_probability
from cnnexp.printable import printable
from cnnexp.saved.prediction import Answer, Prediction

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
    names = said.prediction_set
    more = f" and {len(names) - _SET_LISTED} more" if len(names) > _SET_LISTED else ""
    return ", ".join(map(printable, names[:_SET_LISTED])) + more


def unlike_words(said: Answer) -> str:
    """Why an answer should not be trusted."""
    return (
        f"unlike the training data (p = {said.p_value:.2g}): only this share of ordinary images is as far from them. "
        "The answer may mean nothing."
    )


def about_model(model: Classifier, *, coverage: float) -> str:
    """What a reader of the answers has to know about this model; empty if nothing."""
    notes = []
    if least_probability(model.reference.label_scores, coverage) == 0:
        count = len(model.reference.label_scores)
        notes.append(f"the prediction sets hold every class, because {count} calibration images say too little")
    judged = len(model.reference.distances)
    if 1 / (judged + 1) >= model.card.thresholds.unlike_p:
        notes.append(f"{judged} calibration images are too few to call an image unlike the training data")
    return f"note: {'; '.join(notes)}." if notes else ""


def summary(count: int, failed: int, unlike: int, seconds: float) -> str:
    """Counts and throughput."""
    parts = [f"{count:,} images"]
    if failed:
        parts.append(f"{failed:,} not answered")
    if unlike:
        parts.append(f"{unlike:,} unlike the training data")
    return f"{', '.join(parts)}; {seconds:.2f} s, {count / max(seconds, 1e-9):,.0f} images a second"


def percent(share: float) -> str:
    """A probability; never 100 % unless it is."""
    return f"{share:.1%}" if share < 0.9995 or share == 1 else ">99.9%"
