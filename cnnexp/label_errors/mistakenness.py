"""How probable it is that a label is wrong, and which labels are contradicted: confident learning.

Northcutt, Jiang & Chuang 2021 (arXiv:1911.00068). Every number is from probabilities (n, K) that models gave for images
which they were not trained on.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Labels

Probabilities = NDArray[np.floating]  # (n, K), each row by a model that was not trained on the image
Rows = NDArray[np.int64]


def mistakenness(probabilities: Probabilities, labels: Labels) -> NDArray[np.float32]:
    """Return (n,) from 0 to 1, by which images are ranked whose label may be wrong: 1 - probability of the label.

    ``benchmarks/label_errors.py`` compares it with other scores. A hard image ranks high, too.
    """
    own = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return np.clip(1 - own, 0, 1).astype(np.float32)


def hardness(probabilities: Probabilities) -> NDArray[np.float32]:
    """Return (n,) how unsure a model is of each image, whatever its label: entropy, 0 is sure, 1 all classes alike."""
    count = probabilities.shape[1]
    if count < 2:
        return np.zeros(len(probabilities), np.float32)
    likely = np.maximum(probabilities.astype(np.float64), 1e-12)
    entropy = -(probabilities * np.log(likely)).sum(axis=1) / np.log(count)
    return np.asarray(np.clip(entropy, 0, 1), np.float32)


def contradicted(probabilities: Probabilities, labels: Labels) -> tuple[Rows, Labels]:
    """Return places whose label is contradicted, and the class that is more probable; the largest difference first.

    Another class is at least as probable as for its own images on average, and the label less probable than chance.
    """
    count, classes = probabilities.shape
    own = probabilities[np.arange(count), labels]
    claims = np.where(probabilities >= thresholds(probabilities, labels), probabilities, 0)
    claims[np.arange(count), labels] = 0
    better = claims.argmax(axis=1)
    claim = claims[np.arange(count), better]
    places = np.flatnonzero((claim > own) & (own < 1 / classes))
    order = places[np.argsort(own[places] - claim[places], kind="stable")]
    return order, better[order]


def thresholds(probabilities: Probabilities, labels: Labels) -> NDArray[np.float64]:
    """Return (K,) the mean probability of each class over the images with its label; 1 for a class without images."""
    return np.array(
        [
            probabilities[labels == label, label].mean() if (labels == label).any() else 1.0
            for label in range(probabilities.shape[1])
        ]
    )
