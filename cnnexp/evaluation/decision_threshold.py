"""From which probability on is one of two classes answered? Chosen on the calibration split alone.

A cost is counted as it is: the threshold at which missed images and false alarms cost least; of several, the one
nearest to 1 / (1 + cost), the best for perfectly calibrated probabilities (Elkan, "The Foundations
of Cost-Sensitive Learning", IJCAI 2001). That one alone would go far astray where probabilities are not.

A sensitivity or a precision is counted with one more image that goes wrong than there was: hits / (images of the class
+ 1), or hits / (answers + 1). For the sensitivity that is split conformal prediction within the class, so a new image
of the class is recognized with at least the probability that was wanted, on average over calibration splits.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.portable.decision import Decision
from cnnexp.records import Labels, Probabilities

FEWEST_COUNTED = 10  # calibration images of the class by which a cost is counted


def fewest_positives(rule: str, wanted: float) -> int:
    """Return how many calibration images of the class are needed: n / (n + 1) must reach what is wanted."""
    return FEWEST_COUNTED if rule == "cost" else max(1, math.ceil(wanted / (1 - wanted) - 1e-9))


def choose_threshold(
    probabilities: Probabilities,
    labels: Labels,
    *,
    class_names: Sequence[str],
    positive: str,
    rule: str,
    wanted: float,
) -> Decision | None:
    """Return the decision for `positive`, one of two classes; None: no threshold gives the precision that is wanted.

    Args:
        probabilities: (N, 2) of the calibrated model on the calibration split.
        labels: (N,) 0 or 1.
        class_names: In the order of the columns.
        positive: The class that is answered from the threshold on.
        rule: ``sensitivity``: the highest threshold that reaches it; ``precision``: the lowest one; ``cost``.
        wanted: The sensitivity or precision, above 0 and below 1, or what a missed image costs in false alarms.

    """
    column = list(class_names).index(positive)
    scores, is_positive = probabilities[:, column].astype(np.float64), labels == column
    threshold = (
        _cheapest(scores, is_positive, wanted) if rule == "cost" else _reaching(scores, is_positive, rule, wanted)
    )
    if threshold is None:
        return None
    alarms = scores >= threshold
    return Decision(
        positive=positive,
        threshold=threshold,
        rule=rule,
        wanted=wanted,
        hits=int((alarms & is_positive).sum()),
        positives=int(is_positive.sum()),
        false_alarms=int((alarms & ~is_positive).sum()),
        negatives=int((~is_positive).sum()),
    )


def _reaching(scores: NDArray[np.float64], is_positive: NDArray[np.bool_], rule: str, wanted: float) -> float | None:
    """Return the middle between the lowest score that is answered and the next one: rounding then changes nothing."""
    levels = np.unique(scores)[::-1]
    answers, hits = (_at_least(levels, each) for each in (scores, scores[is_positive]))
    reached = np.flatnonzero(hits / ((is_positive.sum() if rule == "sensitivity" else answers) + 1) >= wanted)
    if not len(reached):
        return None
    lowest = int(reached[0] if rule == "sensitivity" else reached[-1])
    below = levels[lowest + 1] if lowest + 1 < len(levels) else 0.0
    return float((levels[lowest] + below) / 2)


def _cheapest(scores: NDArray[np.float64], is_positive: NDArray[np.bool_], cost: float) -> float:
    """Return the middle between two neighbouring scores, 0 and 1 among them, at which the mistakes cost least."""
    levels = np.unique([*scores, 0.0, 1.0])
    middles = (levels[:-1] + levels[1:]) / 2
    missed = is_positive.sum() - _at_least(middles, scores[is_positive])
    costs = cost * missed + _at_least(middles, scores[~is_positive])
    cheapest = middles[costs <= costs.min() + 1e-9]
    return float(cheapest[np.abs(cheapest - 1 / (1 + cost)).argmin()])


def _at_least(levels: NDArray[np.float64], scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return (L,) how many of the scores are at least each level."""
    return len(scores) - np.searchsorted(np.sort(scores), levels, side="left")
