"""The score of labels that may be wrong, and how far labels of similar images agree."""

import numpy as np
import pytest

from cnnexp.label_errors.mistakenness import contradicted, mistakenness
from cnnexp.label_errors.neighbours import nearest_rows, neighbour_agreement
from cnnexp.label_errors.out_of_sample import by_features

CLASSES = 4


def data(*, apart, seed=0, each=150):
    """Classes around the corners of a simplex, `apart` standard deviations from each other; F = 8, and a constant."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), each)
    features = random.normal(0, 1, (len(labels), 8))
    features[np.arange(len(labels)), labels] += apart / np.sqrt(2)
    return np.column_stack([features, np.full(len(labels), 2.0)]), labels


def symmetric(labels, rate, seed=1):
    random = np.random.default_rng(seed)
    wrong = random.permutation(len(labels))[: int(rate * len(labels))]
    noisy = labels.copy()
    noisy[wrong] = (labels[wrong] + random.integers(1, CLASSES, len(wrong))) % CLASSES
    return noisy


def test_mistakenness_is_what_the_label_lacks_of_certainty():
    probabilities = np.array([[0.9, 0.1], [0.25, 0.75], [1.0, 0.0]], np.float32)
    score = mistakenness(probabilities, np.array([0, 0, 1]))
    np.testing.assert_allclose(score, [0.1, 0.75, 1.0], atol=1e-6)
    assert score.dtype == np.float32


def test_contradicted_labels_by_hand():
    """Thresholds 0.7 and 0.6: the third and the last image reach none, the second claims class 1 with label 0."""
    probabilities = np.array([[0.95, 0.05], [0.3, 0.7], [0.65, 0.35], [0.9, 0.1], [0.35, 0.65], [0.45, 0.55]])
    labels = np.array([0, 0, 0, 0, 1, 1])
    places, better = contradicted(probabilities, labels)
    assert (places.tolist(), better.tolist()) == ([1], [1])


def test_wrong_labels_rank_first():
    features, labels = data(apart=6)
    noisy = symmetric(labels, 0.1)
    probabilities = by_features(features, noisy)
    ranked = np.argsort(-mistakenness(probabilities, noisy))
    assert (noisy != labels)[ranked[:60]].mean() > 0.95


def test_permuted_labels_agree_with_neighbours_no_more_than_chance():
    features, labels = data(apart=6)
    given = neighbour_agreement(features, labels)
    permuted = neighbour_agreement(features, np.random.default_rng(0).permutation(labels))
    assert given.chance == permuted.chance == pytest.approx((150 - 1) / (600 - 1))
    assert given.lift > 0.9
    assert given.p_value == 0.005
    assert permuted.p_value > 0.05
    assert permuted.lift + 2 * permuted.spread / (1 - permuted.chance) < 0.06


def test_p_values_of_permuted_labels_are_as_often_small_as_they_say():
    features, labels = data(apart=6, each=20)
    values = [
        neighbour_agreement(features, np.random.default_rng(seed).permutation(labels), seed=seed).p_value
        for seed in range(40)
    ]
    assert sum(value <= 0.1 for value in values) <= 9  # more in one of a hundred tries
    assert 0.3 < np.mean(values) < 0.7


def test_an_image_is_no_neighbour_of_itself():
    features = np.array([[0.0], [1.0], [1.5], [5.0]])
    assert nearest_rows(features, count=1)[:, 0].tolist() == [1, 2, 1, 2]
    assert nearest_rows(features, count=2, places=np.array([3])).tolist() == [[2, 1]]


def test_units_that_never_respond_do_no_harm():
    features, labels = data(apart=6, each=30)
    dead = np.column_stack([np.maximum(features, 0), np.zeros((len(labels), 40)), features > 99])
    assert (by_features(dead, labels).argmax(axis=1) == labels).mean() > 0.9
    assert (by_features(np.zeros((120, 5)), labels).argmax(axis=1) == labels).mean() < 0.5
