"""A linear discriminant of images as they are and once they are changed, by numbers of their pixels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.pixel_statistics import Statistics

RIDGE = 0.05  # of the variance of a number, added to it


@dataclass(frozen=True, slots=True)
class Sorter:
    """What tells plain images from changed ones."""

    weights: NDArray[np.float64]  # (S,)
    limit: float

    def score(self, numbers: Statistics) -> NDArray[np.float64]:
        """Return for each image (N,), by its numbers (N, S), how much it looks changed; above 0 more than plain."""
        return np.asarray(numbers @ self.weights - self.limit)

    def changed(self, numbers: Statistics) -> NDArray[np.bool_]:
        """Return for each image (N,) whether it looks changed, by its numbers (N, S)."""
        return self.score(numbers) > 0


def fit_sorter(plain: Statistics, changed: Statistics) -> Sorter:
    """Fit a sorter on numbers (N, S) of images as they are and (M, S) of changed ones."""
    means = plain.mean(axis=0), changed.mean(axis=0)
    within = np.concatenate([plain - means[0], changed - means[1]])
    covariance = within.T @ within / len(within)
    covariance += np.diag(RIDGE * np.diag(covariance) + 1e-6)
    weights = np.linalg.solve(covariance, means[1] - means[0])
    return Sorter(weights, float(weights @ (means[0] + means[1]) / 2))
