"""Cause 1b, the labels: are those of test or validation wrong, where the images are as all others are?

A network does not see labels when it answers. Where only these are wrong, it is as sure of its answers as on another
split, and gives every class as often. It is contradicted more often, but as much more where it is surest as elsewhere,
because what is wrong has nothing to do with the image. Images that were changed, or are harder, make it less sure, or
move its answers from one class to another.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

from cnnexp.diagnosis.answers import Answers, implausible_share, lifted, surest
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval
from cnnexp.diagnosis.flipped_class import detect_flipped_class
from cnnexp.diagnosis.label_noise import detect_label_noise
from cnnexp.diagnosis.split_gap import Gap, differs, pixels_apart, worse_split
from cnnexp.records import Finding

# Follow from what is said above. Both tests are of "no difference", so that a large p-value is asked for.
CONTRADICTED = "contradicted_beyond_the_other"  # evidence that it is about the labels of images that are judged
AS_USUAL = 0.05  # p-value of how sure the answers are and of how often each class is answered
FLAT = 0.6  # of what the whole split lost, that its surest half must have lost
LEAST_LOST = 0.02  # by that half, at the low end of the 99 % interval
# Of random labels, by the accuracies, that are implausible ones: 0.94 to 1.06 of digits and Fashion-MNIST 0 to 4 with
# random labels, 0.3 to 0.6 of CIFAR-10 airplane to deer of which a part was changed, and a network that answers 0.65.
AT_RANDOM = 0.75
NOTHING_LEFT = 0.15  # of the way from chance to all correct: up to here, no label belongs to its image
ONE_PAIR = 0.6  # of the answers that are contradicted beyond those of the other split, of one label and one answer


def detect_judged_labels(run: RunEvidence) -> Finding | None:
    """Report L1, L2 or L3 of a split that is far below the other one although its images are answered as usual."""
    gap = worse_split(run)
    if gap is None or (differs(gap.worse, run) and not differs(gap.better, run)):
        return None
    if gap.worse == "validation" and (detect_label_noise(run) or detect_flipped_class(run)) is not None:
        return None  # they are those of all images before the test
    here, other = run.answers[gap.worse], run.answers[gap.better]
    if not _answered_alike(here, other) or not _is_flat(here, other, gap.gap):
        return None
    if pixels_apart(run, gap.worse, gap.better) is not None:
        return None
    fault, title, what = _name(run, here, other, gap)
    if fault != "L2" and not _is_at_random(here, other, gap.gap):
        return None
    scores = {"accuracy": here.accuracy, f"accuracy_of_{gap.better}": other.accuracy, CONTRADICTED: gap.gap}
    return Finding(
        id=fault,
        cause=1,
        title=title,
        sentence=(
            f"{what}: {here.accuracy:.1%} of the {gap.worse} images are right as they are labelled, and "
            f"{other.accuracy:.1%} of those of {gap.better} ({100 * gap.gap:.1f} points apart at equal class shares, "
            f"99 % interval {100 * gap.low:.1f} to {100 * gap.high:.1f}). The network is as sure of both, gives every "
            "class as often, and is contradicted where it is surest as much as elsewhere: its images are as usual."
        ),
        evidence=scores | gap.place,
        confidence=confidence_by(Basis.COMPARED_LABELS),
        basis=Basis.COMPARED_LABELS,
        repair=f"look at {gap.worse} images that are answered surely and otherwise than they are labelled",
    )


def _answered_alike(here: Answers, other: Answers) -> bool:
    sure = ks_2samp(*(one.probabilities.max(axis=1) for one in (here, other))).pvalue
    classes = here.probabilities.shape[1]
    given = np.stack([np.bincount(one.predicted, minlength=classes) for one in (here, other)])
    given = given[:, given.sum(axis=0) > 0]
    as_often = chi2_contingency(given).pvalue if given.shape[1] > 1 else 1.0
    return bool(min(sure, as_often) >= AS_USUAL)


def _is_flat(here: Answers, other: Answers, lost: float) -> bool:
    halves = [surest(one, np.arange(len(one.labels))) for one in (here, other)]
    right = [float((one.predicted == one.labels)[rows].mean()) for one, rows in zip((here, other), halves, strict=True)]
    drop, low, _ = combination_interval([-1, 1], right, [len(rows) for rows in halves])
    return bool(drop >= FLAT * lost and low >= LEAST_LOST)


def _is_at_random(here: Answers, other: Answers, lost: float) -> bool:
    """Return whether as many labels are those that the network finds least plausible as random ones would be.

    What an image shows is still the second choice where it was changed.
    """
    classes = here.probabilities.shape[1]
    wrong = lost / max(
        other.accuracy - (1 - other.accuracy) / (classes - 1), lost
    )  # share of labels, by the accuracies
    least = [implausible_share(one, np.arange(len(one.labels)))[0] for one in (here, other)]
    return bool(classes < 3 or least[0] - least[1] >= AT_RANDOM * wrong)


def _name(run: RunEvidence, here: Answers, other: Answers, gap: Gap) -> tuple[str, str, str]:
    """Return the fault, its title and what is wrong."""
    split = gap.worse
    if lifted(here.accuracy, here) <= NOTHING_LEFT:
        what = f"The labels of the {split} split do not belong to its images"
        return "L3", f"labels do not belong to the {split} images", what
    more = _contradicted_more(here, other)
    label, answer = (int(place) for place in np.unravel_index(more.argmax(), more.shape))
    if len(more) > 2 and more[label, answer] >= ONE_PAIR * np.maximum(more, 0).sum():
        names = run.class_names
        return (
            "L2",
            f"two classes mixed up in {split}",
            f"Many {split} images of {names[answer]} are labelled " + (f"{names[label]}"),
        )
    return "L1", f"wrong labels in {split}", f"Many labels of the {split} split are wrong"


def _contradicted_more(here: Answers, other: Answers) -> NDArray[np.float64]:
    """Return the answers (K, K), row = label, column = answer, beyond as many of the other split; 0 where correct."""
    more = here.confusion - other.confusion * (len(here.labels) / len(other.labels))
    np.fill_diagonal(more, 0)
    return np.asarray(more, np.float64)
