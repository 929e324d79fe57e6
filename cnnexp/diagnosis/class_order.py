"""Cause 1b, the labels: is the order of the classes the same in every split?

A network that learned its classes answers the images of a split whose classes are in another order with one other class
each. The best assignment of answers to labels (Kuhn 1955) then gives the accuracy that the network really has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cnnexp.diagnosis.answers import Answers
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval, exact_interval
from cnnexp.records import Finding
from cnnexp.system.text import listed

LEAST_GAIN = 0.05  # of accuracy; no less is worth a word
PERMUTATIONS = 200  # of the answers: an assignment always gains a little, and from many classes more
_LISTED = 6


@dataclass(frozen=True, slots=True)
class Assignment:
    """The classes that the answers stand for."""

    of_label: NDArray[np.int64]  # (K,) the answer that images with a label get
    accuracy: float  # with the answers so assigned
    plain: float  # as they are
    chance: float  # of the accuracy, the most that it was for answers in random order


def detect_class_order(run: RunEvidence) -> Finding | None:
    """Report L4 when the answers of a split are right once its classes are put in another order."""
    expected = {"test": run.val_accuracy, "validation": run.train_accuracy / 2}  # over-fitted training images mislead
    for name, reference in expected.items():
        answers = run.answers.get(name)
        found = None if answers is None else _reordered(answers, reference=reference, seed=run.seed)
        if answers is not None and found is not None:
            return _finding(run, name, answers, found)
    return None


def _reordered(answers: Answers, *, reference: float, seed: int) -> Assignment | None:
    confusion = answers.confusion
    total = int(confusion.sum())
    of_label, accuracy = _assigned(confusion)
    found = Assignment(of_label, accuracy, answers.accuracy, _by_chance(answers, seed))
    moved = np.flatnonzero(of_label != np.arange(len(of_label)))
    gain = accuracy - found.plain
    if gain < LEAST_GAIN or not len(moved) or accuracy <= found.chance:
        return None
    low, _ = exact_interval(accuracy, total)
    _, high = exact_interval(found.plain, total)
    convinced = bool((confusion[moved, of_label[moved]] > 2 * confusion[moved, moved]).all())  # each class, not a few
    enough = exact_interval(accuracy, total)[1] >= reference - LEAST_GAIN
    return found if low > high and convinced and enough else None


def _assigned(confusion: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
    rows, columns = linear_sum_assignment(-confusion)
    return np.asarray(columns, np.int64), float(confusion[rows, columns].sum() / confusion.sum())


def _by_chance(answers: Answers, seed: int) -> float:
    """Return the highest accuracy of an assignment over random orders of the answers."""
    generator, classes = np.random.default_rng(seed), answers.probabilities.shape[1]
    predicted, highest = answers.predicted, 0.0
    for _ in range(PERMUTATIONS):
        joint = answers.labels * classes + generator.permutation(predicted)
        counts = np.bincount(joint, minlength=classes**2).reshape(classes, classes)
        highest = max(highest, _assigned(counts)[1])
    return highest


def _finding(run: RunEvidence, name: str, answers: Answers, found: Assignment) -> Finding:
    names = [score.name for score in run.evaluation.per_class]
    moved = [place for place, answer in enumerate(found.of_label) if place != answer]
    pairs = [f"{names[place]} is answered {names[found.of_label[place]]}" for place in moved]
    total = len(answers.labels)
    gain, low, high = combination_interval([1, -1], [found.accuracy, found.plain], [total, total])
    return Finding(
        id="L4",
        cause=1,
        title=f"class order differs in {name}",
        sentence=(
            f"The classes of the {name} split are in another order than those of the training split: {found.plain:.1%} "
            f"of its images are right as they are labelled, and {found.accuracy:.1%} once "
            f"{listed(pairs, most=_LISTED)} ({100 * gain:.1f} points, 99 % interval {100 * low:.1f} to "
            f"{100 * high:.1f}). On train {run.train_accuracy:.1%} are right, on validation {run.val_accuracy:.1%}."
        ),
        evidence={
            "accuracy": found.plain,
            "accuracy_reordered": found.accuracy,
            "accuracy_of_random_orders": found.chance,
            "classes_moved": len(moved),
        },
        confidence=confidence_by(Basis.UNDONE),
        basis=Basis.UNDONE,
        repair=f"write the labels of {name} by name and not by number, or in the class order of the training images",
    )
