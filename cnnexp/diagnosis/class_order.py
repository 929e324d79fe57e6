"""Cause 1b, the labels: is the order of the classes the same in every split?

A network that learned its classes answers the images of a split whose classes are in another order with one other class
each. The best assignment of answers to labels (Kuhn 1955) then gives the accuracy that the network really has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval, exact_interval
from cnnexp.diagnosis.split_gap import OF_TRAIN, OF_VALIDATION, worse_split
from cnnexp.records import Finding
from cnnexp.system.text import listed

LEAST_GAIN = 0.05  # of accuracy; no less is worth a word
P_VALUE = 1e-6  # of an order that was chosen by these images, beside `PERMUTATIONS`
LESS_BY_NEIGHBOURS = 0.1  # of validation images, by all training images, than of these by each other
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
    found: dict[str, Assignment] = {}
    for name, reference in expected.items():
        own = (
            None
            if name not in run.answers
            else _reordered(run.answers[name].confusion, reference=reference, seed=run.seed)
        )
        if own is not None:
            found[name] = own
    if not found:
        return _by_neighbours(run)
    name, best = next(iter(found.items()))
    others = {tuple(one.of_label.tolist()) for one in found.values()}
    of_train = len(found) == len(expected) and len(others) == 1
    return _finding(run, name, run.answers[name].confusion, best, odd="train" if of_train else name)


def _by_neighbours(run: RunEvidence) -> Finding | None:
    """Report L4 when the nearest training images answer those of validation in another order of the classes.

    A network that chose its epoch by such images may have learned too little to tell. Where test is far better, it is
    the order of validation that is another one, and that of train else.
    """
    near = run.neighbours
    if near is None or near.answers is None or near.confusion is None:
        return None
    known = float(np.trace(near.confusion) / near.confusion.sum())
    found = _reordered(near.answers, reference=known - LESS_BY_NEIGHBOURS, seed=run.seed)
    gap = worse_split(run)
    if found is None or (gap is not None and gap.worse == "test"):
        return None
    odd = "train" if gap is None else "validation"
    return _finding(run, "validation", near.answers, found, odd=odd, by="by the most similar training images, ")


def _reordered(confusion: NDArray[np.int64], *, reference: float, seed: int) -> Assignment | None:
    total = int(confusion.sum())
    of_label, accuracy = _assigned(confusion)
    plain = float(np.trace(confusion) / total)
    found = Assignment(of_label, accuracy, plain, _by_chance(confusion, seed))
    moved = np.flatnonzero(of_label != np.arange(len(of_label)))
    gain = accuracy - found.plain
    if gain < LEAST_GAIN or not len(moved) or accuracy <= found.chance:
        return None
    # On the same images, so that those that are right either way say nothing.
    gained, dropped = int(confusion[moved, of_label[moved]].sum()), int(confusion[moved, moved].sum())
    surely = binomtest(gained, gained + dropped, alternative="greater").pvalue < P_VALUE
    convinced = bool((confusion[moved, of_label[moved]] > 2 * confusion[moved, moved]).all())  # each class, not a few
    enough = exact_interval(accuracy, total)[1] >= reference - LEAST_GAIN
    return found if surely and convinced and enough else None


def _assigned(confusion: NDArray[np.int64]) -> tuple[NDArray[np.int64], float]:
    rows, columns = linear_sum_assignment(-confusion)
    return np.asarray(columns, np.int64), float(confusion[rows, columns].sum() / confusion.sum())


def _by_chance(confusion: NDArray[np.int64], seed: int) -> float:
    """Return the highest accuracy of an assignment over random orders of the answers."""
    generator, classes = np.random.default_rng(seed), len(confusion)
    labels, predicted = (np.repeat(place, confusion.ravel()) for place in np.indices(confusion.shape).reshape(2, -1))
    highest = 0.0
    for _ in range(PERMUTATIONS):
        joint = labels * classes + generator.permutation(predicted)
        counts = np.bincount(joint, minlength=classes**2).reshape(classes, classes)
        highest = max(highest, _assigned(counts)[1])
    return highest


def _finding(
    run: RunEvidence, name: str, confusion: NDArray[np.int64], found: Assignment, *, odd: str, by: str = ""
) -> Finding:
    """Return what is said of the split `name`; `odd` is the one whose order is not that of the others."""
    names = [score.name for score in run.evaluation.per_class]
    moved = [place for place, answer in enumerate(found.of_label) if place != answer]
    pairs = [f"{names[place]} is answered {names[found.of_label[place]]}" for place in moved]
    total = int(confusion.sum())
    others = ", as are those of validation" if odd == "train" and not by else ""
    gain, low, high = combination_interval([1, -1], [found.accuracy, found.plain], [total, total])
    return Finding(
        id="L4",
        cause=1,
        title=f"class order differs in {odd}",
        sentence=(
            f"The classes of the {name} split are in another order than those of the training split{others}: {by}"
            f"{found.plain:.1%} of its images are right as they are labelled, and {found.accuracy:.1%} once "
            f"{listed(pairs, most=_LISTED)} ({100 * gain:.1f} points, 99 % interval {100 * low:.1f} to "
            f"{100 * high:.1f}). On train {run.train_accuracy:.1%} are right, on validation {run.val_accuracy:.1%}."
        ),
        evidence={
            "accuracy": found.plain,
            "accuracy_reordered": found.accuracy,
            "accuracy_of_random_orders": found.chance,
            "classes_moved": len(moved),
            **({OF_TRAIN: gain} if odd == "train" else {OF_VALIDATION: gain} if odd == "validation" else {}),
        },
        confidence=confidence_by(Basis.UNDONE),
        basis=Basis.UNDONE,
        repair=f"write the labels of {odd} by name and not by number, or in the class order of the other splits",
    )
