"""Are the probabilities calibrated? The expected calibration error, and the temperature that corrects it.

Source: Guo, Pleiss, Sun & Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from cnnexp.errors import DataError, ModelError
from cnnexp.records import Labels, Probabilities

# With fewer calibration images, noise changes T more than miscalibration does; the caller then omits the temperature.
MINIMUM_IMAGES = 100
TEMPERATURE_BOUNDS = (0.05, 20.0)  # beyond either bound, probabilities are one-hot or uniform in practice
PRIOR_DEVIATION = math.log(2) / 2  # of log T around 0: the prior puts T within 1/2..2 with 95 %

BINS = 15  # of equal width over (0, 1], as in Guo et al. 2017
ROW_SUM_TOLERANCE = 1e-3  # float32 softmax rows miss 1 by about 1e-6; a missing softmax misses it by far more
EDGE_TOLERANCE = 1e-6  # in bins: float32 turns a confidence of 0.2, a bin's upper edge, into 0.200000003
SIMULATIONS = 1_000  # runs of a perfectly calibrated model
MINIMUM_SIMULATIONS = 200
SIMULATED_ANSWERS = 10_000_000  # limit of simulations * images, about 0.1 s, down to the minimum


def fit_temperature(*, probabilities: Probabilities, labels: Labels) -> float:
    """Return the T in [0.05, 20] that makes ``softmax(log p / T)`` most likely on images not used in training.

    Minimizes the summed negative log-likelihood (Guo et al. 2017) plus ``(log T / PRIOR_DEVIATION)² / 2``, a
    log-normal prior on T. Where (almost) every prediction is correct, the likelihood alone would go towards T = 0 and
    declare mistakes impossible; the prior prevents that, and matters less the more mistakes there are.

    ``probabilities`` is (N, K) float32 with rows that sum to 1, ``labels`` (N,) in 0..K-1. Below
    ``MINIMUM_IMAGES`` images the caller should omit the temperature.

    Raises:
        DataError: the split is empty, or labels are out of range.
        ModelError: rows are not probabilities.
        ValueError: shapes do not match.

    """
    require_probabilities(probabilities, labels)
    logits = _log(probabilities)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        likelihood = log_softmax(logits / math.exp(log_temperature), axis=1)[rows, labels].sum()
        return float(0.5 * (log_temperature / PRIOR_DEVIATION) ** 2 - likelihood)

    low, high = TEMPERATURE_BOUNDS
    found = minimize_scalar(loss, bounds=(math.log(low), math.log(high)), method="bounded", options={"xatol": 1e-6})
    return math.exp(float(found.x))


def expected_calibration_error(*, probabilities: Probabilities, labels: Labels) -> float:
    """Return the top-label ECE: the mean distance of confidence and accuracy over 15 equal-width bins, 0..1.

    ``probabilities`` (N, K), ``labels`` (N,). An image counts in the bin of its highest probability; a bin is weighted
    by its number of images (Guo et al. 2017, equation 3). Biased upward: even a calibrated model scores above 0 on a
    finite split, see `ece_of_a_calibrated_model`.
    """
    confidences = probabilities.max(axis=1).astype(np.float64)
    excess = (probabilities.argmax(axis=1) == labels) - confidences
    by_bin = np.bincount(confidence_bins(confidences), weights=excess, minlength=BINS)
    return float(np.abs(by_bin).sum() / len(labels))


def confidence_bins(confidences: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return (N,) the bin of each confidence, 0..14; a bin includes its upper edge, as in Guo et al. 2017."""
    upper = np.ceil(confidences.astype(np.float64) * BINS - EDGE_TOLERANCE)
    bins: NDArray[np.int64] = np.clip(upper - 1, 0, BINS - 1).astype(np.int64)
    return bins


def ece_of_a_calibrated_model(*, confidences: NDArray[np.floating], seed: int) -> NDArray[np.float64]:
    """Return (S,) the ECE of S simulated, perfectly calibrated models with the same confidences (N,).

    The reference for an observed ECE: values within these are sampling noise (consistency resampling, Bröcker & Smith,
    "Increasing the Reliability of Reliability Diagrams", 2007). S is 1,000, less above 10,000 images.
    """
    bins = confidence_bins(confidences)
    order = np.argsort(bins, kind="stable")
    expected = confidences[order].astype(np.float64)
    starts = np.flatnonzero(np.diff(bins[order], prepend=-1))
    simulations = int(np.clip(SIMULATED_ANSWERS // len(bins), MINIMUM_SIMULATIONS, SIMULATIONS))
    rng = np.random.default_rng(seed)
    errors = np.empty(simulations)
    for index in range(
        simulations
    ):  # one at a time: 10,000 random numbers fit into the processor's cache, ten million do not
        excess = np.add.reduceat((rng.random(len(expected)) < expected) - expected, starts)
        errors[index] = np.abs(excess).sum() / len(expected)
    return errors


def require_probabilities(probabilities: Probabilities, labels: Labels) -> None:
    """Raise the errors of `fit_temperature` unless these are N > 0 labelled rows of probabilities."""
    if probabilities.ndim != 2 or labels.shape != probabilities.shape[:1]:
        raise ValueError(
            f"Probabilities must be (N, K) and labels (N,); got {probabilities.shape} and {labels.shape}. "
            "Give one row and one label for each image."
        )
    images, classes = probabilities.shape
    if images == 0:
        raise DataError("A split must have at least one image to be evaluated; got none. Give it a larger share.")
    if labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"Labels must be 0..{classes - 1} for {classes} classes; got {labels.min()}..{labels.max()}. "
            "The data and the model disagree about the classes."
        )
    _require_distributions(probabilities)


def _require_distributions(probabilities: Probabilities) -> None:
    broken = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if broken.size:
        raise ModelError(
            f"Probabilities must be finite; {broken.size} of {len(probabilities)} rows are not, the first is row "
            f"{broken[0]}. The weights or the input contain NaN or infinity; try a lower optimizer.learning_rate."
        )
    sums = probabilities.sum(axis=1, dtype=np.float64)
    worst = int(np.abs(sums - 1).argmax())
    if probabilities.min() < 0 or abs(sums[worst] - 1) > ROW_SUM_TOLERANCE:
        raise ModelError(
            f"Each row must be probabilities, at least 0 and summing to 1; the smallest value is "
            f"{probabilities.min():g}, row {worst} sums to {sums[worst]:g}. The model's last layer must be a softmax."
        )


def _log(probabilities: Probabilities) -> NDArray[np.float64]:
    """Return log p, (N, K) float64; a probability that underflowed to 0 counts as the smallest float32."""
    logs: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    return logs
