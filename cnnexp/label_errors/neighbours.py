"""Whether images that are alike have the same label: more often than chance, unless labels were permuted.

Each image is compared with its nearest neighbours by features. Under the hypothesis that labels do not belong to their
images every permutation of them is as probable; that is exact, whatever the features are worth.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Labels

NEIGHBOURS = 10
_MOST = 3000  # images compared, drawn at random; the time grows with their square
_PERMUTATIONS = 199  # so that the smallest p-value is 0.005
_CHUNK = 512  # rows of distances in memory

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class NeighbourAgreement:
    """How many of the nearest neighbours have an image's label."""

    images: int  # compared
    agreement: float  # mean share of the neighbours, 0..1
    chance: float  # its mean over all permutations of the labels, exactly
    spread: float  # its standard deviation over `_PERMUTATIONS` of them
    p_value: float  # share of permutations, the given labels included, that agree at least as much

    @property
    def lift(self) -> float:
        """Return how far the agreement is from chance, 0, to perfect, 1; may be slightly negative."""
        return (self.agreement - self.chance) / (1 - self.chance)


def neighbour_agreement(features: NDArray[np.floating], labels: Labels, *, seed: int = 0) -> NeighbourAgreement:
    """Compare images by features (n, F) with labels (n,) of at least two classes; n is larger than `NEIGHBOURS`."""
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(labels))[:_MOST])
    labels, nearest = labels[rows], nearest_rows(np.asarray(features)[rows], count=NEIGHBOURS)
    agreement = _share(labels, nearest)
    permuted = np.array([_share(random.permutation(labels), nearest) for _ in range(_PERMUTATIONS)])
    counts = np.bincount(labels)
    return NeighbourAgreement(
        images=len(labels),
        agreement=agreement,
        chance=float((counts * (counts - 1)).sum() / (len(labels) * (len(labels) - 1))),
        spread=float(permuted.std()),
        p_value=float((1 + (permuted >= agreement).sum()) / (1 + _PERMUTATIONS)),
    )


def nearest_rows(features: NDArray[np.floating], *, count: int, places: Rows | None = None) -> Rows:
    """Return (m, count) the rows nearest to the features of `places` (m,), by distance, without the image itself.

    `features` are (n, F), n larger than `count`; without `places` all rows are asked about.
    """
    asked = np.arange(len(features)) if places is None else places
    values = features.astype(np.float32)
    lengths = (values**2).sum(axis=1)
    found = np.empty((len(asked), count), np.int64)
    for start in range(0, len(asked), _CHUNK):
        rows = asked[start : start + _CHUNK]
        distances = lengths - 2 * values[rows] @ values.T
        distances[np.arange(len(rows)), rows] = np.inf
        found[start : start + _CHUNK] = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return found


def _share(labels: Labels, nearest: Rows) -> float:
    return float((labels[nearest] == labels[:, None]).mean())
