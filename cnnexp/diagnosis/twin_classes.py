"""Cause 1b, the labels: is one class there twice, under two names?

Images of two names for one thing are answered with either, whatever the network has learned of the other classes. Two
classes that are only alike leave something to tell them by.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.answers import lifted
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval
from cnnexp.diagnosis.split_gap import worse_split
from cnnexp.diagnosis.unlearned import learned_too_little
from cnnexp.records import Finding

# Mean recall between two classes; of one class under two names 0.5. Networks that are not below their neighbours have
# 0.75 to 0.83 for the hardest pair of Fashion-MNIST's classes 0 to 4, and 0.62 to 0.80 for that of CIFAR-10's airplane
# to deer.
MOST_TOLD = 0.6
GUESSED = 0.5  # of one class under two names; the interval contains it
SURELY_TOLD = 0.75  # high end of its 99 % interval
FEWEST = 40  # images of the pair
LEARNED_OTHERS = 0.5  # of the way from chance to all correct, over all validation and test images


def detect_twin_classes(run: RunEvidence) -> Finding | None:
    """Report L2 when a network that tells all other classes apart answers two of them with either name."""
    if not {"validation", "test"} <= run.answers.keys() or len(run.class_counts["train"]) < 3:
        return None
    if worse_split(run) is not None:  # two names of one class are guessed in all splits alike
        return None
    if learned_too_little(run) or lifted(run.val_accuracy, run.answers["validation"]) < LEARNED_OTHERS:
        return None
    confusion = run.answers["validation"].confusion + run.answers["test"].confusion
    told = {pair: _told(confusion, *pair) for pair in combinations(range(len(confusion)), 2)}
    known = {pair: interval for pair, interval in told.items() if interval is not None}
    if not known:
        return None
    worst = min(known, key=lambda pair: known[pair][0])
    value, low, high = known[worst]
    others = [interval[0] for pair, interval in known.items() if not {*pair} & {*worst}]
    if (
        value > MOST_TOLD
        or low > GUESSED
        or high > SURELY_TOLD
        or min(others, default=1.0) <= high
        or _pixels_tell(run, worst)
    ):
        return None
    one, other = (run.evaluation.per_class[label].name for label in worst)
    return Finding(
        id="L2",
        cause=1,
        title="two names for one class",
        sentence=(
            f"The network cannot tell {one} from {other} and all other classes well: of the validation and test images "
            f"of the two that it answers with either, {value:.1%} get the right name (99 % interval {low:.1%} to "
            f"{high:.1%}; 50 % is guessing). As where one class was given two names, or its images were divided at "
            "random."
        ),
        evidence={"recall_between_the_two": value, "recall_low": low, "recall_high": high},
        confidence=confidence_by(Basis.LABELS),
        basis=Basis.LABELS,
        repair=f"look at ten images of {one} and of {other} side by side; where they are the same, merge the two",
    )


def _pixels_tell(run: RunEvidence, pair: tuple[int, int]) -> bool:
    """Return whether the most similar training images surely tell two classes apart: then only the network does not."""
    if run.neighbours is None or run.neighbours.confusion is None or max(pair) >= len(run.neighbours.confusion):
        return False
    told = _told(run.neighbours.confusion, *pair)
    return told is not None and told[1] > MOST_TOLD


def _told(confusion: NDArray[np.int64], one: int, other: int) -> tuple[float, float, float] | None:
    """Return the mean recall between two classes (K, K) with its 99 % interval; None where few are answered so."""
    pair = confusion[np.ix_([one, other], [one, other])]
    support = pair.sum(axis=1)
    if support.sum() < FEWEST or not support.all():
        return None
    return combination_interval([0.5, 0.5], np.diag(pair) / support, support)
