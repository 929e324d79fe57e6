"""Near duplicates: pairs of images that are much more similar than images of this data set usually are.

The distance of two images is that of their pixels, averaged to 16 × 16, after normalizing brightness and contrast, so
that another encoding, size or exposure hardly changes it. The usual distance to the nearest image is estimated
from a sample, per class, because trousers resemble each other more than sandals do. A pair is reported where its
distance is six robust deviations below the median of both its classes; if the logarithms were normal, chance would do
that to one image in a billion. So nothing is reported of a data set of things that all look alike.

Not every image is compared with every other. Distances between projections on the sample's principal axes are never
larger than the real ones, so a tree over the projections (scipy's cKDTree) finds every candidate within the limit.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Images, Labels

SIDE = 16  # pixels
SAMPLE = 2000  # images whose nearest neighbour is looked up among all
FEWEST = 30  # images of a sample from which the usual distance is estimated
DEVIATIONS = 6.0
LEAST_SPREAD = 0.05  # of log distance: with less, almost any pair would stand out from near-equal distances
LEAST_CORRELATION = 0.9  # of descriptors and of the pixels the network sees, whatever is usual
AXES = 16  # of the projection
NEIGHBOURS = 8  # candidates examined for each image
PAIRS_PER_BATCH = 1024  # verified together

Rows = NDArray[np.int64]
Float = NDArray[np.float32]
Grey = NDArray[np.float32]  # (n, H, W), 0..255


def grey_levels(images: Images) -> Grey:
    """Average the channels."""
    levels: Grey = images[..., 0].astype(np.float32)
    for channel in range(1, images.shape[3]):  # much faster than .mean(axis=3)
        levels += images[..., channel]
    levels /= images.shape[3]
    return levels


def strata(labels: Labels) -> Labels:
    """Return the stratum of each image, within which distances are compared: its class, or 0 if classes are small."""
    counts = np.bincount(labels)
    enough = min(counts[counts > 0].min(), SAMPLE // len(counts)) >= FEWEST
    return labels if enough else np.zeros_like(labels)


class NearDuplicateSearch:
    """Takes grey images in batches; keeps a few numbers of each."""

    def __init__(self, images: Images, rows: Rows, strata: Labels) -> None:
        """Prepare to search `rows` of `images`, each compared with those of its stratum."""
        self._images, self._rows, self._strata = images, rows, strata
        self._sampled = _sample(rows, strata)
        self._pool = _pooling(images.shape[1]), _pooling(images.shape[2])
        self._sample = self._descriptors(grey_levels(images[self._sampled]))
        self._axes = _principal_axes(self._sample)
        self._projections = np.zeros((len(images), self._axes.shape[1]), np.float32)
        self._nearest = np.full(len(self._sampled), -1, np.float32)  # correlation
        self._wanted = np.zeros(len(images), bool)
        self._wanted[rows] = True

    def add(self, start: int, grey: Float) -> None:
        """Add the images from row `start` on."""
        descriptors = self._descriptors(grey)
        self._projections[start : start + len(grey)] = descriptors @ self._axes
        correlation = self._sample @ descriptors.T
        correlation[:, ~self._wanted[start : start + len(grey)]] = -1
        itself = np.flatnonzero((self._sampled >= start) & (self._sampled < start + len(grey)))
        correlation[itself, self._sampled[itself] - start] = -1
        np.maximum(self._nearest, correlation.max(axis=1), out=self._nearest)

    def pairs(self) -> tuple[Rows, Float]:
        """Return pairs of rows (M, 2), the lower first, and the correlation of their pixels (M,)."""
        limits = self._limits()
        nothing = np.empty((0, 2), np.int64), np.empty(0, np.float32)
        found = [self._verified(pairs, limits) for pairs in self._candidates(limits)] if limits.any() else []
        return tuple(map(np.concatenate, zip(nothing, *found, strict=True)))  # type: ignore[return-value]

    def _descriptors(self, grey: Float) -> Float:
        down, across = self._pool
        small = (down @ (grey @ across.T)).reshape(len(grey), len(down) * len(across))
        return _unit(small)

    def _limits(self) -> Float:
        """Return the distance, of each stratum, below which two images are near duplicates; 0 with too few images."""
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
        """Find pairs within the limit among the projections, in batches."""
        from scipy.spatial import cKDTree  # slow to import, needed once per data set

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
        return np.array_split(pairs, -(-len(pairs) // PAIRS_PER_BATCH)) if len(pairs) else []

    def _verified(self, pairs: Rows, limits: Float) -> tuple[Rows, Float]:
        """Compare whole descriptors and pixels; the limit is the lower one of their two strata."""
        one, other = self._images[pairs[:, 0]], self._images[pairs[:, 1]]
        correlation = _correlation(self._descriptors(grey_levels(one)), self._descriptors(grey_levels(other)))
        similarity = _correlation(*(_unit(side.reshape(len(pairs), -1).astype(np.float32)) for side in (one, other)))
        limit = limits[self._strata[pairs]].min(axis=1)
        kept = (_distance(correlation) <= limit) & (similarity >= LEAST_CORRELATION)
        return pairs[kept], similarity[kept]


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


def _principal_axes(descriptors: Float) -> Float:
    """Return the directions (D, at most AXES) along which the sample varies most."""
    centred = descriptors - descriptors.sum(axis=0) / max(len(descriptors), 1)  # empty if no image could be read
    _, vectors = np.linalg.eigh(centred.T @ centred)
    return np.ascontiguousarray(vectors[:, ::-1][:, :AXES].astype(np.float32))


def _unit(values: Float) -> Float:
    """Subtract each row's mean and scale it to length one; rows without contrast become zero."""
    centred = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit: Float = centred / np.maximum(length, 1e-3)
    return unit


def _correlation(one: Float, other: Float) -> Float:
    correlation: Float = np.einsum("nd,nd->n", one, other)
    return correlation


def _distance(correlation: Float | np.float32) -> Float:
    """Return the distance of unit vectors; never quite zero, because its logarithm is taken."""
    return np.asarray(np.sqrt(np.maximum(2 - 2 * correlation, np.float32(1e-8))))
