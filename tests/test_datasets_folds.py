"""Folds: which part of the data is judged when, and what the run of one fold is trained on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnexp.compose import compose_config
from cnnexp.config import BuiltinDataConfig, FolderDataConfig
from cnnexp.datasets.folds import assign_folds
from cnnexp.datasets.sources.source import UNDECLARED
from cnnexp.errors import ConfigError, DataError
from cnnexp.records import SPLIT_NAMES
from support.image_folders import load, write_classes

seeds = st.integers(0, 2**32 - 1)


def folded(labels, *, folds, groups=None, declared=None, seed=0):
    return assign_folds(
        labels,
        folds=folds,
        declared=np.full(len(labels), UNDECLARED, np.int8) if declared is None else np.asarray(declared, np.int8),
        groups=np.arange(len(labels)) if groups is None else np.asarray(groups),
        seed=seed,
    )


def sizes_of(labels, assignment, folds):
    return np.array(
        [np.bincount(labels[assignment == fold], minlength=labels.max() + 1) for fold in range(1, folds + 1)]
    )


@given(st.lists(st.integers(5, 60), min_size=1, max_size=6), st.integers(2, 5), seeds)
def test_every_image_is_judged_once_and_folds_are_alike(sizes, folds, seed):
    labels = np.random.RandomState(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    counts = sizes_of(labels, folded(labels, folds=folds, seed=seed), folds)
    np.testing.assert_array_equal(counts.sum(axis=0), sizes)
    assert np.ptp(counts, axis=0).max() <= 1
    assert np.ptp(counts.sum(axis=1)) <= 1


@given(st.integers(2, 5), st.integers(5, 20), st.integers(1, 9), seeds)
def test_a_group_is_in_one_fold_and_every_fold_judges_some(folds, groups, size, seed):
    labels, group = np.zeros(groups * size, np.int64), np.repeat(np.arange(groups), size)
    assignment = folded(labels, folds=folds, groups=group, seed=seed)
    assert set(assignment) == set(range(1, folds + 1))
    assert all(len(set(assignment[group == one])) == 1 for one in range(groups))


def test_the_folds_of_a_seed_never_change():
    assert "".join(map(str, folded(np.repeat([0, 1], 10), folds=4, seed=0))) == "42131423123221414433"


def test_declared_splits_are_judged_in_no_fold():
    declared = np.repeat([UNDECLARED, 0, 1, 2, 3], 10)
    assignment = folded(np.tile([0, 1], 25), folds=5, declared=declared)
    assert set(assignment[:20]) == {1, 2, 3, 4, 5}
    assert not assignment[20:].any()


def digits(tmp_path, **changes):
    return load(BuiltinDataConfig, cache=tmp_path, **changes)


def test_a_fold_is_an_ordinary_split_whose_test_images_are_its_part(tmp_path):
    runs = [digits(tmp_path, folds=5, fold=fold) for fold in range(1, 6)]
    assert sorted(np.concatenate([run.test.rows for run in runs])) == list(range(1797))
    for run in runs:
        rows = np.concatenate([run[name].rows for name in SPLIT_NAMES])
        assert sorted(rows) == list(range(1797)), "no image in two splits"
        assert (len(run.validation), len(run.calibration)) == pytest.approx((0.15 * 1437, 0.1 * 1437), abs=6)
    assert "This is fold 2 of 5: its test split is the 3" in runs[1].notes[-1]


def test_folds_follow_the_seed_of_the_split_alone_and_are_alike_under_any_limit(tmp_path):
    base = digits(tmp_path, folds=3, fold=2)
    for same in (
        digits(tmp_path, folds=3, fold=2, seed=9),
        digits(tmp_path, folds=3, fold=2, limit=50, validation=0.3),
    ):
        np.testing.assert_array_equal(base.test.rows, same.test.rows)
    assert len(digits(tmp_path, folds=3, fold=2, limit=50).train) == 50
    assert not np.array_equal(base.test.rows, digits(tmp_path, folds=3, fold=2, split_seed=1).test.rows)


def test_a_declared_test_split_is_in_no_fold_and_a_declared_validation_split_in_every_one(tmp_path):
    for split, each in (("train", 12), ("val", 3), ("test", 4)):
        write_classes(tmp_path / "data" / split, {"cat": each, "dog": each})
    runs = [
        load(FolderDataConfig, cache=tmp_path, path=str(tmp_path / "data"), folds=3, fold=fold) for fold in (1, 2, 3)
    ]
    judged = [file for run in runs for file in run.test.files]
    assert len(set(judged)) == len(judged) == 24
    assert all(file.startswith("train/") for file in judged)
    for run in runs:
        assert {file.split("/")[0] for file in run.validation.files} == {"val"}
        assert len(run.validation) == 6
        assert not any(file.startswith("test/") for name in SPLIT_NAMES for file in run[name].files)


def test_a_class_with_fewer_images_than_folds_is_refused_with_the_rule(tmp_path):
    write_classes(tmp_path / "data", {"cat": 9, "dog": 3})
    with pytest.raises(DataError, match=r"data\.folds is 4, and dog has 3 images\. Take data\.folds=3, or add images"):
        load(FolderDataConfig, cache=tmp_path, path=str(tmp_path / "data"), folds=4, fold=1)


def test_a_class_of_fewer_groups_than_folds_is_refused_as_well(tmp_path):
    for patient, count in (("a", 3), ("b", 3), ("c", 3)):
        write_classes(tmp_path / "data" / patient, {"cat": count, "dog": count})
    settings = {"path": str(tmp_path / "data"), "group": "^[^/]*", "splits": ["train:*"]}
    with pytest.raises(DataError, match=r"images of one group, or copies, stay together; .* cat has 9 images in 3 gr"):
        load(FolderDataConfig, cache=tmp_path, **settings, folds=4, fold=1)
    runs = [load(FolderDataConfig, cache=tmp_path, **settings, folds=3, fold=fold) for fold in (1, 2, 3)]
    assert [len({file.split("/")[0] for file in run.test.files}) for run in runs] == [1, 1, 1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.folds=1"], "data.folds must be at least 2 and at most 100; got 1"),
        (["data.fold=1"], "Add data.folds=5, say"),
        (["data.folds=5", "data.fold=6"], "data.fold must be at least 1 and at most 5; got 6"),
        (["data.folds=5", "data.fold=0"], "data.fold must be at least 1 and at most 5; got 0"),
        (["data.folds=2.5"], "data.folds must be a whole number or null"),
    ],
)
def test_wrong_folds_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        compose_config(overrides)
