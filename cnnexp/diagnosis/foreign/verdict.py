"""What is said of a foreign model: what it wants, what cannot be told, and what is wrong with what it is given."""

from scipy.special import expit

from cnnexp.diagnosis.foreign.preprocessing import FACTORS, Preprocessing, said_of
from cnnexp.diagnosis.foreign.search import HARMLESS, Option, Step, Wanted
from cnnexp.diagnosis.intervals import exact_interval
from cnnexp.records import Finding

CLASS_ORDER = "class order"
_IDS = {"channels": "P5", "polarity": "P6", "fit": "P7", "kernel": "P7"}
_SCALED = ("0..1", "-1..1", "-0.5..0.5", "imagenet", "image", "data")  # of the order of one
_LEVELS = ("0..255", "means")


def wanted_sentences(wanted: Wanted, *, form: str) -> tuple[str, ...]:
    """Return what the model wants, how sure that is, and what cannot be told; a sentence each."""
    right, count = int(wanted.correct.sum()), len(wanted.correct)
    low, high = exact_interval(right / count, count).tolist()
    score = f"{right} of {count} labelled images ({right / count:.0%}; 99 % interval {low:.0%} to {high:.0%})"
    if not wanted.is_known:
        return (
            "Nothing that was tried makes this model answer better than chance: the best of it answers "
            f"{score}, and the most frequent class alone {wanted.chance:.0%}.",
            "Either the labelled images show other things than the model was trained on, or it wants something that "
            "is not among the usual ways to give images. What follows is no evidence.",
        )
    asked = [step for step in wanted.steps if step.factor != CLASS_ORDER]
    told = [said_of(step.factor, step.possible[0]) for step in asked if step.is_told]
    unknown = [step for step in asked if not step.is_told]
    first = f"This model wants {_list(told)}." if told else "Every usual way to give images does equally well."
    found = [
        first,
        f"Given so, it answers {score} right, none of which had a part in the choice; the most frequent class alone "
        f"would be {wanted.chance:.0%}.",
    ]
    found += _of_boundary(wanted)
    found += [f"The {FACTORS[step.factor]} cannot be told: {_equal(step)}." for step in unknown]
    found += _of_order(wanted)
    if form == "logits":
        found.append("Its outputs are no probabilities: softmax is applied to them here, as you have to do.")
    return tuple(found)


def _equal(step: Step) -> str:
    if len(step.possible) == len(step.options):
        return "no choice does worse than the others"
    names = [f"“{said_of(step.factor, name)}”" for name in step.possible]
    return f"{' and '.join(names)} do equally well"


def _list(names: list[str]) -> str:
    return "; ".join(names)


def _of_boundary(wanted: Wanted) -> list[str]:
    boundary = wanted.fitted.boundary
    if boundary is None:
        return []
    return [
        "By its higher output it would be no better than chance: it answers nearly all of these images alike. What its "
        f"outputs tell is their order, so output 1 is answered here from {expit(boundary):.2g} on. If the labelled "
        "images show other classes than it was trained on, this is no evidence of what it wants."
    ]


def _of_order(wanted: Wanted) -> list[str]:
    step = wanted.step(CLASS_ORDER)
    if step is None:
        return []
    other = step.options[1]
    if step.is_told:
        return [
            f"Its outputs are in another order than the classes: in theirs it would answer {other.accuracy:.0%} right."
        ]
    return ["Whether its outputs are in the order of the classes cannot be told."]


def judge_given(wanted: Wanted, given: Preprocessing | None) -> tuple[Finding, ...]:
    """Return what is wrong with a way to give images, what costs most first; None: it is not known.

    A wrong order of the classes is found without it.
    """
    found = []
    for step in wanted.steps if wanted.is_known else ():
        wrong = _given_option(step, given)
        if wrong is not None and wrong.is_excluded and wanted.accuracy - wrong.accuracy >= HARMLESS:
            found.append(_finding(step, wrong, wanted))
    return tuple(sorted(found, key=lambda finding: -finding.evidence["lost"]))


def _given_option(step: Step, given: Preprocessing | None) -> Option | None:
    """Return the choice of a step that was made; None: the right one, or not known."""
    name = "as named" if step.factor == CLASS_ORDER else None if given is None else getattr(given, step.factor)
    return next((option for option in step.options if option.name == name and not option.chosen), None)


def _finding(step: Step, wrong: Option, wanted: Wanted) -> Finding:
    lost = wanted.accuracy - wrong.accuracy
    if step.factor == CLASS_ORDER:
        return Finding(
            id="L4",
            cause=1,
            title="another class order",
            sentence=f"The outputs stand for the classes in another order: read in theirs, {wrong.accuracy:.0%} of the "
            f"answers are right instead of {wanted.accuracy:.0%}.",
            evidence={"accuracy": wrong.accuracy, "wanted": wanted.accuracy, "lost": lost, "p_value": wrong.p_value},
            confidence=1 - wrong.p_value,
            repair="Name the classes in the order that is listed here.",
        )
    right, given = said_of(step.factor, step.options[0].name), said_of(step.factor, wrong.name)
    return Finding(
        id=_id(step, wrong),
        cause=1,
        title=FACTORS[step.factor],
        sentence=f"You give {given}; the model wants {right}. This step alone takes {lost:.0%} of the answers "
        f"({wrong.accuracy:.0%} right instead of {wanted.accuracy:.0%}).",
        evidence={"accuracy": wrong.accuracy, "wanted": wanted.accuracy, "lost": lost, "p_value": wrong.p_value},
        confidence=1 - wrong.p_value,
        repair="Prepare images by the lines that are listed here.",
    )


def _id(step: Step, wrong: Option) -> str:
    """Return the id of the fault catalogue."""
    if step.factor != "values":
        return _IDS[step.factor]
    right = step.options[0].name
    if wrong.name in _LEVELS and right in _SCALED:
        return "P1"
    return "P2" if wrong.name in _SCALED and right in _LEVELS else "P4"
