"""Splitting and subsampling: what must hold for any data, and numbers that can be checked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.datasets.sources.source import UNDECLARED
from cnnexp.datasets.splitting import assign_splits, indivisible_groups
from cnnexp.datasets.subsampling import images_left, subsample
from cnnexp.errors import DataError
from cnnexp.records import SPLIT_NAMES

TRAIN, VALIDATION, CALIBRATION, TEST = range(4)
SHARES = {"validation": 0.15, "calibration": 0.1, "test": 0.2}

class_sizes = st.lists(st.integers(1, 60), min_size=1, max_size=6)
share = st.floats(0.01, 0.3)
shares = st.fixed_dictionaries({"validation": share, "calibration": share, "test": share})
seeds = st.integers(0, 2**32 - 1)


def shuffled_labels(sizes, seed=0):
    return np.random.RandomState(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def split(labels, *, shares=SHARES, declared=None, groups=None, seed=0):
    return assign_splits(
        labels,
        shares=shares,
        declared=np.full(len(labels), UNDECLARED, np.int8) if declared is None else np.asarray(declared, np.int8),
        groups=np.arange(len(labels)) if groups is None else np.asarray(groups),
        seed=seed,
    )


def table(labels, assignment):
    """Images of each (split, class)."""
    return np.array([np.bincount(labels[assignment == number], minlength=labels.max() + 1) for number in range(4)])


@given(class_sizes, shares, seeds)
def test_every_image_is_in_one_split_and_every_split_is_stratified(sizes, shares, seed):
    labels = shuffled_labels(sizes)
    assignment = split(labels, shares=shares, seed=seed)
    assert assignment.shape == labels.shape
    assert set(assignment) <= {0, 1, 2, 3}
    counts = table(labels, assignment)
    for label, size in enumerate(sizes):
        for number, name in enumerate(SPLIT_NAMES[1:], start=1):
            exact = size * shares[name]
            assert abs(counts[number, label] - exact) <= 1, "within one image of its share"
        assert counts[TRAIN, label] >= 1
        if size >= 4:
            assert counts[:, label].min() >= 1, "a class with four images has one in each split"


@given(class_sizes, shares, seeds)
def test_the_same_seed_splits_in_the_same_way(sizes, shares, seed):
    labels = shuffled_labels(sizes)
    np.testing.assert_array_equal(split(labels, shares=shares, seed=seed), split(labels, shares=shares, seed=seed))


def test_another_seed_splits_in_another_way():
    labels = shuffled_labels([50, 50])
    assert (split(labels, seed=0) != split(labels, seed=1)).any()


def test_the_split_of_a_seed_never_changes():
    labels = np.repeat([0, 1], 10)
    assert "".join(map(str, split(labels, seed=0))) == "30020311001000302310"


def test_shares_by_hand():
    counts = table(shuffled_labels([100, 20, 5, 3, 2, 1]), split(shuffled_labels([100, 20, 5, 3, 2, 1])))
    np.testing.assert_array_equal(
        counts.T,  # train, validation, calibration, test
        [[55, 15, 10, 20], [11, 3, 2, 4], [2, 1, 1, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 0, 0]],
    )


@given(class_sizes, st.data(), seeds)
def test_what_belongs_together_stays_together(sizes, data, seed):
    labels = shuffled_labels(sizes)
    groups = np.array(data.draw(st.lists(st.integers(0, 15), min_size=len(labels), max_size=len(labels))))
    assignment = split(labels, groups=groups, seed=seed)
    for group in np.unique(groups):
        assert len(set(assignment[groups == group])) == 1


@given(st.integers(4, 12), st.integers(1, 30), seeds)
def test_a_class_of_four_groups_is_in_every_split(groups, size, seed):
    labels = np.zeros(groups * size, np.int64)
    assignment = split(labels, groups=np.repeat(np.arange(groups), size), seed=seed)
    assert set(assignment) == {0, 1, 2, 3}


def test_groups_of_ten_meet_the_shares():
    labels = np.repeat([0, 1], 500)
    counts = table(labels, split(labels, groups=np.arange(1000) // 10))
    np.testing.assert_array_equal(counts[1:], [[70, 70], [50, 50], [100, 100]])  # 75 is no multiple of 10


def test_a_few_duplicates_leave_the_shares_as_they_are():
    labels = shuffled_labels([100, 100])
    groups = np.arange(200)
    pair = np.flatnonzero(labels == 0)[:2]
    groups[pair] = pair[0]
    np.testing.assert_array_equal(table(labels, split(labels, groups=groups)), table(labels, split(labels)))


def test_declared_splits_are_kept_and_missing_ones_come_out_of_training():
    labels = np.tile([0, 1], 100)
    declared = np.repeat([TRAIN, TEST], [160, 40])
    assignment = split(labels, declared=declared)
    np.testing.assert_array_equal(assignment[160:], TEST)
    np.testing.assert_array_equal(table(labels, assignment)[:, 0], [60, 12, 8, 20])  # shares of 80, data.test unused


def test_images_without_a_declared_split_join_those_declared_for_training():
    labels = np.tile([0, 1], 50)
    declared = np.repeat([UNDECLARED, TRAIN, VALIDATION], [40, 40, 20])
    counts = table(labels, split(labels, declared=declared))
    np.testing.assert_array_equal(counts[:, 0], [28, 10, 4, 8])


def test_all_splits_declared_are_taken_as_they_are():
    labels = np.tile([0, 1], 40)
    declared = np.repeat([TRAIN, VALIDATION, CALIBRATION, TEST], 20)
    np.testing.assert_array_equal(split(labels, declared=declared), declared)


def test_indivisible_groups_follow_chains_of_duplicates_and_groups():
    duplicate_of = np.array([0, 1, 1, 3, 4, 5])  # image 2 is a duplicate of 1
    groups = np.array([7, 7, 8, 8, 9, 10])  # 0-1 and 2-3: so 0, 1, 2, 3 hang together
    indivisible = indivisible_groups(duplicate_of, groups)
    assert len(set(indivisible[:4])) == 1
    assert len(set(indivisible)) == 3
    np.testing.assert_array_equal(indivisible_groups(duplicate_of, None), duplicate_of)
    np.testing.assert_array_equal(indivisible_groups(np.arange(6), groups), groups)


@given(class_sizes, st.integers(1, 200), seeds)
def test_a_limit_is_met_exactly_and_in_proportion(sizes, limit, seed):
    labels = shuffled_labels(sizes)
    if limit < len(sizes):
        with pytest.raises(DataError, match=r"data\.limit must leave every class"):
            subsample(labels, limit=limit, imbalance=None, ranks=np.bincount(labels), seed=seed)
        return
    kept = subsample(labels, limit=limit, imbalance=None, ranks=np.bincount(labels), seed=seed)
    assert len(kept) == min(limit, len(labels))
    assert (np.diff(kept) > 0).all(), "each once, in order"
    counts = np.bincount(labels[kept], minlength=len(sizes))
    assert (counts >= 1).all()
    assert (counts <= sizes).all()


def test_a_smaller_limit_is_a_part_of_a_larger_one():
    labels = shuffled_labels([50, 30, 20])
    small, large = (
        set(subsample(labels, limit=limit, imbalance=None, ranks=np.bincount(labels), seed=3)) for limit in (20, 60)
    )
    assert small < large


def test_imbalance_is_a_geometric_profile():
    labels = np.repeat([0, 1, 2], 100)
    kept = subsample(labels, limit=None, imbalance=100.0, ranks=np.bincount(labels), seed=0)
    np.testing.assert_array_equal(np.bincount(labels[kept]), [100, 10, 1])


@pytest.mark.parametrize("limit", [None, 60, 2])
@pytest.mark.parametrize("imbalance", [None, 4.0, 1000.0])
def test_what_is_left_is_known_beforehand(limit, imbalance):
    counts = [40, 200, 100]
    labels = np.repeat([0, 1, 2], counts)
    try:
        kept = len(subsample(labels, limit=limit, imbalance=imbalance, ranks=np.bincount(labels), seed=0))
    except DataError:
        kept = len(labels)
    assert images_left(counts, limit=limit, imbalance=imbalance) == kept


def test_imbalance_goes_by_the_size_of_the_classes_and_fits_under_them():
    labels = np.repeat([0, 1, 2], [40, 200, 100])
    kept = subsample(labels, limit=None, imbalance=4.0, ranks=np.bincount(labels), seed=0)
    np.testing.assert_array_equal(np.bincount(labels[kept]), [40, 160, 80])  # 160, 80, 40: largest that fits


def test_the_limit_keeps_the_imbalance():
    labels = np.repeat([0, 1, 2], 100)
    kept = subsample(labels, limit=35, imbalance=4.0, ranks=np.bincount(labels), seed=0)
    np.testing.assert_array_equal(np.bincount(labels[kept]), [20, 10, 5])


def test_too_much_imbalance_is_refused():
    with pytest.raises(DataError, match=r"data\.imbalance must leave every class"):
        subsample(np.repeat([0, 1], 10), limit=None, imbalance=100.0, ranks=np.array([10, 10]), seed=0)


def test_nothing_asked_nothing_taken():
    np.testing.assert_array_equal(
        subsample(np.repeat([0, 1], 5), limit=10, imbalance=1.0, ranks=np.array([5, 5]), seed=0), np.arange(10)
    )
