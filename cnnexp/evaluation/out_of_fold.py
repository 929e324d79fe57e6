"""Predictions of folds put together: each image is judged by a model that was not trained on it.

Probabilities are calibrated in the same way: the temperature of a fold is fitted on the predictions of the other folds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cnnexp.evaluation.calibration import MINIMUM_IMAGES, fit_temperature
from cnnexp.records import Labels, Probabilities

_SMALLEST = np.finfo(np.float32).tiny  # stands for a probability that has underflowed to 0

Folds = NDArray[np.int64]  # (N,) number of the fold that judged an image


def with_temperature(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Return ``softmax(log p / temperature)``, (N, K)."""
    logits = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))
    return np.asarray(softmax(logits / temperature, axis=1), np.float32)


def without_temperatures(probabilities: Probabilities, folds: Folds, temperatures: Sequence[float]) -> Probabilities:
    """Return the probabilities (N, K) before the models of the folds, the first for fold 1, were calibrated."""
    plain = probabilities.copy()
    for fold, temperature in enumerate(temperatures, start=1):
        plain[folds == fold] = with_temperature(probabilities[folds == fold], 1 / temperature)
    return plain


def pooled_temperature(probabilities: Probabilities, labels: Labels) -> float | None:
    """Return the temperature that all predictions ask for; None: there are too few of them."""
    if len(labels) < MINIMUM_IMAGES:
        return None
    return fit_temperature(probabilities=probabilities, labels=labels)


def calibrated_across(probabilities: Probabilities, labels: Labels, folds: Folds) -> Probabilities:
    """Return the probabilities (N, K), those of each fold with the temperature that the other folds ask for."""
    calibrated = probabilities.copy()
    for fold in np.unique(folds):
        own = folds == fold
        temperature = pooled_temperature(probabilities[~own], labels[~own])
        if temperature is not None:
            calibrated[own] = with_temperature(probabilities[own], temperature)
    return calibrated
