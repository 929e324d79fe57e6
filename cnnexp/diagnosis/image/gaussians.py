"""Simulated images as Gaussians, one for each form of each kind, with a common covariance.

Linear discriminant analysis with subclasses (Hastie & Tibshirani 1996), so that a kind is a mixture.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

from cnnexp.diagnosis.image.simulation import Values

SHRINKAGE = 0.02  # of the covariance towards its diagonal; 12,000 rows of 200 numbers
CLIP = 6.0  # standard deviations beyond which a number says no more

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Gaussians:
    """One for each form, whitened: distances are Mahalanobis distances."""

    centre: Values  # (D,)
    scale: Values  # (D,)
    whiten: Values  # (D, D) lower triangular; z = solve(whiten, x)
    means: Values  # (F, D) whitened

    def whitened(self, values: Values) -> Values:
        """Return (N, D) rows in which one unit is one standard deviation in every direction."""
        clipped = np.clip((values - self.centre) / self.scale, -CLIP, CLIP)
        rows: Values = solve_triangular(self.whiten, clipped.T, lower=True, check_finite=False).T.astype(np.float32)
        return rows

    def log_likelihoods(self, rows: Values) -> Floats:
        """Return (N, F), up to a constant, of whitened rows."""
        return -squared_distances(rows, self.means) / 2


def fit_gaussians(values: Values, forms: NDArray[np.int64], sources: NDArray[np.int64], count: int) -> Gaussians:
    """Fit one Gaussian for each of `count` forms to rows (R, D), made of the images `sources` (R,).

    Form 0 is the images as they are; every source of a row is there in it, too.
    """
    centre, scale = values.mean(axis=0), values.std(axis=0) + np.float32(1e-4)
    rows = np.clip((values - centre) / scale, -CLIP, CLIP)
    means = _means(rows, forms, sources, count)
    within = rows - means[forms]
    covariance = within.T @ within / len(rows)
    diagonal = np.diag(np.diag(covariance))
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal + 1e-3 * np.eye(len(covariance))
    whiten = cholesky(shrunk, lower=True).astype(np.float32)
    whitened = solve_triangular(whiten, means.T, lower=True).T.astype(np.float32)
    return Gaussians(centre=centre, scale=scale, whiten=whiten, means=whitened)


def _means(rows: Values, forms: NDArray[np.int64], sources: NDArray[np.int64], count: int) -> Values:
    """Return the mean (count, D) of each form, as if it had been made of all images and not of some.

    What is known of the others is how they are unchanged: a control variate, weighted by how much of what is peculiar
    to an image survives the form; of noise without an object, nothing does.
    """
    clean = np.flatnonzero(forms == 0)
    row_of = np.full(sources.max() + 1, -1)
    row_of[sources[clean]] = clean
    usual, means = rows[clean].mean(axis=0), []
    for form in range(count):
        own = np.flatnonzero(forms == form)
        changed, before = rows[own], rows[row_of[sources[own]]]
        mean, mean_before = changed.mean(axis=0), before.mean(axis=0)
        varied = before - mean_before
        survives = float(np.sum((changed - mean) * varied) / max(float(np.sum(varied**2)), 1e-6))
        means.append(mean + np.float32(np.clip(survives, 0, 1)) * (usual - mean_before))
    return np.stack(means)


def squared_distances(rows: Values, to: Values) -> Floats:
    """Return (N, M) squared Euclidean distances of rows (N, D) to others (M, D)."""
    products = rows @ to.T
    squared = (rows**2).sum(axis=1)[:, None] - 2 * products + (to**2).sum(axis=1)[None]
    found: Floats = np.maximum(squared, 0).astype(np.float64)
    return found
