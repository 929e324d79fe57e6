"""From settings to splits, whole: what moves the digest, what moves the split, what is refused."""

import numpy as np
import pytest

from cnnexp.config import BuiltinDataConfig, FolderDataConfig
from cnnexp.errors import ConfigError, DataError
from cnnexp.records import SPLIT_NAMES
from support.image_folders import load, write_classes


def digits(tmp_path, **changes):
    return load(BuiltinDataConfig, cache=tmp_path, **changes)


def same(one, other, name):
    return np.array_equal(one[name].rows, other[name].rows)


def test_the_split_follows_its_own_seed_alone(tmp_path):
    base = digits(tmp_path)
    assert all(same(base, digits(tmp_path, seed=7), name) for name in SPLIT_NAMES)
    assert not any(same(base, digits(tmp_path, split_seed=7), name) for name in SPLIT_NAMES)


def test_a_limit_leaves_the_other_splits_alone_and_follows_the_seed(tmp_path):
    base, one, other = digits(tmp_path), digits(tmp_path, limit=100), digits(tmp_path, limit=100, seed=1)
    assert len(one.train) == 100
    assert set(one.train.rows) <= set(base.train.rows)
    assert not same(one, other, "train")
    for name in ("validation", "calibration", "test"):
        assert same(base, one, name)


def test_an_imbalance_reaches_its_ratio(tmp_path):
    counts = np.bincount(digits(tmp_path, imbalance=10.0).train.labels)
    assert counts.max() / counts.min() == pytest.approx(10, abs=0.5)


def test_an_imbalance_of_all_thins_every_split_alike_and_the_others_for_every_seed_alike(tmp_path):
    one, other = (digits(tmp_path, imbalance=10.0, imbalance_of="all", seed=seed) for seed in (0, 1))
    largest_first = np.argsort(-np.bincount(one.train.labels), kind="stable")
    for name in SPLIT_NAMES[1:]:
        counts = np.bincount(one[name].labels)[largest_first]
        assert counts[0] / counts[-1] == pytest.approx(10, rel=0.35)  # of 18 to 36 images in the largest class
        assert (np.diff(counts) <= 0).all()
        assert same(one, other, name)
    assert not same(one, other, "train")


def test_the_splits_are_sorted_disjoint_and_whole(tmp_path):
    splits = digits(tmp_path)
    for name in SPLIT_NAMES:
        rows = splits[name].rows
        assert (np.diff(rows) > 0).all()
        assert len(rows) == len(splits[name]) == len(splits[name].labels) == len(splits[name].files)
        assert (rows.dtype, splits[name].labels.dtype) == (np.int64, np.int64)
    assert sorted(np.concatenate([splits[name].rows for name in SPLIT_NAMES])) == list(range(1797))


@pytest.mark.parametrize(
    "change", [{"split_seed": 1}, {"limit": 500}, {"size": [16, 16]}, {"validation": 0.2}, {"imbalance": 2.0}]
)
def test_whatever_changes_training_changes_the_digest(change, tmp_path):
    assert digits(tmp_path).digest != digits(tmp_path, **change).digest


def test_the_digest_is_of_content_and_not_of_place(tmp_path):
    one = write_classes(tmp_path / "one", {"a": 10, "b": 10})
    before = load(FolderDataConfig, cache=tmp_path / "cache", path=one)
    one.rename(tmp_path / "other")
    after = load(FolderDataConfig, cache=tmp_path / "cache", path=tmp_path / "other")
    assert before.digest == after.digest
    assert len(before.digest) == 64


def test_native_images_need_no_note(tmp_path):
    assert digits(tmp_path).notes == ()


def test_photographs_say_what_they_are_shrunk_to(tmp_path):
    folder = write_classes(tmp_path / "data", {"a": 8, "b": 8}, size=(90, 90))
    notes = load(FolderDataConfig, cache=tmp_path / "cache", path=folder).notes
    assert any("64 × 64 rgb (stretch)" in note and "90 × 90" in note and "data.size" in note for note in notes)


def test_too_few_images_for_a_test_split(tmp_path):
    folder = write_classes(tmp_path / "data", {"a": 1, "b": 1})
    with pytest.raises(DataError, match=r"The validation split must hold an image; it is empty\. Raise"):
        load(FolderDataConfig, cache=tmp_path / "cache", path=folder)


def test_no_share_for_the_test_split(tmp_path):
    with pytest.raises(DataError, match=r"The test split must hold an image.*data\.test"):
        digits(tmp_path, test=0.0)


def test_calibration_may_be_empty(tmp_path):
    assert len(digits(tmp_path, calibration=0.0).calibration) == 0


def test_a_kernel_that_contradicts_antialias_is_a_matter_of_settings(tmp_path):
    with pytest.raises(ConfigError, match="lanczos"):
        digits(tmp_path, kernel="lanczos", antialias=False)
