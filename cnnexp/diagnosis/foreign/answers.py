"""Outputs of a network that nobody described, as log-probabilities of classes, and how well they fit labels.

The order of the classes and the sharpness of the probabilities are unknown as well: both are fitted by maximum
likelihood on one half of the images, and judged on the other.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import log_expit, log_softmax

from cnnexp.records import Labels

LogProbabilities = NDArray[np.float64]  # (N, K)

_SMALLEST = 1e-12  # stands for probabilities that were rounded to 0
TEMPERATURES = np.geomspace(0.125, 64, 19)
BOUNDARIES = np.linspace(0.05, 0.95, 19)  # shares of the images on one side of them
LEAST = 0.02  # of each probability is spread over all classes, so that no single image decides


def log_probabilities(outputs: NDArray[Any], *, form: str) -> LogProbabilities:
    """Return (N, K) log-probabilities of outputs (N, K), or (N, 1) for two classes; see `form_of`."""
    values = outputs.astype(np.float64)
    if form == "logits":
        if values.shape[1] == 1:
            return np.concatenate([log_expit(-values), log_expit(values)], axis=1)
        found: LogProbabilities = log_softmax(values, axis=1)
        return found
    values = np.clip(values, _SMALLEST, 1 - _SMALLEST)
    if values.shape[1] == 1:
        values = np.concatenate([1 - values, values], axis=1)
    elif form == "sigmoids":
        values = values / (1 - values)  # the odds of each class against all others
    logarithms: LogProbabilities = np.log(values / values.sum(axis=1, keepdims=True))
    return logarithms


def form_of(outputs: NDArray[Any]) -> str:
    """Return what outputs (N, K) are: probabilities, sigmoids (of each class by itself), or logits."""
    if not np.isfinite(outputs).all() or outputs.min() < -1e-4 or outputs.max() > 1 + 1e-4:
        return "logits"
    sums = outputs.sum(axis=1)
    return "probabilities" if outputs.shape[1] == 1 or np.allclose(sums, 1, atol=1e-2) else "sigmoids"


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was fitted on one half of the images."""

    order: NDArray[np.int64]  # (L,) the output of each class of the labels
    temperature: float
    score: float  # mean log-likelihood of the labels on that half
    # Of two classes, the log-odds from which the second output is answered; None: the higher one is, as usual.
    boundary: float | None = None

    def moved(self, found: LogProbabilities) -> LogProbabilities:
        """Return (N, K) log-probabilities with the boundary at equal ones."""
        return _moved(found, self.boundary)

    def scores(self, found: LogProbabilities, labels: Labels) -> NDArray[np.float64]:
        """Return (N,) log-likelihoods of labels (N,) of other images."""
        return _tempered(self.moved(found), self.temperature)[np.arange(len(labels)), self.order[labels]]

    def correct(self, found: LogProbabilities, labels: Labels) -> NDArray[np.bool_]:
        """Return (N,) whether the highest output is that of the label."""
        right: NDArray[np.bool_] = self.moved(found).argmax(axis=1) == self.order[labels]
        return right


def fit(
    found: LogProbabilities,
    labels: Labels,
    *,
    classes: int,
    order: NDArray[np.int64] | None = None,
    movable: bool = False,
) -> Fitted:
    """Fit temperature and, unless `order` is given, the order of `classes` to labels (N,), by maximum likelihood.

    `movable`: the boundary between two classes, too.
    """
    best: Fitted | None = None
    boundaries = np.quantile(found[:, 1] - found[:, 0], BOUNDARIES).tolist() if movable else [None]
    for temperature, boundary in itertools.product(TEMPERATURES.tolist(), boundaries):
        tempered = _tempered(_moved(found, boundary), temperature)
        sums = np.zeros((classes, tempered.shape[1]))
        np.add.at(sums, labels, tempered)
        outputs = linear_sum_assignment(-sums)[1] if order is None else order
        score = float(sums[np.arange(classes), outputs].sum() / len(labels))
        if best is None or score > best.score:
            best = Fitted(np.asarray(outputs, np.int64), temperature, score, boundary)
    assert best is not None
    return best


def _moved(found: LogProbabilities, boundary: float | None) -> LogProbabilities:
    if boundary is None:
        return found
    moved: LogProbabilities = log_softmax(found - np.array([0.0, boundary]), axis=1)
    return moved


def _tempered(found: LogProbabilities, temperature: float) -> LogProbabilities:
    sharpened = log_softmax(found / temperature, axis=1)
    mixed: LogProbabilities = np.logaddexp(np.log(1 - LEAST) + sharpened, np.log(LEAST / found.shape[1]))
    return mixed
