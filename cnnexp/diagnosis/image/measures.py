"""What an image is compared by: posteriors of kinds, how far off it is, and its rank among simulated images."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from cnnexp.diagnosis.image.gaussians import Floats, squared_distances
from cnnexp.diagnosis.image.simulation import Values

NEIGHBOUR = 3  # which of the nearest simulated images tells how typical an image is


def not_clean_shares(log_posterior: Floats) -> Floats:
    """Return (N, K) the share of each kind of all that is not clean; that of clean is 0."""
    shares = np.exp(log_posterior - log_posterior[:, 1:].max(axis=1, keepdims=True))
    shares[:, 0] = 0
    found: Floats = shares / shares.sum(axis=1, keepdims=True)
    return found


def log_odds(log_posterior: Floats) -> Floats:
    """Return (N, K) the log-odds of each kind against being clean."""
    odds: Floats = log_posterior - log_posterior[:, :1]
    return odds


def changed_odds(log_posterior: Floats) -> Floats:
    """Return (N,) the log-odds of any kind against being clean."""
    odds: Floats = logsumexp(log_posterior[:, 1:], axis=1) - log_posterior[:, 0]
    return odds


def kind_posteriors(log_likelihoods: Floats, kind_of: NDArray[np.int64], temperature: float) -> Floats:
    """Return (N, K) log posteriors of kinds from (N, F) of forms; kinds, and forms of a kind, are equally probable."""
    kinds = int(kind_of.max()) + 1
    tempered = log_likelihoods / temperature
    joint = np.stack(
        [logsumexp(tempered[:, kind_of == k], axis=1) - np.log((kind_of == k).sum()) for k in range(kinds)], axis=1
    )
    posterior: Floats = joint - logsumexp(joint, axis=1, keepdims=True)
    return posterior


def nearest_distances(rows: Values, known: Values, pixel_numbers: int) -> Floats:
    """Return (N, 3) distances to the third nearest of known rows: in all directions, those of pixels, of features.

    The directions of features are what pixels do not tell: rows are whitened by a triangular matrix, pixels first.
    """
    parts = slice(None), slice(pixel_numbers), slice(pixel_numbers, None)
    nearest = [
        np.partition(squared_distances(rows[:, part], known[:, part]), NEIGHBOUR - 1, axis=1)[:, NEIGHBOUR - 1]
        for part in parts
    ]
    distance: Floats = np.sqrt(np.stack(nearest, axis=1))
    return distance


def least_rank(apart: Floats, known: Floats) -> Floats:
    """Return (N,) the smallest of the three shares of known images, sorted (n, 3), that are as far off."""
    ranks = [rank_high(apart[:, part], known[:, part]) for part in range(apart.shape[1])]
    smallest: Floats = np.min(ranks, axis=0)
    return smallest


def rank_low(scores: Floats, known: Floats) -> Floats:
    """Return (N,) the share, above 0 to 1, of known scores, sorted (n,), that are as low as each score (N,)."""
    ranks: Floats = (np.searchsorted(known, scores, side="right") + 1) / (len(known) + 1)
    return np.minimum(ranks, 1.0)


def rank_high(scores: Floats, known: Floats) -> Floats:
    """Return (N,) the share, above 0 to 1, of known scores, sorted (n,), that are as high as each score (N,)."""
    ranks: Floats = (len(known) - np.searchsorted(known, scores, side="left") + 1) / (len(known) + 1)
    return ranks
