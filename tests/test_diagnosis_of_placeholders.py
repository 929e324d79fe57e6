"""Images that show nothing of what they are labelled as: told by the files, and left out of what else is asked."""

import numpy as np
import pytest

from cnnexp.config import NpzDataConfig
from cnnexp.data_check import check
from cnnexp.data_check.placeholders import OF_ONE_COLOUR, ONE_PICTURE
from cnnexp.datasets import inspect_dataset
from cnnexp.diagnosis.data_faults import faults_of, placeholders
from cnnexp.diagnosis.split_gap import OF_TRAIN, OF_VALIDATION
from support.image_folders import data_settings

COUNTS = {"train": 240, "val": 80, "test": 80}
CLASSES = 4


def reported(tmp_path, change):
    """The report of a data set of noisy shapes whose images `change` spoils: it gets the arrays by split."""
    random = np.random.default_rng(0)
    shapes = random.integers(40, 200, (CLASSES, 12, 12, 1))
    arrays = {}
    for split, count in COUNTS.items():
        labels = np.arange(count) % CLASSES
        noisy = shapes[labels] + random.normal(0, 25, (count, 12, 12, 1))
        arrays |= {f"x_{split}": np.clip(noisy, 0, 255).astype(np.uint8), f"y_{split}": labels}
    change(arrays)
    np.savez(tmp_path / "data.npz", **arrays)
    settings = data_settings(NpzDataConfig, cache=tmp_path / "cache", path=tmp_path / "data.npz")
    found = inspect_dataset(settings, seed=0, on_progress=lambda done, total: None, strict=False)
    return check(found, few_images=1, uneven=10.0, balanced=False, labels=False)


def titles(report):
    return {issue.title for issue in report.issues if issue.id in ("D2", "D4", "L1", "S1")}


@pytest.mark.parametrize("level", [0, 128, 255])
def test_images_of_one_colour_are_neither_wrong_labels_nor_leaked(tmp_path, level):
    def spoil(arrays):
        arrays["x_train"][:48] = level
        arrays["x_val"][:20] = level

    report = reported(tmp_path, spoil)
    assert titles(report) == {OF_ONE_COLOUR}
    assert not [issue for issue in report.issues if issue.id == "S4"]  # the others are alike in all splits
    (found,) = [one for one in faults_of(report) if one.id == "D2"]
    assert found.evidence[OF_TRAIN] > 0.1
    assert found.evidence[OF_VALIDATION] == 0.25
    assert len(placeholders(report)) == 68


def test_one_picture_under_several_labels_stands_in_place_of_many(tmp_path):
    def spoil(arrays):
        arrays["x_train"][:40], arrays["x_test"][:12] = arrays["x_train"][50], arrays["x_train"][50]

    report = reported(tmp_path, spoil)
    assert titles(report) == {ONE_PICTURE}
    assert [one.id for one in faults_of(report)] == ["D4"]


def test_a_picture_that_comes_again_under_its_label_is_a_duplicate(tmp_path):
    def spoil(arrays):
        arrays["x_train"][:80:4] = arrays["x_train"][0]

    assert titles(reported(tmp_path, spoil)) == {"duplicates"}


@pytest.mark.parametrize(("splits", "found"), [(("train", "val", "test"), set()), (("train",), {OF_ONE_COLOUR})])
def test_a_class_of_its_own_may_be_nothing_in_all_splits_alike(tmp_path, splits, found):
    def spoil(arrays):
        for split in splits:
            arrays[f"x_{split}"][arrays[f"y_{split}"] == 1] = 0

    report = reported(tmp_path, spoil)
    assert {OF_ONE_COLOUR} & titles(report) == found


def test_a_few_images_of_one_colour_are_left_to_the_look_at_single_images(tmp_path):
    def spoil(arrays):
        arrays["x_train"][:2] = 0

    assert OF_ONE_COLOUR not in titles(reported(tmp_path, spoil))


def test_a_split_with_little_else_keeps_all_its_images(tmp_path):
    def spoil(arrays):
        arrays["x_test"][:60] = 0

    report = reported(tmp_path, spoil)
    assert titles(report) == {OF_ONE_COLOUR}
    assert placeholders(report) == frozenset()
