"""The temperature that answers would need, with its interval: how many times too sure they are.

It tells over-confidence better than the share of right answers does: one mistake that was called impossible says more
than many that were called unlikely.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from scipy.stats import chi2

from cnnexp.diagnosis.answers import Answers
from cnnexp.diagnosis.intervals import LEVEL

TEMPERATURES = np.geomspace(0.2, 20, 93)  # steps of 5 %
LEAST_PROBABILITY = 1e-30  # well above the least number of float32


def needed_temperature(*answered: Answers) -> tuple[float, float, float]:
    """Return the most likely temperature of answers to images that were not trained on, with its 99 % interval."""
    logits = np.log(np.maximum(np.concatenate([one.probabilities for one in answered]), LEAST_PROBABILITY))
    labels = np.concatenate([one.labels for one in answered])
    losses = np.array([_loss(logits / temperature, labels) for temperature in TEMPERATURES])
    possible = TEMPERATURES[losses <= losses.min() + chi2.ppf(LEVEL, 1) / 2]
    return float(TEMPERATURES[losses.argmin()]), float(possible[0]), float(possible[-1])


def _loss(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    return -float(log_softmax(logits, axis=1)[np.arange(len(labels)), labels].sum(dtype=np.float64))
