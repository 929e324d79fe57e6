"""The search for near duplicates finds what comparing each image with every other finds."""

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cnnexp.data_check import similar_vectors
from cnnexp.data_check.near_duplicates import NEIGHBOURS, NearDuplicateSearch, grey_levels

SIDE, SAMPLE = 16, 2000  # pixels: those of a descriptor; images by which the limit is estimated


def images_of(kind, count):
    numbers = np.random.default_rng(1)
    scene = np.kron(numbers.integers(0, 256, (4, 4)), np.ones((4, 4)))
    noise = numbers.integers(0, 256, (count, SIDE, SIDE)).astype(float)
    if kind == "frames":
        noise = scene + numbers.normal(0, 8, noise.shape)
    if kind == "half frames":
        noise[: int(0.3 * count)] = scene + numbers.normal(0, 6, (int(0.3 * count), SIDE, SIDE))
    if kind == "blank":
        noise[: count // 2] = numbers.integers(0, 256, (count // 2, 1, 1))
    one, other = numbers.permutation(np.arange(count // 2, count))[:200].reshape(2, 100)
    strength = np.linspace(0, 45, 100)[:, None, None]  # of what makes them unlike: to both sides of the limit
    noise[other] = 0.8 * noise[one] + 25 + strength * numbers.normal(size=(100, SIDE, SIDE))
    return np.clip(noise, 0, 255).astype(np.uint8)[..., None]


def found(images, rows):
    search = NearDuplicateSearch(images, rows, np.zeros(len(images), np.int64))
    for start in range(0, len(images), 1000):
        search.add(start, grey_levels(images[start : start + 1000]))
    pairs, similarity = search.pairs()
    assert len(pairs) == len(similarity)
    return pairs


def by_comparing_all(images, rows):
    """Return the pairs by their definition."""
    vectors = images[rows].reshape(len(rows), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-3)
    correlation = vectors @ vectors.T
    np.fill_diagonal(correlation, -1)
    sampled = np.unique(np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows))).astype(int))
    nearest = np.log(np.sqrt(np.maximum(2 - 2 * correlation[sampled].max(axis=1), 1e-8)))
    spread = max(1.4826 * np.median(np.abs(nearest - np.median(nearest))), 0.05)
    limit = min(np.exp(np.median(nearest) - 6 * spread), np.sqrt(0.2))
    one, other = np.nonzero(np.triu(correlation) >= 1 - limit**2 / 2)
    return rows[np.stack([one, other], axis=1)], correlation


def groups(pairs, count):
    graph = coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


@pytest.mark.parametrize("nanoseconds", [0.0, np.inf], ids=["each by each", "by keys"])  # whatever would be faster
@pytest.mark.parametrize(("kind", "count"), [("noise", 3500), ("frames", 1500), ("half frames", 2500), ("blank", 3500)])
def test_the_same_pairs_are_found_as_by_comparing_all(kind, count, nanoseconds, monkeypatch):
    monkeypatch.setattr(similar_vectors, "ONE_BY_ALL", nanoseconds)
    images, rows = images_of(kind, count), np.delete(np.arange(count), [5, count // 3])
    mine, (theirs, _) = found(images, rows), by_comparing_all(images, rows)
    partners = np.bincount(theirs.ravel(), minlength=count)
    few = partners[theirs].max(axis=1) <= NEIGHBOURS
    own, exact = (pairs[:, 0] * count + pairs[:, 1] for pairs in (mine, theirs))
    assert np.isin(own, exact).all()
    assert np.isin(exact[few], own).all()
    assert np.array_equal(groups(mine, count), groups(theirs, count))
    assert (np.diff(own) > 0).all()
    assert (mine[:, 0] < mine[:, 1]).all()
    assert kind == "frames" or few.sum() > 30
    assert (partners.max() > NEIGHBOURS) == (kind == "half frames")
    assert len(mine) <= count * NEIGHBOURS  # also where a million pairs are similar


@pytest.mark.parametrize("images", [np.zeros((400, 8, 8, 3), np.uint8), np.full((40, 20, 30, 1), 9, np.uint8)])
def test_images_that_show_nothing_are_no_near_duplicates(images):
    assert not len(found(images, np.arange(len(images))))
    assert not len(found(images, np.arange(0)))
