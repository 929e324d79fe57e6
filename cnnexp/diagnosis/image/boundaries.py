"""Boundaries between kinds of mismatch: those of Gaussians, moved to where they err least on simulated images.

Linear discriminants of the forms of each kind, trained by the cross-entropy of kinds: a kind is as probable as its
forms together. What is far from all simulated images is still known by the distances of the Gaussians.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cnnexp.diagnosis.image.gaussians import Floats, Gaussians, fit_gaussians
from cnnexp.diagnosis.image.simulation import Values

# On one fifth of the development images of CIFAR-10 and Fashion-MNIST, by fits on the others, 0.698 and 0.801 of the
# kinds are the most probable ones, beside 0.677 and 0.754 by the Gaussians; twice or half as many epochs change 0.01.
EPOCHS = 12
RATE = 0.005  # of Adam, lowered along a cosine
BATCH = 256
PULL = 0.001  # towards the boundaries of the Gaussians: gradient for each unit of distance
TEMPERATURE = 3.0  # of these, which are too sure of dependent numbers
_FIRST, _SECOND, _LEAST = 0.9, 0.999, 1e-8  # of Adam, as usual

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Boundaries:
    """Linear discriminants of F forms in the whitened directions of Gaussians."""

    gaussians: Gaussians
    weights: Values  # (D, F)
    biases: Values  # (F,)

    def whitened(self, values: Values) -> Values:
        """Return (N, D) rows in which one unit is one standard deviation in every direction."""
        return self.gaussians.whitened(values)

    def log_likelihoods(self, rows: Values) -> Floats:
        """Return (N, F), up to a constant for each row, of whitened rows."""
        found: Floats = (rows @ self.weights + self.biases).astype(np.float64)
        return found


def fit_boundaries(values: Values, forms: Ints, sources: Ints, kind_of: Ints) -> Boundaries:
    """Fit them to rows (R, D), each of a form (R,) and made of one of the images `sources`; `kind_of` (F,) the forms.

    Kinds count alike, however many rows they have.
    """
    gaussians = fit_gaussians(values, forms, sources, len(kind_of))
    rows, kinds = gaussians.whitened(values), kind_of[forms]
    many = np.log(np.bincount(kind_of)[kind_of]).astype(np.float32)  # forms of a kind share its probability
    weights = gaussians.means.T / np.float32(TEMPERATURE)
    biases = -(gaussians.means**2).sum(axis=1) / np.float32(2 * TEMPERATURE) - many
    counts = np.bincount(kinds)
    worth = (len(rows) / (len(counts) * counts)).astype(np.float32)
    own = np.eye(len(counts), dtype=np.float32)[:, kind_of]  # (K, F) the forms of each kind
    descent, generator = _Adam(weights, biases), np.random.default_rng(0)
    a_pass = max(1, len(rows) // BATCH)
    for step in range(EPOCHS * a_pass):
        if step % a_pass == 0:
            order = generator.permutation(len(rows))
        chosen = order[step % a_pass * BATCH :][:BATCH]
        batch, mine = rows[chosen], own[kinds[chosen]]
        scores = batch @ descent.weights + descent.biases
        wanted = softmax(np.where(mine > 0, scores, -np.inf), axis=1)
        off = (softmax(scores, axis=1) - wanted) * (worth[kinds[chosen]] / len(chosen))[:, None]
        pull = np.float32(PULL) * (descent.weights - weights)
        rate = RATE * (1 + np.cos(np.pi * step / (EPOCHS * a_pass))) / 2
        descent.step(batch.T @ off + pull, off.sum(axis=0), rate=rate)
    return Boundaries(gaussians=gaussians, weights=descent.weights, biases=descent.biases + many)


class _Adam:
    """Weights and biases, and the means of their gradients (Kingma & Ba 2015)."""

    def __init__(self, weights: Values, biases: Values) -> None:
        self.weights, self.biases = weights.copy(), biases.copy()
        self._first = [np.zeros_like(weights), np.zeros_like(biases)]
        self._second = [np.zeros_like(weights), np.zeros_like(biases)]
        self._steps = 0

    def step(self, weights: Values, biases: Values, *, rate: float) -> None:
        """Go down these gradients."""
        self._steps += 1
        for place, gradient in enumerate((weights, biases)):
            self._first[place] += np.float32(1 - _FIRST) * (gradient - self._first[place])
            self._second[place] += np.float32(1 - _SECOND) * (gradient**2 - self._second[place])
            mean = self._first[place] / np.float32(1 - _FIRST**self._steps)
            spread = np.sqrt(self._second[place] / np.float32(1 - _SECOND**self._steps))
            (self.weights, self.biases)[place][...] -= np.float32(rate) * mean / (spread + np.float32(_LEAST))
