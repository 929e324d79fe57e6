"""The verdict on one image, in one paragraph: the first of the possible reasons that the evidence supports."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.diagnosis.image.class_record import ClassRecord
from cnnexp.records import Finding

CERTAIN = 0.9  # confidence from which a fact of the file alone explains the answer
WEAK_RECALL = 0.7  # below, errors on a class say more about the class than about one image


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageEvidence:
    """What is known of one image."""

    facts: tuple[Finding, ...]
    label: str  # the answer
    probability: float
    prediction_set: tuple[str, ...]
    true_label: str | None  # None: it was not given
    p_value: float | None  # of the distance to the training images
    unlike_p: float  # below it an image is called unlike
    record: ClassRecord | None  # of the true class, else of the answer; None: the run's test answers are not known
    neighbours: Sequence[str]  # labels of the training images most like it

    @property
    def is_unlike(self) -> bool:
        """Whether fewer ordinary images than the card's share are as far from the training images."""
        return self.p_value is not None and self.p_value < self.unlike_p


def judge(image: ImageEvidence) -> Finding:
    """Return the verdict: a fact of the file, an image unlike all others, or an ordinary image that is hard."""
    certain = [fact for fact in image.facts if fact.confidence >= CERTAIN]
    if certain:
        return certain[0]
    return _unlike(image) if image.is_unlike else _ordinary(image)


def _unlike(image: ImageEvidence) -> Finding:
    assert image.p_value is not None
    hint = f" What is known of the file may explain it: {image.facts[0].title}." if image.facts else ""
    return Finding(
        id="I1",
        cause=5,
        title="unlike the training images",
        sentence=f"Only {image.p_value:.2g} of ordinary images are as far from the training images: it may show "
        f"something that the network never learned, or look as no training image does.{hint} The answer means little.",
        evidence={"p_value": image.p_value},
        confidence=1 - image.p_value,
        repair="Add images like it to the training data, or do not ask this network about them.",
    )


def _ordinary(image: ImageEvidence) -> Finding:
    if image.true_label == image.label:
        return _correct(image)
    parts = ["The image is like the training images" if image.p_value is not None else "Nothing unusual was found"]
    if len(image.prediction_set) > 1:
        parts.append(f"the classes that remain possible are {', '.join(image.prediction_set)}")
    sentence = "; ".join(parts) + "."
    if image.record is not None and image.record.recall is not None:
        sentence += f" {_of_class(image.record)}"
    if image.neighbours:
        same = sum(label == image.label for label in image.neighbours)
        sentence += f" Of the {len(image.neighbours)} training images most like it, {same} are {image.label}."
    weak = image.record is not None and image.record.recall is not None and image.record.recall < WEAK_RECALL
    evidence = {} if image.p_value is None else {"p_value": image.p_value}
    if image.record is not None and image.record.recall is not None:
        evidence["recall"] = image.record.recall
    return Finding(
        id="I4",
        cause=5,
        title="a weak class" if weak else "ordinary, but hard",
        sentence=sentence,
        evidence=evidence,
        confidence=0.5,
        repair="Add training images of the classes that are confused, or look at the labels of those most like it.",
    )


def _correct(image: ImageEvidence) -> Finding:
    return Finding(
        id="I0",
        cause=5,
        title="answered right",
        sentence=f"The answer is the true class, {image.label}, with a probability of {image.probability:.0%}.",
        evidence={"probability": image.probability},
        confidence=image.probability,
        repair="",
    )


def _of_class(record: ClassRecord) -> str:
    confused = ", ".join(f"{name} ({count})" for name, count in record.confused_with)
    found = f"Of {record.images} test images of {record.name}, {record.recall:.0%} were answered right"
    return f"{found}; the others as {confused}." if confused else f"{found}."
