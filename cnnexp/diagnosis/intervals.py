"""Intervals at the level that all verdicts use."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaincinv, ndtri

LEVEL = 0.99  # at 95 %, four checks would report a false finding for about one healthy run in ten
# Of a finding that rests on one interval and on nothing else: about so many checks are made of each run, which together
# must not accuse more than one healthy run in a hundred (Bonferroni). Others ask for a gap beyond their interval, too.
CHECKS = 24
LEVEL_OF_MANY = 1 - (1 - LEVEL) / CHECKS
Z = float(ndtri((1 + LEVEL) / 2))  # 2.58 standard errors


def exact_interval(shares: ArrayLike, trials: ArrayLike, *, level: float = LEVEL) -> NDArray[np.float64]:
    """Return (2, ...) low and high of the exact 99 % interval of shares 0..1 observed in ``trials`` trials.

    Clopper & Pearson 1934. The Wilson score interval is shorter, but too short near 1 with few images: two correct of
    three would exclude a recall of 0.97, although one run in eleven with that recall gets two of three.
    `shares` and `trials` broadcast.
    """
    trials = np.asarray(trials, np.float64)
    correct = np.rint(np.asarray(shares, np.float64) * trials)
    tail = (1 - level) / 2
    with np.errstate(invalid="ignore"):  # none or all correct: the formula is undefined, the bound is known
        low = np.where(correct > 0, betaincinv(correct, trials - correct + 1, tail), 0)
        high = np.where(correct < trials, betaincinv(correct + 1, trials - correct, 1 - tail), 1)
    return np.stack([low, high])


def combination_interval(
    weights: ArrayLike, shares: ArrayLike, trials: ArrayLike, *, level: float = LEVEL
) -> tuple[float, float, float]:
    """Return value, low and high (99 %) of a weighted sum of independent shares.

    Square-and-add of the exact interval of each share: Newcombe, "Interval Estimation for the Difference between
    Independent Proportions", 1998, for weights (1, -1); Zou & Donner 2008 for any.
    """
    weight, share = np.asarray(weights, np.float64), np.asarray(shares, np.float64)
    low, high = exact_interval(share, trials, level=level)
    value = float(weight @ share)
    below = weight * np.where(weight > 0, share - low, share - high)
    above = weight * np.where(weight > 0, high - share, low - share)
    return value, value - float(np.hypot.reduce(below)), value + float(np.hypot.reduce(above))
