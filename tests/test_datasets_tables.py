"""Images named by a table, and images in arrays."""

import os
import pickle

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from cnnexp.config import NpzDataConfig, TableDataConfig
from cnnexp.errors import ConfigError, DataError, DataPathError
from cnnexp.images import read_image
from cnnexp.records import SPLIT_NAMES
from support.image_folders import load, noise, write_image


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def read_table(tmp_path, folder):
    def read(columns, *, ending="csv", **changes):
        table = pa.table(columns)
        path = folder / f"table.{ending}"
        if ending == "csv":
            pyarrow.csv.write_csv(table, path)
        else:
            pyarrow.parquet.write_table(table, path)
        return load(TableDataConfig, cache=tmp_path / "cache", **{"path": path, **changes})

    return read


def images(folder, count):
    """Files spread over two folders, so that folders mean nothing."""
    return [
        str(write_image(folder / f"part {number % 2}" / f"{number}.png").relative_to(folder)) for number in range(count)
    ]


def labels_of(splits):
    return {
        file: splits.class_names[label]
        for name in SPLIT_NAMES
        for file, label in zip(splits[name].files, splits[name].labels, strict=True)
    }


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_says_path_and_label(ending, read_table, folder):
    files = images(folder, 20)
    labels = ["007", "NA"] * 10
    splits = read_table({"path": files, "label": labels}, ending=ending)
    assert splits.class_names == ("007", "NA")
    assert labels_of(splits) == dict(zip(files, labels, strict=True))
    for row, file in zip(splits.test.rows, splits.test.files, strict=True):
        np.testing.assert_array_equal(splits.test.images[row], read_image(folder / file, splits.spec))


def test_whole_numbers_in_parquet_are_labels(read_table, folder):
    splits = read_table({"path": images(folder, 22), "label": [10, 9] * 11}, ending="parquet")
    assert splits.class_names == ("9", "10")


def test_other_column_names(read_table, folder):
    files = images(folder, 20)
    splits = read_table({"file": files, "kind": ["a", "b"] * 10, "path": ["x"] * 20}, image="file", label="kind")
    assert set(labels_of(splits)) == set(files)


def test_a_split_column_is_taken_as_it_is(read_table, folder):
    names = ["train"] * 20 + ["val"] * 4 + ["Test"] * 6
    splits = read_table({"path": images(folder, 30), "label": ["a", "b"] * 15, "split": names})
    assert [len(splits[name]) for name in SPLIT_NAMES] == [18, 4, 2, 6]
    ignored = read_table({"path": images(folder, 30), "label": ["a", "b"] * 15, "split": names}, split="none")
    assert [len(ignored[name]) for name in SPLIT_NAMES] != [18, 4, 2, 6]


@pytest.mark.parametrize("changes", [{}, {"group": "person"}])
def test_a_group_stays_on_one_side(changes, read_table, folder):
    groups = [f"person {number // 4}" for number in range(80)]
    files = images(folder, 80)
    splits = read_table({"path": files, "label": ["a", "b"] * 40, changes.get("group", "group"): groups}, **changes)
    group = dict(zip(files, groups, strict=True))
    seen = [{group[file] for file in splits[name].files} for name in SPLIT_NAMES]
    assert all(seen)
    assert sum(map(len, seen)) == 20, "no group is in two splits"


def test_images_without_a_group_are_on_their_own(read_table, folder):
    splits = read_table({"path": images(folder, 40), "label": ["a", "b"] * 20, "group": ["x", "x"] + [None] * 38})
    assert [len(splits[name]) for name in SPLIT_NAMES] == [22, 6, 4, 8]


def test_a_root_of_its_own(read_table, folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    files = [str(write_image(elsewhere / f"{number}.png")) for number in range(20)]
    folder.mkdir()
    columns = {"path": files, "label": ["a", "b"] * 10}
    assert labels_of(read_table(columns, root=str(elsewhere)))["3.png"] == "b"
    with pytest.raises(DataError, match=r"20 lead out.*data\.root=FOLDER"):
        read_table(columns)


@pytest.mark.parametrize(
    ("columns", "changes", "error", "message"),
    [
        (
            {"file": ["a.png"], "label": ["a"]},
            {},
            ConfigError,
            r"path \(data\.image\) is not there\. It has file",
        ),
        ({"path": ["a.png"]}, {}, ConfigError, r"label \(data\.label\)"),
        ({"path": ["a.png"], "label": ["a"]}, {"group": "person"}, ConfigError, r"person \(data\.group\)"),
        ({"path": ["a.png"], "label": ["a"]}, {"split": "fold"}, ConfigError, r"fold \(data\.split\)"),
        ({"path": ["a.png", ""], "label": ["a", "b"]}, {}, DataError, "column path; 1 have none, such as row 2"),
        ({"path": ["a.png", "b.png"], "label": ["a", None]}, {}, DataError, "column label; 1 have none"),
        ({"path": ["../x.png"], "label": ["a"]}, {}, DataError, r"1 lead out, such as \.\./x\.png"),
        ({"path": ["/etc/passwd"], "label": ["a"]}, {}, DataError, "lead out, such as /etc/passwd"),
        (
            {"path": ["gone.png"] * 2, "label": ["a", "b"]},
            {},
            DataError,
            r"of 2 paths none does, such as .*/data/gone\.png\.",
        ),
        ({"path": ["a.png"], "label": ["a"], "split": ["elsewhere"]}, {}, DataError, "got elsewhere"),
    ],
)
def test_a_table_that_will_not_do(columns, changes, error, message, read_table, folder):
    folder.mkdir()
    with pytest.raises(error, match=message):
        read_table(columns, **changes)


@pytest.mark.parametrize("link", ["file", "folder"])
def test_a_link_that_leads_out_is_refused(link, read_table, folder, tmp_path):
    names = images(folder, 20)
    write_image(tmp_path / "elsewhere" / "private.png")
    if link == "file":
        (folder / "x.png").symlink_to(tmp_path / "elsewhere" / "private.png")
        (folder / "y.png").symlink_to(folder / names[0])
        named = ["x.png", "y.png"]
    else:
        (folder / "x").symlink_to(tmp_path / "elsewhere")
        named = ["x/private.png"]
    labels = (["a", "b"] * 11)[: 20 + len(named)]
    with pytest.raises(DataError, match=rf"lead to a file inside .*; 1 does not, such as {named[0]}"):
        read_table({"path": [*names, *named], "label": labels})


def test_a_pipe_is_refused_and_not_waited_for(read_table, folder):
    names = images(folder, 20)
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(DataError, match=r"must name a file; 1 does not, such as pipe\.png"):
        read_table({"path": [*names, "pipe.png"], "label": ["a", "b"] * 10 + ["a"]})


def test_a_name_with_a_null_byte_is_an_unreadable_image(read_table, folder):
    files = images(folder, 20)
    with pytest.raises(DataError, match=r"1 of 21 .*a\\x00b\.png"):
        read_table({"path": [*files, "a\0b.png"], "label": ["a", "b"] * 10 + ["a"]}, ending="parquet")


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
def test_a_file_that_is_no_table(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0,,\n\xff")
    with pytest.raises((DataError, ConfigError), match=name):
        load(TableDataConfig, cache=tmp_path / "cache", path=path)
    with pytest.raises(DataPathError, match="there is no file"):
        load(TableDataConfig, cache=tmp_path / "cache", path=tmp_path / "nothing.csv")


@pytest.fixture
def read_npz(tmp_path):
    def read(arrays, **changes):
        np.savez(tmp_path / "arrays.npz", **arrays)
        return load(NpzDataConfig, cache=tmp_path / "cache", path=tmp_path / "arrays.npz", **changes)

    return read


def stack(count=30, **options):
    return np.stack([noise(f"npz {number}", **options) for number in range(count)])


def test_arrays_with_whole_numbers(read_npz):
    splits = read_npz({"images": stack(), "labels": np.tile([3, 10, 4], 10)})
    assert splits.class_names == ("3", "4", "10")
    np.testing.assert_array_equal(splits.train.images, stack())
    np.testing.assert_array_equal(splits.test.labels, np.array([0, 2, 1])[splits.test.rows % 3])
    assert splits.test.files[0] == f"index-{splits.test.rows[0]}"


def test_arrays_with_class_names_and_with_text(read_npz):
    names = np.array(["zebra", "ape", "cat"])
    by_number = read_npz({"images": stack(), "labels": np.tile([0, 1, 2], 10), "class_names": names})
    assert by_number.class_names == ("zebra", "ape", "cat"), "their order is kept"
    by_text = read_npz({"images": stack(), "labels": np.tile(names, 10)})
    assert by_text.class_names == ("ape", "cat", "zebra")


@pytest.mark.parametrize(
    "images",
    [stack(color=False), stack(color=False)[..., None], stack() / 255, stack().astype(np.uint16) * 257],
    ids=["grey", "one channel", "float", "16 bit"],
)
def test_arrays_of_every_kind(images, read_npz):
    splits = read_npz({"images": images, "labels": np.tile([0, 1], 15)})
    expected = stack() if images.shape[3:] == (3,) else stack(color=False)[..., None]
    np.testing.assert_array_equal(splits.train.images, expected)


def test_arrays_are_resized_by_the_one_reader(read_npz):
    splits = read_npz({"images": stack(size=(20, 20)), "labels": np.tile([0, 1], 15)}, size=[8, 8])
    np.testing.assert_array_equal(splits.train.images[5], read_image(stack(size=(20, 20))[5], splits.spec))


OBJECTS = np.array([{"a": 1}, None], dtype=object)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"photos": stack(), "labels": np.zeros(30, int)}, "images is missing. It holds photos, labels"),
        ({"images": stack(), "labels": np.zeros(29, int)}, "of the same N"),
        ({"images": stack(), "labels": np.zeros((30, 2), int)}, "of the same N"),
        ({"images": stack(), "labels": np.zeros(30)}, "whole numbers or text; got float64"),
        (
            {"images": stack(), "labels": np.tile([0, 5], 15), "class_names": np.array(["a", "b"])},
            r"0\.\.1; got 0",
        ),
        ({"images": stack(), "labels": np.tile(["a", "c"], 15), "class_names": np.array(["a", "b"])}, "c is not"),
        ({"images": stack(), "labels": np.tile([0, 1], 15), "class_names": np.array(["a", "a"])}, "differ"),
        ({"images": OBJECTS, "labels": np.zeros(2, int)}, "plain arrays"),
        ({"images": stack() * 2.0, "labels": np.tile([0, 1], 15)}, r"range that is known; .*value_range=\[0,510\]"),
        ({"images": stack() * 0.99 + 0.5, "labels": np.tile([0, 1], 15)}, r"value_range=\[0,255\]"),
        ({"images": stack() / 128 - 0.999, "labels": np.tile([0, 1], 15)}, r"value_range=\[-1,1\]"),
        ({"images": stack().astype(np.int32) * 16, "labels": np.tile([0, 1], 15)}, r"value_range=\[0,4095\]"),
    ],
)
def test_arrays_that_will_not_do(arrays, message, read_npz):
    with pytest.raises(DataError, match=message):
        read_npz(arrays)


def test_a_file_that_is_no_archive(tmp_path):
    for number, content in enumerate((b"", b"text", pickle.dumps([1]), b"PK\x03\x04broken")):
        path = tmp_path / f"{number}.npz"
        path.write_bytes(content)
        with pytest.raises(DataError, match="plain arrays"):
            load(NpzDataConfig, cache=tmp_path / "cache", path=path)
