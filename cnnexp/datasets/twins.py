"""Near duplicates: pairs of images far more alike than this data set's images otherwise are.

Two images are as far apart as their pixels, averaged to 16 × 16 and freed of brightness and contrast, so that another
encoding, size or exposure hardly moves them. How far the nearest image usually is, a sample tells, class by class, for
trousers resemble each other more than sandals do. A pair is reported where that distance lies six robust deviations
below the median of both its classes: chance, were the logarithms normal, does that to one image of a thousand million.
So a data set of things that all look alike stays silent.

Every image is not compared with every other. Distances among projections on the sample's principal axes are never
larger than the real ones, so a tree over the projections (scipy's cKDTree) finds every candidate within the limit.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.grey import grey_levels
from cnnexp.records import Images, Labels

SIDE = 16  # pixels
SAMPLE = 2000  # images whose nearest neighbour is looked up among all
FEWEST = 30  # images, of a sample, that can tell what is usual
DEVIATIONS = 6.0
LEAST_SPREAD = 0.05  # of log distance: below it, a median of equals would accuse anything
LEAST_CORRELATION = 0.9  # of descriptions and of the pixels the network sees, whatever is usual
AXES = 16  # of the projection
NEIGHBOURS = 8  # candidates looked at for each image
PORTION = 1024  # pairs verified together

Rows = NDArray[np.int64]
Float = NDArray[np.float32]


def strata(labels: Labels) -> Labels:
    """Give each image the number of the images it is judged among: its class, or all where the classes are small."""
    counts = np.bincount(labels)
    enough = min(counts[counts > 0].min(), SAMPLE // len(counts)) >= FEWEST
    return labels if enough else np.zeros_like(labels)


class TwinSearch:
    """Takes grey images in portions; holds a few numbers of each."""

    def __init__(self, images: Images, rows: Rows, strata: Labels) -> None:
        """Prepare to look among `rows` of `images`, each judged among those of its stratum."""
        self._images, self._rows, self._strata = images, rows, strata
        self._sampled = _sample(rows, strata)
        self._pool = _pooling(images.shape[1]), _pooling(images.shape[2])
        self._sample = self._described(grey_levels(images[self._sampled]))
        self._axes = _principal_axes(self._sample)
        self._projections = np.zeros((len(images), self._axes.shape[1]), np.float32)
        self._nearest = np.full(len(self._sampled), -1, np.float32)  # correlation
        self._wanted = np.zeros(len(images), bool)
        self._wanted[rows] = True

    def add(self, start: int, grey: Float) -> None:
        """Take the images from row `start` on."""
        described = self._described(grey)
        self._projections[start : start + len(grey)] = described @ self._axes
        alike = self._sample @ described.T
        alike[:, ~self._wanted[start : start + len(grey)]] = -1
        itself = np.flatnonzero((self._sampled >= start) & (self._sampled < start + len(grey)))
        alike[itself, self._sampled[itself] - start] = -1
        np.maximum(self._nearest, alike.max(axis=1), out=self._nearest)

    def found(self) -> tuple[Rows, Float]:
        """Return pairs of rows (M, 2), the lower first, and the correlation of each."""
        limits = self._limits()
        nothing = np.empty((0, 2), np.int64), np.empty(0, np.float32)
        found = [self._verified(pairs, limits) for pairs in self._candidates(limits)] if limits.any() else []
        return tuple(map(np.concatenate, zip(nothing, *found, strict=True)))  # type: ignore[return-value]

    def _described(self, grey: Float) -> Float:
        down, across = self._pool
        small = (down @ (grey @ across.T)).reshape(len(grey), len(down) * len(across))
        return _unit(small)

    def _limits(self) -> Float:
        """Give each stratum the distance below which two images are alike; 0 where too little is known."""
        of_sample = self._strata[self._sampled]
        logs = np.log(_distance(self._nearest))
        limits = np.zeros(int(self._strata.max(initial=0)) + 1, np.float32)
        for stratum in np.unique(of_sample):
            values = logs[of_sample == stratum]
            if len(values) >= FEWEST:
                middle = np.median(values)
                spread = max(1.4826 * np.median(np.abs(values - middle)), LEAST_SPREAD)
                limits[stratum] = np.exp(middle - DEVIATIONS * spread)
        return np.minimum(limits, _distance(np.float32(LEAST_CORRELATION)))

    def _candidates(self, limits: Float) -> list[Rows]:
        """Find pairs within the limit among the projections, in portions."""
        from scipy.spatial import cKDTree  # slow to import, needed once in a data set's life

        tree = cKDTree(self._projections[self._rows])
        found = [np.empty((0, 2), np.int64)]
        for stratum in np.flatnonzero(limits):
            rows = self._rows[self._strata[self._rows] == stratum]
            near = {"k": NEIGHBOURS, "distance_upper_bound": float(limits[stratum]), "workers": -1}
            distances, places = tree.query(self._projections[rows], **near)
            is_near = np.isfinite(distances)
            found.append(np.stack([np.repeat(rows, is_near.sum(axis=1)), self._rows[places[is_near]]], axis=1))
        pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        return np.array_split(pairs, -(-len(pairs) // PORTION)) if len(pairs) else []

    def _verified(self, pairs: Rows, limits: Float) -> tuple[Rows, Float]:
        """Compare whole descriptions, then pixels; the limit is that of the stratum which is harder to please."""
        one, other = self._images[pairs[:, 0]], self._images[pairs[:, 1]]
        alike = _correlation(self._described(grey_levels(one)), self._described(grey_levels(other)))
        likeness = _correlation(*(_unit(side.reshape(len(pairs), -1).astype(np.float32)) for side in (one, other)))
        limit = limits[self._strata[pairs]].min(axis=1)
        kept = (_distance(alike) <= limit) & (likeness >= LEAST_CORRELATION)
        return pairs[kept], likeness[kept]


def _sample(rows: Rows, strata: Labels) -> Rows:
    """Choose evenly spaced rows of each stratum, in rising order."""
    groups = [rows[strata[rows] == stratum] for stratum in np.unique(strata[rows])]
    share = SAMPLE // max(len(groups), 1)
    chosen = [group[np.unique(np.linspace(0, len(group) - 1, min(share, len(group))).astype(int))] for group in groups]
    return np.sort(np.concatenate(chosen)) if chosen else rows


def _pooling(length: int) -> Float:
    """Return the matrix (SIDE or fewer, length) that averages neighbouring pixels by the area they share."""
    side = min(SIDE, length)
    edges = np.linspace(0, length, side + 1)
    shared = np.minimum(edges[1:, None], np.arange(1, length + 1)) - np.maximum(edges[:-1, None], np.arange(length))
    pooling: Float = (np.maximum(shared, 0) * side / length).astype(np.float32)
    return pooling


def _principal_axes(described: Float) -> Float:
    """Return the directions (D, at most AXES) along which the sample differs most."""
    centred = described - described.sum(axis=0) / max(len(described), 1)  # none where no image could be read
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, ::-1][:, :AXES].astype(np.float32))


def _unit(values: Float) -> Float:
    """Take off each row's mean and bring it to length one; rows without any contrast become zero."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: Float = centred / np.maximum(length, 1e-3)
    return unit


def _correlation(one: Float, other: Float) -> Float:
    alike: Float = np.einsum("nd,nd->n", one, other)
    return alike


def _distance(correlation: Float | np.float32) -> Float:
    """Return how far unit vectors are apart; never quite zero, for the sake of the logarithm."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * correlation, np.float32(1e-8))))
