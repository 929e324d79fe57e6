"""How much the outputs of a network depend on the image, and how much training has changed them."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import OutputStatistics

QUARTILES = (0.25, 0.75)


def output_statistics(logits: NDArray[np.float32], *, untrained: NDArray[np.float32]) -> OutputStatistics:
    """Return the statistics of finite logits (N, K), N above 0; `untrained` are those before the first step.

    The softmax ignores what the logits of an image have in common, so each image's mean logit is subtracted first.
    """
    centred, before = _centred(logits), _centred(untrained)
    answers = np.bincount(logits.argmax(axis=1))
    return OutputStatistics(
        top_share=float(answers.max() / len(logits)),
        spread=_interquartile_range(centred),
        change=_interquartile_range(centred - before),
    )


def _centred(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = logits.astype(np.float64)
    centred -= centred.mean(axis=1, keepdims=True)
    return centred


def _interquartile_range(values: NDArray[np.float64]) -> float:
    """Return the interquartile range over images, mean over classes, of (N, K) values."""
    low, high = np.quantile(values, QUARTILES, axis=0)
    return float((high - low).mean())
