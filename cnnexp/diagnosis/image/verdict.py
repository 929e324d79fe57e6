"""The verdict on one image, in one paragraph: the first of the possible reasons that the evidence supports."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.diagnosis.image.class_record import ClassRecord
from cnnexp.diagnosis.image.confirm import NAMED, POSSIBLE_P, Candidate, Suspicion
from cnnexp.diagnosis.image.kinds import OTHER, Kind
from cnnexp.diagnosis.image.sets import ACCUSE_P, SetSuspicion
from cnnexp.records import Finding

CERTAIN = 0.9  # confidence from which a fact of the file alone explains the answer
LIKELY = 0.5  # confidence from which a fact of the file is offered as a reason
SIMULATED_FACTS = frozenset({"grey"})  # facts of files that are kinds of mismatch, too
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
    suspicion: Suspicion | None = None  # what the simulated mismatches say; None: too few images travel with the model
    stable: float | None = None  # share of small changes that leave the answer as it is, 0..1; None: not tried
    is_learned: bool = False  # whether the network was trained on this very image

    @property
    def is_unlike(self) -> bool:
        """Whether fewer ordinary images than the card's share are as far from the training images."""
        return self.p_value is not None and self.p_value < self.unlike_p


def judge(image: ImageEvidence, kinds: Sequence[Kind]) -> Finding:
    """Return the verdict: a fact of the file, a mismatch, an image unlike all others, or an ordinary one that is hard.

    `kinds` are those that were simulated.
    """
    certain = [fact for fact in image.facts if fact.confidence >= CERTAIN and not _is_not_all(fact, image.suspicion)]
    if certain:
        return certain[0]
    if image.suspicion is not None and (named := image.suspicion.named):
        return _mismatch(named, image.suspicion, kinds)
    accused = image.suspicion is not None and image.suspicion.is_accused
    return _unlike(image, kinds) if image.is_unlike or accused else _ordinary(image)


def _is_not_all(fact: Finding, suspicion: Suspicion | None) -> bool:
    """Return whether images that are ordinary but for a fact of the file look otherwise: a grey shoe among hands."""
    if suspicion is None or not suspicion.is_accused or fact.title not in SIMULATED_FACTS:
        return False
    own = next((one for one in suspicion.candidates if one.kind == fact.title), None)
    return own is None or own.typical_p < POSSIBLE_P


def _mismatch(named: Sequence[Candidate], suspicion: Suspicion, kinds: Sequence[Kind]) -> Finding:
    evidence = {
        "clean_p": suspicion.clean_p,
        "kind_p": suspicion.kind_p,
        "named_p": suspicion.named_p,
        "share": named[0].share,
        "typical_p": named[0].typical_p,
    }
    if (restored := named[0].undone_p) is not None:
        evidence["undone_p"] = restored
    if (nearly := named[0].restored_p) is not None:
        evidence["restored_p"] = nearly
    proof = f"Of ordinary images {_small(min(suspicion.kind_p, suspicion.named_p))} look so" + (
        f", and with the change undone it looks as {restored:.0%} of them do."
        if restored is not None
        else "; training images changed in this way look like it."
    )
    return named_finding([one.kind for one in named], kinds, proof=proof, evidence=evidence)


def named_finding(
    names: Sequence[str], kinds: Sequence[Kind], *, proof: str, evidence: dict[str, float], of_each: bool = False
) -> Finding:
    """Return the finding of one kind, or of several that cannot be separated, the most probable first.

    `of_each`: it is said of each image of a set.
    """
    by_name = {kind.name: kind for kind in kinds}
    whats = [_of_each(by_name[name].what) if of_each else by_name[name].what for name in names]
    reasons, what = " or ".join(whats), "The same is wrong with all of them:" if of_each else "Most probably"
    return Finding(
        id="I3",
        cause=5,
        title=" or ".join(names),
        sentence=f"{what} {reasons}. {proof}",
        evidence=evidence,
        confidence=evidence["share"],
        repair=by_name[names[0]].repair,
        alternatives=tuple(f"I3 {name}" for name in names[1:]),
    )


def _of_each(what: str) -> str:
    """Return a clause about it as one about each image."""
    if what.startswith("it "):
        return f"each {what.removeprefix('it ')}"
    return f"the {what.removeprefix('its ')}" if what.startswith("its ") else what


def _small(share: float) -> str:
    if share < 0.001:
        return "fewer than 0.1%"
    return f"at most {share:.1%}" if share < 0.1 else f"{share:.0%}"


def _unlike(image: ImageEvidence, kinds: Sequence[Kind]) -> Finding:
    accused = image.suspicion is not None and image.suspicion.is_accused
    p = min(
        image.p_value if image.p_value is not None else 1.0,
        image.suspicion.clean_p if image.suspicion is not None and accused else 1.0,
    )
    looked = "" if image.suspicion is None else _looked(image.suspicion, kinds)
    return Finding(
        id="I1",
        cause=5,
        title="unlike the training images",
        sentence=f"Of ordinary images {_small(p)} are as unlike the training images: it may show something that the "
        f"network never learned, or look as no training image does.{looked}{_hint(image.facts)} "
        "The answer means little.",
        evidence={"p_value": p},
        confidence=1 - p,
        repair="Add images like it to the training data, or do not ask this network about them.",
    )


def _hint(facts: Sequence[Finding]) -> str:
    """Offer what a file says of itself as a reason."""
    known = [fact for fact in facts if fact.confidence >= LIKELY]
    return f" What is known of the file may explain it: {known[0].title}." if known else ""


def _looked(suspicion: Suspicion, kinds: Sequence[Kind]) -> str:
    """Say that mismatches do not explain an image, and which one may, or only seems to."""
    first = suspicion.candidates[0]
    what = next((kind.what for kind in kinds if kind.name == first.kind), "")
    if first.is_confirmed and first.is_possible:
        return f" It may be that {what}, but changes without a name here look like that, too."
    if first.kind != OTHER and first.is_possible and first.share >= NAMED:
        return f" It may be that {what}, but hardly any image that is so looks like it, so that may not be all."
    if first.restored_p is None or first.is_possible:
        return " None of the mismatches that were tried explains it."
    return f" It looks as if {what}, but with that undone it stays as unlike, so that is not all."


def judge_set(found: SetSuspicion, kinds: Sequence[Kind]) -> Finding:
    """Return the verdict on several images together."""
    if found.named:
        first = found.named[0]
        proof = (
            f"{found.explained} of {found.images} images look so; of ordinary sets of as many, "
            f"{_small(found.clean_p)} look as little like the training images."
        )
        if first.undone_p is not None:
            proof += f" With the change undone, they look as {first.undone_p:.0%} of ordinary sets do."
        evidence = {"clean_p": found.clean_p, "share": first.share, "typical": first.typical}
        names = [one.kind for one in found.named]
        return named_finding(names, kinds, proof=proof, evidence=evidence, of_each=True)
    if found.is_accused:
        return Finding(
            id="I1",
            cause=5,
            title="unlike the training images",
            sentence=f"Taken together, these {found.images} images are unlike the training images (of ordinary sets "
            f"{_small(found.clean_p)} are as unlike), and none of the mismatches that were tried explains all of them.",
            evidence={"clean_p": found.clean_p},
            confidence=1 - found.clean_p,
            repair="Look at them beside training images: another camera, another place, or classes never learned.",
        )
    return Finding(
        id="I4",
        cause=5,
        title="ordinary",
        sentence=f"Taken together, these {found.images} images are like the training images: of ordinary sets "
        f"{_small(found.clean_p)} look less like them, and fewer than {ACCUSE_P:.1%} would have to.",
        evidence={"clean_p": found.clean_p},
        confidence=0.5,
        repair="",
    )


def _ordinary(image: ImageEvidence) -> Finding:
    if image.true_label == image.label:
        return _correct(image)
    usual = "The image is like the training images" if image.p_value is not None else "Nothing unusual was found"
    parts = ["The network was trained on this very image, pixel for pixel" if image.is_learned else usual]
    if len(image.prediction_set) > 1:
        parts.append(f"the classes that remain possible are {', '.join(image.prediction_set)}")
    sentence = "; ".join(parts) + "." + _hint(image.facts)
    if image.record is not None and image.record.recall is not None:
        sentence += f" {_of_class(image.record)}"
    if image.neighbours:
        same = sum(label == image.label for label in image.neighbours)
        sentence += f" Of the {len(image.neighbours)} training images most like it, {same} are {image.label}."
    if image.stable is not None and image.stable < 1:
        sentence += f" Of small shifts and changes of brightness, {1 - image.stable:.0%} change the answer."
    weak = image.record is not None and image.record.recall is not None and image.record.recall < WEAK_RECALL
    evidence = {} if image.p_value is None else {"p_value": image.p_value}
    if image.record is not None and image.record.recall is not None:
        evidence["recall"] = image.record.recall
    return Finding(
        id="I4",
        cause=5,
        title="a weak class" if weak else "ordinary, but hard" if _is_hard(image) else "ordinary",
        sentence=sentence,
        evidence=evidence,
        confidence=0.5,
        repair="Add training images of the classes that are confused, or look at the labels of those most like it."
        if weak or _is_hard(image)
        else "",
    )


def _is_hard(image: ImageEvidence) -> bool:
    """Whether anything speaks against the answer: the truth, another class that remains possible, a small change."""
    return (
        image.true_label is not None or len(image.prediction_set) > 1 or (image.stable is not None and image.stable < 1)
    )


def _correct(image: ImageEvidence) -> Finding:
    return Finding(
        id="I0",
        cause=5,
        title="answered right",
        sentence=f"The answer is the true class, {image.label}, with a probability of {image.probability:.0%}."
        + (" It says little: the network was trained on this very image." if image.is_learned else ""),
        evidence={"probability": image.probability},
        confidence=image.probability,
        repair="",
    )


def _of_class(record: ClassRecord) -> str:
    confused = ", ".join(f"{name} ({count})" for name, count in record.confused_with)
    found = f"Of {record.images} test images of {record.name}, {record.recall:.0%} were answered right"
    return f"{found}; the others as {confused}." if confused else f"{found}."
