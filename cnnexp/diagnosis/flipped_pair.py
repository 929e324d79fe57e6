"""The two classes of which one is labelled as the other far more often than any other two, if there are such.

Hard images of two classes are those that a network is less sure of; flipped labels are as frequent among the surest.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.answers import Answers, surest
from cnnexp.diagnosis.intervals import LEVEL_OF_MANY, combination_interval, exact_interval

LEAST_FLIPPED = 0.1  # of the surest half of the answers with a class
FEWEST_ANSWERS = 20  # of such answers; with less, two images would be a tenth
INDEPENDENT = 0.5  # share among the surest half, in units of that among the others: of hard images it is far smaller
ALONE = 1 / 3  # of the share of the pair: the next pair, of another class


@dataclass(frozen=True, slots=True)
class Flip:
    """Images of one class that are labelled as another."""

    true: int
    labelled: int
    share: float  # of the surest half of the answers `true`, that are labelled so
    low: float  # 99 % interval
    high: float
    compared: bool  # the test images do not have it


def flipped_pair(train: Answers, test: Answers) -> Flip | None:
    """Return the pair of which most is flipped, if it stands out from all other pairs or from the test images."""
    shares = pair_shares(train)
    true, labelled = np.unravel_index(shares.sure.argmax(), shares.sure.shape)
    share, count = float(shares.sure[true, labelled]), int(shares.counts[true])
    if count < FEWEST_ANSWERS or share < LEAST_FLIPPED:
        return None
    low, high = (float(bound) for bound in exact_interval(share, count))
    # It is the largest of as many shares as there are pairs.
    surely = float(exact_interval(share, count, level=LEVEL_OF_MANY)[0])
    others = np.delete(shares.sure, true, axis=0)
    unrelated = float(np.delete(others, true, axis=1).max(initial=0)) if others.shape[1] > 2 else 0.0
    mutual = float(shares.sure[labelled, true])
    one_way = mutual < share / 2
    flat = share >= INDEPENDENT * shares.unsure[true, labelled]
    reference = pair_shares(test)
    _, gap_low, _ = combination_interval(
        [1, -1], [share, reference.sure[true, labelled]], [count, max(int(reference.counts[true]), 1)]
    )
    expected = reference.sure[true, labelled]
    compared = gap_low > 0 and reference.counts[true] > 0 and expected <= ALONE * share
    stands_out = max(unrelated, mutual) <= ALONE * share
    if not (one_way and flat and surely > LEAST_FLIPPED / 2 and (compared or stands_out)):
        return None
    return Flip(int(true), int(labelled), share, low, high, bool(compared))


@dataclass(frozen=True, slots=True)
class PairShares:
    """Of the answers with a class (row), the share that is labelled as another (column), 0 on the diagonal."""

    sure: NDArray[np.float64]  # (K, K) of the surest half
    unsure: NDArray[np.float64]  # (K, K) of the others
    counts: NDArray[np.int64]  # (K,) answers in the surest half


def pair_shares(answers: Answers) -> PairShares:
    """Return how labels contradict answers, by how sure these are."""
    classes = answers.probabilities.shape[1]
    sure, unsure = np.zeros((classes, classes)), np.zeros((classes, classes))
    counts = np.zeros(classes, np.int64)
    for answer in range(classes):
        order = surest(answers, np.flatnonzero(answers.predicted == answer), share=1)
        half = len(order) // 2
        counts[answer] = half
        for rows, shares in ((order[:half], sure), (order[half:], unsure)):
            if len(rows):
                shares[answer] = np.bincount(answers.labels[rows], minlength=classes) / len(rows)
    for shares in (sure, unsure):
        np.fill_diagonal(shares, 0)
    return PairShares(sure, unsure, counts)
