"""Which fold judges which image, and the splits of the run that trains for one fold."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.source import UNDECLARED
from cnnexp.datasets.splitting import TRAIN, Rows, Table, distribute
from cnnexp.records import SPLIT_NAMES, Labels

TEST = SPLIT_NAMES.index("test")
NO_FOLD = 0

Declared = NDArray[np.int8]  # (N,) index into SPLIT_NAMES, or UNDECLARED


def is_judged(declared: Declared) -> NDArray[np.bool_]:
    """Return which images a fold judges: those for training. Declared splits stay what they are in every fold."""
    return np.asarray((declared == UNDECLARED) | (declared == TRAIN))


def assign_folds(labels: Labels, *, folds: int, declared: Declared, groups: Rows, seed: int) -> Rows:
    """Return (N,) the fold that judges each image, from 1, stratified by class; NO_FOLD for those of declared splits.

    Without groups the folds differ by at most one image, in all and in each class. Images of one group (equal number)
    are in one fold. Apart from the arguments, the result depends on nothing.
    """
    assignment = np.full(len(labels), NO_FOLD, np.int64)
    pool = np.flatnonzero(is_judged(declared))
    if len(pool):
        wanted = _equal_parts(np.bincount(labels[pool]), folds)
        assignment[pool] = 1 + distribute(labels[pool], wanted=wanted, groups=groups[pool], seed=seed)
    return assignment


def _equal_parts(counts: Rows, folds: int) -> Table:
    """Return (folds, classes) images; what one class leaves over goes to the folds after those of the class before."""
    wanted = np.tile(counts // folds, (folds, 1))
    first = 0
    for label, left in enumerate((counts % folds).tolist()):
        wanted[(first + np.arange(left)) % folds, label] += 1
        first += left
    return wanted


def declared_for(fold: int, assignment: Rows, declared: Declared) -> Declared:
    """Return the declared splits of the run that judges `fold`: that part is its test split.

    Images declared as test images are in no split of such a run; they have to be left out.
    """
    return np.where(assignment == fold, TEST, declared).astype(np.int8)


def separable(labels: Labels, groups: Rows, *, classes: int) -> Rows:
    """Return (classes,) how many folds could judge an image of each class: its images that no group keeps together."""
    pairs = np.unique(np.stack([labels, groups]), axis=1)
    return np.bincount(pairs[0].astype(np.int64), minlength=classes)
