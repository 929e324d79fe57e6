"""How sure a difference of accuracies is."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cnnexp.records import Evaluation

LEVEL = 0.99  # four findings at 95 % would accuse one healthy run in ten by chance alone
Z = float(ndtri((1 + LEVEL) / 2))  # 2.58 standard errors


def wilson_interval(shares: ArrayLike, trials: ArrayLike) -> NDArray[np.float64]:
    """Return (2, ...) low and high of the 99 % score interval of shares 0..1 observed in ``trials`` trials.

    Keeps its level at shares of 0 and 1, where the usual normal interval has no width (Wilson 1927).
    """
    share, number = np.asarray(shares, np.float64), np.asarray(trials, np.float64)
    shrink = 1 + Z**2 / number
    centre = (share + Z**2 / (2 * number)) / shrink
    half = Z / shrink * np.sqrt(share * (1 - share) / number + Z**2 / (4 * number**2))
    return np.stack([centre - half, centre + half])


def combination_interval(weights: ArrayLike, shares: ArrayLike, trials: ArrayLike) -> tuple[float, float, float]:
    """Return value, low and high (99 %) of a weighted sum of independent shares.

    From the Wilson interval of each by square-and-add; weights (1, -1) give method 10 of Newcombe, "Interval
    Estimation for the Difference between Independent Proportions", 1998; any weights: Zou & Donner 2008.
    """
    weight, share = np.asarray(weights, np.float64), np.asarray(shares, np.float64)
    low, high = wilson_interval(share, trials)
    value = float(weight @ share)
    below = weight * np.where(weight > 0, share - low, share - high)
    above = weight * np.where(weight > 0, high - share, low - share)
    return value, value - float(np.hypot.reduce(below)), value + float(np.hypot.reduce(above))


def recalls(evaluation: Evaluation) -> NDArray[np.float64]:
    """Return the recall of each class that the split holds, in class order."""
    support = evaluation.confusion.sum(axis=1)
    return (np.diag(evaluation.confusion) / np.maximum(support, 1))[support > 0]
