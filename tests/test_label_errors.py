"""The score of labels that may be wrong, and the kinds of noise that labels can have."""

import numpy as np
import pytest

from cnnexp.label_errors.label_noise import assess_labels, one_way
from cnnexp.label_errors.mistakenness import confident_joint, contradicted, mistakenness
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


def flipped(labels, one, other, rate, seed=1):
    noisy = labels.copy()
    places = np.random.default_rng(seed).permutation(np.flatnonzero(labels == one))
    noisy[places[: int(rate * len(places))]] = other
    return noisy


def test_mistakenness_is_what_the_label_lacks_of_certainty():
    probabilities = np.array([[0.9, 0.1], [0.25, 0.75], [1.0, 0.0]], np.float32)
    score = mistakenness(probabilities, np.array([0, 0, 1]))
    np.testing.assert_allclose(score, [0.1, 0.75, 1.0], atol=1e-6)
    assert score.dtype == np.float32


def test_a_confident_joint_by_hand():
    """Thresholds 0.7 and 0.6: the third and the last image reach none, the second claims class 1 with label 0."""
    probabilities = np.array([[0.95, 0.05], [0.3, 0.7], [0.65, 0.35], [0.9, 0.1], [0.35, 0.65], [0.45, 0.55]])
    labels = np.array([0, 0, 0, 0, 1, 1])
    found = confident_joint(probabilities, labels)
    assert found.counts.tolist() == [[2, 1], [0, 1]]
    np.testing.assert_allclose(found.joint, [[4 / 6 * 2 / 3, 4 / 6 / 3], [0, 2 / 6]])
    assert found.noise == pytest.approx(4 / 18)
    places, better = contradicted(probabilities, labels)
    assert (places.tolist(), better.tolist()) == ([1], [1])


def test_wrong_labels_rank_first():
    features, labels = data(apart=6)
    noisy = symmetric(labels, 0.1)
    probabilities = by_features(features, noisy)
    ranked = np.argsort(-mistakenness(probabilities, noisy))
    assert (noisy != labels)[ranked[:60]].mean() > 0.95
    assert confident_joint(probabilities, noisy).noise == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.4])
def test_symmetric_noise_is_seen_on_the_clearest_images(rate):
    features, labels = data(apart=6)
    found = assess_labels(features, symmetric(labels, rate), classes=CLASSES)
    assert found.clearest.low <= rate <= found.clearest.high
    assert found.clearest.low > 0.02
    assert found.joint.joint.sum() == pytest.approx(1)
    assert all(pair.p_value > 0.05 for pair in found.one_way)
    assert found.neighbours.p_value == 0.005


def test_overlapping_classes_are_no_noise():
    features, labels = data(apart=2.5)
    found = assess_labels(features, labels, classes=CLASSES)
    assert found.joint.noise > 0.08
    assert found.clearest.low < 0.01
    assert found.clearest.share < found.joint.noise / 3
    assert all(pair.p_value > 0.05 for pair in found.one_way)


@pytest.mark.parametrize("apart", [3, 6])
def test_a_class_that_was_partly_named_as_another_is_contradicted_one_way(apart):
    features, labels = data(apart=apart)
    first, *others = assess_labels(features, flipped(labels, 2, 0, 0.3), classes=CLASSES).one_way
    assert (first.looks_like, first.labelled) == (2, 0)
    assert first.p_value < 0.01
    assert first.share == pytest.approx(0.3, abs=0.1)
    assert all(pair.p_value > 0.05 for pair in others)


def test_permuted_labels_agree_with_neighbours_no_more_than_chance():
    features, labels = data(apart=6)
    given = neighbour_agreement(features, labels)
    permuted = neighbour_agreement(features, np.random.default_rng(0).permutation(labels))
    assert given.chance == permuted.chance == pytest.approx((150 - 1) / (600 - 1))
    assert given.lift > 0.9
    assert given.p_value == 0.005
    assert permuted.p_value > 0.05
    assert permuted.most_lift < 0.06


def test_p_values_of_permuted_labels_are_as_often_small_as_they_say():
    features, labels = data(apart=6, each=20)
    values = [
        neighbour_agreement(features, np.random.default_rng(seed).permutation(labels), seed=seed).p_value
        for seed in range(40)
    ]
    assert sum(value <= 0.1 for value in values) <= 9  # more in one of a hundred tries
    assert 0.3 < np.mean(values) < 0.7


def test_the_sign_test_counts_pairs_of_classes():
    counts = np.array([[50, 9, 0], [1, 50, 4], [0, 4, 50]])
    first, *others = one_way(counts)
    assert (first.looks_like, first.labelled, first.images, first.opposite) == (1, 0, 9, 1)
    assert first.p_value == pytest.approx(6 * 11 / 1024)
    assert {pair.p_value for pair in others} == {1.0}


def test_small_and_absent_classes_take_no_part():
    features, labels = data(apart=6, each=12)
    few = np.concatenate([np.flatnonzero(labels != 3), np.flatnonzero(labels == 3)[:5]])
    found = assess_labels(features[few], labels[few], classes=6)
    assert found.images == 36
    assert found.joint.counts.shape == (6, 6)
    assert not found.joint.joint[3:].any()
    assert not found.joint.joint[:, 3:].any()
    assert assess_labels(features[:12], labels[:12], classes=CLASSES) is None
    assert assess_labels(features[:0], labels[:0], classes=CLASSES) is None


def test_an_image_is_no_neighbour_of_itself():
    features = np.array([[0.0], [1.0], [1.5], [5.0]])
    assert nearest_rows(features, count=1)[:, 0].tolist() == [1, 2, 1, 2]
    assert nearest_rows(features, count=2, places=np.array([3])).tolist() == [[2, 1]]


def test_units_that_never_respond_do_no_harm():
    features, labels = data(apart=6, each=30)
    dead = np.column_stack([np.maximum(features, 0), np.zeros((len(labels), 40)), features > 99])
    assert assess_labels(dead, labels, classes=CLASSES).accuracy > 0.9
    assert assess_labels(np.zeros((120, 5)), labels, classes=CLASSES).accuracy < 0.5
