"""Near duplicates: pairs of images that are much more similar than images of this data set usually are.

The distance of two images is that of their pixels, averaged to 16 × 16, after normalizing brightness and contrast, so
that another encoding, size or exposure hardly changes it. The usual distance to the nearest image is estimated
from a sample, per class, because trousers resemble each other more than sandals do. A pair is reported where its
distance is six robust deviations below the median of both its classes; if the logarithms were normal, chance would do
that to one image in a billion. So nothing is reported of a data set of things that all look alike.

Candidates come from `similar_vectors`. Of an image with more than `NEIGHBOURS` near duplicates, such as a frame of a
film that stands still, not all pairs are kept, but enough to connect it with all of them.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.similar_vectors import Float, Rows, are_near, similar_pairs
from cnnexp.records import Images, Labels

SIDE = 16  # pixels
SAMPLE = 2000  # images whose nearest neighbour is looked up among all
FEWEST = 30  # images of a sample from which the usual distance is estimated
DEVIATIONS = 6.0
LEAST_SPREAD = 0.05  # of log distance: with less, almost any pair would stand out from near-equal distances
LEAST_CORRELATION = 0.9  # of descriptors and of the pixels the network sees, whatever is usual
LEAST_LENGTH = 0.5  # of a descriptor; that of an image without contrast is 0
NEIGHBOURS = 8  # of an image and its group, after which further pairs within the group are not looked at
MOST_VERIFIED = 64  # pairs of an image, where most of them turn out to be none
PAIRS_PER_BATCH = 1024  # verified together

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
        self._centre = self._sample.sum(axis=0) / max(len(self._sample), 1)  # empty if no image could be read
        self._vectors = np.zeros((len(rows), self._sample.shape[1]), np.float16)
        self._contrasty = np.zeros(len(rows), bool)
        self._nearest = np.full(len(self._sampled), -1, np.float32)  # correlation
        self._wanted = np.zeros(len(images), bool)
        self._wanted[rows] = True

    def add(self, start: int, grey: Float) -> None:
        """Add the images from row `start` on."""
        descriptors = self._descriptors(grey)
        wanted = self._wanted[start : start + len(grey)]
        first = int(np.searchsorted(self._rows, start))
        places = slice(first, first + int(wanted.sum()))
        self._vectors[places] = descriptors[wanted] - self._centre
        self._contrasty[places] = np.linalg.norm(descriptors[wanted], axis=1) > LEAST_LENGTH
        correlation = self._sample @ descriptors.T
        correlation[:, ~wanted] = -1
        itself = np.flatnonzero((self._sampled >= start) & (self._sampled < start + len(grey)))
        correlation[itself, self._sampled[itself] - start] = -1
        np.maximum(self._nearest, correlation.max(axis=1), out=self._nearest)

    def pairs(self) -> tuple[Rows, Float]:
        """Return pairs of rows (M, 2), the lower first, and the correlation of their pixels (M,)."""
        limits = self._limits()
        limit = float(limits.max(initial=0))
        rows, vectors = self._rows, self._vectors
        if not self._contrasty.all():
            rows, vectors = rows[self._contrasty], vectors[self._contrasty]
        found = _Found(len(rows))
        sample = np.flatnonzero(np.isin(rows, self._sampled))
        if limit >= _distance(np.float32(1)) and len(sample) >= FEWEST:
            for candidates in similar_pairs(vectors, self._centre, limit, sample):
                unknown = found.unknown(candidates)
                for start in range(0, len(unknown), PAIRS_PER_BATCH):
                    pairs = found.unknown(unknown[start : start + PAIRS_PER_BATCH])
                    pairs = pairs[are_near(vectors, pairs, limit)]
                    if len(pairs):
                        found.add(pairs, *self._verified(rows[pairs], limits))
        pairs, similarity = found.sorted()
        return rows[pairs], similarity

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

    def _verified(self, pairs: Rows, limits: Float) -> tuple[NDArray[np.bool_], Float]:
        """Compare whole descriptors and pixels; the limit is the lower one of their two strata."""
        one, other = self._images[pairs[:, 0]], self._images[pairs[:, 1]]
        correlation = _correlation(self._descriptors(grey_levels(one)), self._descriptors(grey_levels(other)))
        similarity = _correlation(*(_unit(side.reshape(len(pairs), -1).astype(np.float32)) for side in (one, other)))
        limit = limits[self._strata[pairs]].min(axis=1)
        return (_distance(correlation) <= limit) & (similarity >= LEAST_CORRELATION), similarity


class _Found:
    """The pairs that have been verified, and what they connect."""

    def __init__(self, images: int) -> None:
        self._images = images
        self._codes = np.array([-1])  # of all pairs that were looked at, in rising order
        self._group = np.arange(images)
        self._partners, self._verified = np.zeros(images, np.int64), np.zeros(images, np.int64)
        self._pairs, self._similarity = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]

    def unknown(self, pairs: Rows) -> Rows:
        """Return those of pairs (M, 2) that are new and could tell something, the lower row first."""
        known = self._group[pairs[:, 0]] == self._group[pairs[:, 1]]
        known &= self._partners[pairs].max(axis=1) >= NEIGHBOURS
        known |= self._verified[pairs].min(axis=1) >= MOST_VERIFIED
        if known.all():
            return pairs[:0]
        low, high = np.sort(pairs[~known], axis=1).T
        codes = np.unique(low * self._images + high)
        codes = codes[self._codes[np.searchsorted(self._codes, codes, side="right") - 1] != codes]
        return np.stack(np.divmod(codes, self._images), axis=1)

    def add(self, pairs: Rows, near: NDArray[np.bool_], similarity: Float) -> None:
        """Add pairs (M, 2), each with whether it is one of near duplicates, and with its similarity."""
        from scipy.sparse import coo_array  # slow to import, needed once per data set
        from scipy.sparse.csgraph import connected_components

        self._codes = np.union1d(self._codes, pairs[:, 0] * self._images + pairs[:, 1])
        self._verified += np.bincount(pairs.ravel(), minlength=self._images)
        if near.any():
            self._pairs.append(pairs[near])
            self._similarity.append(similarity[near])
            self._partners += np.bincount(pairs[near].ravel(), minlength=self._images)
            edges = self._group[pairs[near]].T
            graph = coo_array((np.ones(edges.shape[1], np.int8), tuple(edges)), shape=(self._images, self._images))
            self._group = connected_components(graph, directed=False)[1][self._group]

    def sorted(self) -> tuple[Rows, Float]:
        """Return the pairs (M, 2) of near duplicates, in rising order, and their similarities (M,)."""
        pairs, similarity = np.concatenate(self._pairs), np.concatenate(self._similarity)
        order = np.lexsort(pairs.T[::-1])
        return pairs[order], similarity[order]


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
