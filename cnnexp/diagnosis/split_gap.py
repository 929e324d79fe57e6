"""Cause 1d, the split: does the network do as well on the test images as on the validation images?

Neither was trained on. Validation chose the epoch, which flatters it by a point or two; anything above has a reason,
and where none is found, that is said.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cnnexp.data_check.non_iid import kolmogorov
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import LEVEL, SplitsEvidence, combination_interval
from cnnexp.diagnosis.pixel_statistics import distances, names_of, statistics_of
from cnnexp.records import DataIssue, Finding
from cnnexp.records.catalogue import UNKNOWN
from cnnexp.system.text import listed

LEAST_GAP = 0.05  # of accuracy, and ...
SURE_GAP = 0.02  # ... at least this at the low end of its 99 % interval: what choosing an epoch flatters
LEAST_ASKED = 0.03  # from here on, changes of the pixels are tried: they are tested image by image
SURE_OF_IMAGES = 0.95  # level of the interval that excludes 0, where the images surely differ
OF_TRAIN = "train_above_validation"  # evidence of what the training images alone have, or all but they
GAP = "gap_of_splits"  # evidence of how far one of two splits that were not trained on is below the other
OF_VALIDATION = "test_above_validation"  # evidence of what the validation images alone have
GAP_OF_TRAIN = 0.10  # of train over validation; CIFAR-10 and good networks have 0.05 to 0.08 of over-fitting alone
# Numbers of the pixels of two splits, beyond those that the data check compares.
FEWEST = 60  # images of each
CHANCE = 0.001  # that a difference is seen between splits drawn alike, over all numbers
LEAST_APART = 0.15  # Kolmogorov-Smirnov distance, 0..1
LOOKS_THE_SAME = ("P3", "P9", "P7", "P5", "P6")  # what changes pixels between splits, the most frequent first


@dataclass(frozen=True, slots=True)
class Gap:
    """Two splits that were not trained on, of which one is far below the other."""

    worse: str
    better: str
    gap: float  # of accuracy, at equal class shares
    low: float  # 99 % interval
    high: float

    @property
    def place(self) -> dict[str, float]:
        """Evidence that train or validation is the odd one out; empty: the test is."""
        if self.better == "train":
            return {OF_TRAIN: self.gap}
        return {OF_VALIDATION: self.gap} if self.worse == "validation" else {}


def worse_split(run: SplitsEvidence) -> Gap | None:
    """Return which of test and validation is far below the other; None where neither is."""
    found = lower_split(run)
    if found is None or found.gap < LEAST_GAP:
        return None
    return found if found.low >= SURE_GAP or _is_surely_lower(found, run) else None


def _is_surely_lower(gap: Gap, run: SplitsEvidence) -> bool:
    """Return whether a split is lower where its images differ by the data check: that needs less of the accuracies.

    Not where those of the other one do, too: then it is train that is unlike both.
    """
    if not differs(gap.worse, run) or differs(gap.better, run):
        return False
    return accuracy_difference(run, gap.better, gap.worse, level=SURE_OF_IMAGES)[1] > 0


def lower_split(run: SplitsEvidence) -> Gap | None:
    """Return which of test and validation is below the other, by however little; None: answers are not known."""
    if not {"validation", "test"} <= run.answers.keys():
        return None
    gap, low, high = accuracy_difference(run, "validation", "test")
    if gap > 0:
        return Gap("test", "validation", gap, low, high)
    return Gap("validation", "test", -gap, -high, -low)


def differing_split(run: SplitsEvidence) -> Gap | None:
    """Return which of test and validation is below the other, if only by chance, by three points or in other images.

    Or which of them alone has other pixels than train, even if it is no lower: its images may be the easier ones.
    """
    found = lower_split(run)
    if found is None or found.gap >= LEAST_ASKED or differs(found.worse, run):
        return found
    if pixels_apart(run, found.worse, found.better) is None:
        return None
    odd = [split for split in (found.worse, found.better) if is_apart(run, split)]
    if len(odd) != 1:
        return None
    return found if odd[0] == found.worse else Gap(found.better, found.worse, -found.gap, -found.high, -found.low)


def below_train(run: SplitsEvidence) -> Gap | None:
    """Return validation where it is far below the training images, or below, and all others differ from these.

    None where it is not, or where answers to the training images are not known.
    """
    if not {"train", "validation"} <= run.answers.keys():
        return None
    gap, low, high = accuracy_difference(run, "train", "validation")
    far = gap >= GAP_OF_TRAIN and low >= SURE_GAP
    below = gap >= LEAST_GAP and low >= SURE_GAP and is_train_apart(run)
    return Gap("validation", "train", gap, low, high) if far or below else None


def unlike_train(run: SplitsEvidence) -> Gap | None:
    """Return validation beside train where it is far below, or where all other splits differ from train."""
    found = below_train(run)
    if found is not None or not {"train", "validation"} <= run.answers.keys() or not is_train_apart(run):
        return found
    return Gap("validation", "train", *accuracy_difference(run, "train", "validation"))


def is_train_apart(run: SplitsEvidence) -> bool:
    """Return whether the images of validation and test differ from those of train."""
    return all(is_apart(run, split) for split in ("validation", "test"))


def is_apart(run: SplitsEvidence, split: str) -> bool:
    """Return whether the images of a split differ from those of train by the data check, or by numbers of pixels."""
    return differs(split, run) or pixels_apart(run, split, "train") is not None


def differs(split: str, run: SplitsEvidence) -> bool:
    """Return whether the images of a split differ from those of train by the data check."""
    return any(issue.title.startswith(split) for issue in _differences(run))


def detect_split_gap(run: SplitsEvidence) -> Finding | None:
    """Report S4 when test or validation is far below the other one and differs in its images; U0 when it does not.

    S4 also where both differ from the training images, and validation is below these.
    """
    found = worse_split(run)
    if found is None:
        return _train_apart(run)
    worse, better, size, surely, at_most = found.worse, found.better, found.gap, found.low, found.high
    scores = {name: run.answers[name].accuracy for name in (worse, better)}
    apart = (
        f"{scores[worse]:.1%} of the {worse} images are right and {scores[better]:.1%} of the {better} images, which "
        f"were not trained on either: {100 * size:.1f} points apart at equal class shares (99 % interval "
        f"{100 * surely:.1f} to {100 * at_most:.1f}), more than chance and choosing an epoch explain."
    )
    of_train = differs(better, run)  # and of no difference between the two
    issue = None if of_train else next((one for one in _differences(run) if one.title.startswith(worse)), None)
    issue = issue or pixels_apart(run, worse, better)
    evidence = {"accuracy_" + name: score for name, score in scores.items()} | {GAP: size, "gap_low": surely}
    evidence |= found.place
    if issue is None:
        return Finding(
            id=UNKNOWN,
            cause=0,
            title=f"{worse} far below {better}",
            sentence=f"Something is wrong with the {worse} split that no check names: {apart}",
            evidence=evidence,
            confidence=confidence_by(Basis.UNNAMED),
            basis=Basis.UNNAMED,
            repair=f"look at images of {worse} and {better} side by side, and how each were collected and read",
        )
    return Finding(
        id="S4",
        cause=1,
        title=issue.title,
        sentence=f"{issue.sentence} {apart[0].upper()}{apart[1:]}",
        evidence=evidence | dict(issue.evidence),
        confidence=confidence_by(Basis.SPLITS),
        basis=Basis.SPLITS,
        repair=issue.repair,
        alternatives=LOOKS_THE_SAME,
    )


def pixels_apart(run: SplitsEvidence, one: str, other: str) -> DataIssue | None:
    """Return in which numbers of their pixels two splits differ, beyond chance over all of them; None: in none."""
    found = run.samples(one, other)
    samples = [] if found is None else [sample.images for sample in found]
    if min(map(len, samples), default=0) < FEWEST:
        return None
    apart = distances(*map(statistics_of, samples))
    names, sizes = names_of(samples[0].shape[-1]), [len(images) for images in samples]
    sure = [
        place
        for place in np.argsort(-apart)
        if apart[place] >= LEAST_APART and kolmogorov(float(apart[place]), *sizes) < CHANCE / len(apart)
    ]
    if not sure:
        return None
    moved = {names[place]: float(apart[place]) for place in reversed(sure)}
    return DataIssue(
        id="S4",
        title=f"{one} differs from {other}",
        sentence=f"The images of {one} differ from those of {other} in {listed(list(moved)[::-1], most=3)}.",
        stops=False,
        evidence={f"distance in {name}": value for name, value in moved.items()},
        groups=(),
        repair="take the splits from one source, or let cnnexp make them",
    )


def _train_apart(run: SplitsEvidence) -> Finding | None:
    found = below_train(run) if is_train_apart(run) else None
    if found is None:
        return None
    issue = next((one for one in _differences(run) if one.title.startswith(found.worse)), None)
    issue = issue or pixels_apart(run, found.worse, found.better)
    assert issue is not None  # train is apart
    train, others = (run.answers[name].accuracy for name in (found.better, found.worse))
    return Finding(
        id="S4",
        cause=1,
        title="training images unlike all others",
        sentence=(
            f"{issue.sentence} So do those of test. {train:.1%} of the training images are right and {others:.1%} of "
            f"the validation images, {100 * found.gap:.1f} points fewer at equal class shares (99 % interval "
            f"{100 * found.low:.1f} to {100 * found.high:.1f}): what the network learns of the ones it cannot use "
            "for the others."
        ),
        evidence={OF_TRAIN: found.gap, "gap_low": found.low} | dict(issue.evidence),
        confidence=confidence_by(Basis.SPLITS),
        basis=Basis.SPLITS,
        repair="read and prepare the images of all splits in the same way; look at some of train and of the others",
        alternatives=LOOKS_THE_SAME,
    )


def accuracy_difference(
    run: SplitsEvidence, one: str, other: str, *, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return accuracy on one split minus that on another, at equal class shares, with its 99 % interval."""
    confusions = [run.answers[name].confusion for name in (one, other)]
    support = [confusion.sum(axis=1) for confusion in confusions]
    seen = (support[0] > 0) & (support[1] > 0)
    weights = np.full(int(seen.sum()), 1 / max(int(seen.sum()), 1))
    recalls = [np.diag(confusion)[seen] / confusion.sum(axis=1)[seen] for confusion in confusions]
    return combination_interval(
        np.concatenate([weights, -weights]),
        np.concatenate(recalls),
        np.concatenate([part[seen] for part in support]),
        level=level,
    )


def _differences(run: SplitsEvidence) -> Iterator[DataIssue]:
    return (issue for issue in (run.report.issues if run.report is not None else ()) if issue.id == "S4")
