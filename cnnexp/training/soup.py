"""Greedy soup: the mean of several weights of one architecture, each taken in only if it does not lower a score.

Wortsman et al. 2022, arXiv:2203.05482. It helps where the weights lie in one valley of the loss, as those of epochs of
one training do, or of trainings that start from the same trained weights. The mean of two networks that were trained
from different random weights knows nothing; the rule then keeps one of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Weights = list[NDArray[np.float32]]  # of a model, in its order


@dataclass(frozen=True, slots=True)
class Soup:
    """A mean of weights, and of which."""

    members: tuple[int, ...]  # positions among the candidates, in the order in which they were taken in
    weights: Weights
    score: float
    tried: tuple[float, ...]  # (candidates,) the score with each candidate, whether or not it was taken in


def greedy_soup(candidates: Sequence[Weights], score_of: Callable[[Weights], float]) -> Soup:
    """Return the greedy soup of weights, the best ones first; `score_of` is higher for better weights.

    Running statistics of batch normalization are averaged like the weights that they belong to.
    """
    members, weights, best = [0], candidates[0], score_of(candidates[0])
    tried = [best]
    for place, candidate in enumerate(candidates[1:], start=1):
        mixed = _with_one_more(weights, candidate, members=len(members))
        tried.append(score_of(mixed))
        if tried[-1] >= best:  # false for NaN
            members, weights, best = [*members, place], mixed, tried[-1]
    return Soup(tuple(members), weights, best, tuple(tried))


def _with_one_more(mean: Weights, weights: Weights, *, members: int) -> Weights:
    share = np.float32(1 / (members + 1))
    return [one + share * (other - one) for one, other in zip(mean, weights, strict=True)]
