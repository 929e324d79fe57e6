"""Parquet tables of every type, and images inside them, as Hugging Face ships data."""

import decimal
import io
import json
import pickle
import shlex
import subprocess
import sys
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnexp.config import TableDataConfig
from cnnexp.datasets.sources.tables.embedded_images import ParquetImages
from cnnexp.errors import ConfigError, DataError
from cnnexp.images import UnreadableImageError
from cnnexp.records import SPLIT_NAMES
from cnnexp.saved import list_images
from support.image_folders import load, noise
from test_tables_as_written import FILES, opened, touch

NUMBER = 20
IMAGES = [noise(f"parquet {number}") for number in range(NUMBER)]


def png(pixels):
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()


FILES_OF_IMAGES = [png(pixels) for pixels in IMAGES]
STRUCTS = [{"bytes": content, "path": f"{number}.png"} for number, content in enumerate(FILES_OF_IMAGES)]


def hugging_face(**features):
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


def write(path, columns, *, metadata=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, **options)
    return path


EMBEDDED = {
    "Image of Hugging Face": pa.array(STRUCTS),
    "without paths": pa.array([{"bytes": content, "path": None} for content in FILES_OF_IMAGES]),
    "large binary in a struct": pa.array(STRUCTS, pa.struct({"bytes": pa.large_binary(), "path": pa.large_string()})),
    "bytes alone in a struct": pa.array([{"bytes": content} for content in FILES_OF_IMAGES]),
    "binary": pa.array(FILES_OF_IMAGES, pa.binary()),
    "large binary": pa.array(FILES_OF_IMAGES, pa.large_binary()),
    "list of bytes": pa.array([list(content) for content in FILES_OF_IMAGES], pa.list_(pa.uint8())),
    "list of numbers": pa.array([list(content) for content in FILES_OF_IMAGES], pa.list_(pa.int64())),
    "pixels": pa.array([pixels.tolist() for pixels in IMAGES]),
    "pixels of small numbers": pa.array(
        [pixels.tolist() for pixels in IMAGES], pa.list_(pa.list_(pa.list_(pa.uint8())))
    ),
}


@pytest.mark.parametrize("kind", EMBEDDED)
def test_images_in_a_column_are_the_same_images(kind, tmp_path):
    columns = {"image": EMBEDDED[kind], "label": ["a", "b"] * (NUMBER // 2)}
    path = write(tmp_path / "t.parquet", columns, row_group_size=7)
    splits = load(TableDataConfig, cache=tmp_path / "cache", path=path, image="image")
    np.testing.assert_array_equal(splits.train.images, IMAGES)
    has_names = kind in ("Image of Hugging Face", "large binary in a struct")
    assert splits.test.files[0] == (f"{splits.test.rows[0]}.png" if has_names else f"index-{splits.test.rows[0]}")


def test_names_of_classes_stand_in_the_metadata_and_keep_their_order(tmp_path):
    metadata = hugging_face(image={"_type": "Image"}, label={"names": ["zebra", "ape", "cow"], "_type": "ClassLabel"})
    path = write(tmp_path / "t.parquet", {"image": STRUCTS, "label": [0, 1] * 10}, metadata=metadata)
    manifest, _ = opened(path, image="image")
    assert manifest.class_names == ("zebra", "ape"), "no image is a cow"
    assert manifest.labels.tolist() == [0, 1] * 10


@pytest.mark.parametrize(
    ("labels", "message"), [([0, -1] * 10, "column label; 10 have none"), ([0, 7] * 10, r"must hold 0\.\.1, .*holds 7")]
)
def test_numbers_without_a_name_are_refused(labels, message, tmp_path):
    metadata = hugging_face(label={"names": ["a", "b"], "_type": "ClassLabel"})
    path = write(tmp_path / "t.parquet", {"image": STRUCTS, "label": labels}, metadata=metadata)
    with pytest.raises(DataError, match=message):
        opened(path, image="image")


@pytest.mark.parametrize(
    "names",
    [
        ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet", "test-00000-of-00001.parquet"),
        ("data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-0-of-1.parquet"),
        ("default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"),
    ],
)
def test_a_folder_of_files_is_one_table_and_their_names_are_splits(names, tmp_path):
    for number, name in enumerate(names):
        rows = slice(6 * number, 6 * number + 6)
        write(tmp_path / "data set" / name, {"image": STRUCTS[rows], "label": ["a", "b"] * 3})
    (tmp_path / "data set" / "README.md").write_text("a card")
    splits = load(TableDataConfig, cache=tmp_path / "cache", path=tmp_path / "data set", image="image")
    found = {file for name in SPLIT_NAMES for file in splits[name].files}
    assert found == {f"{number}.png" for number in range(18)}
    assert set(splits.test.files) == {f"{number}.png" for number in range(12, 18)}
    for row, file in zip(splits.test.rows, splits.test.files, strict=True):
        np.testing.assert_array_equal(splits.test.images[row], IMAGES[int(file[:-4])])


def test_files_whose_names_are_no_splits_are_split_as_any_other(tmp_path):
    for number in range(2):
        write(tmp_path / "d" / f"part-{number}.parquet", {"image": STRUCTS[number::2], "label": ["a", "b"] * 5})
    manifest, images = opened(tmp_path / "d", image="image")
    assert len(images) == NUMBER
    assert set(manifest.declared_splits) == {-1}


@pytest.mark.parametrize("embedded", [True, False], ids=["images", "paths"])
def test_folders_that_name_a_column_are_read_as_it(embedded, tmp_path):
    touch(tmp_path / "d", FILES)
    for number, label in enumerate(("New%20York", "cat")):
        rows = slice(3 * number, 3 * number + 3)
        column = STRUCTS[rows] if embedded else FILES[rows]
        write(tmp_path / "d" / f"label={label}" / "split=train" / "part-0.parquet", {"image": column})
    write(
        tmp_path / "d" / "label=cat" / "split=test" / "part-0.parquet",
        {"image": STRUCTS[6:7] if embedded else FILES[:1]},
    )
    manifest, images = opened(tmp_path / "d", image="image")
    assert manifest.class_names == ("cat", "New York")
    assert np.bincount(manifest.labels).tolist() == [4, 3]
    assert sorted(manifest.declared_splits.tolist()) == [SPLIT_NAMES.index("train")] * 6 + [SPLIT_NAMES.index("test")]
    assert len(images) == 7


def test_an_empty_value_of_a_folder_is_no_label_and_a_column_inside_a_file_counts(tmp_path):
    write(tmp_path / "d" / "label=__HIVE_DEFAULT_PARTITION__" / "0.parquet", {"image": STRUCTS[:2]})
    write(tmp_path / "d" / "label=b" / "0.parquet", {"image": STRUCTS[2:]})
    with pytest.raises(DataError, match="column label; 2 have none"):
        opened(tmp_path / "d", image="image")
    for file in (tmp_path / "d").rglob("*.parquet"):
        write(file, {"image": STRUCTS[:4], "label": ["x", "y"] * 2})
    assert opened(tmp_path / "d", image="image")[0].class_names == ("x", "y")


def test_a_file_whose_labels_are_all_missing_is_left_out(tmp_path):
    metadata = hugging_face(label={"names": ["a", "b"], "_type": "ClassLabel"})
    for name, labels in (("train", [0, 1] * 4), ("validation", [0, 1]), ("test", [-1] * 10)):
        columns = {"image": STRUCTS[: len(labels)], "label": labels}
        write(tmp_path / "d" / f"{name}-00000-of-00001.parquet", columns, metadata=metadata)
    splits = load(TableDataConfig, cache=tmp_path / "cache", path=tmp_path / "d", image="image")
    note = "Left out: 10 images without a label (-1), all those of test-00000-of-00001.parquet."
    assert note in splits.notes
    assert sum(len(splits[name].files) for name in SPLIT_NAMES) == 10


def test_the_line_that_keeps_the_rows_with_a_label_keeps_their_names_too(tmp_path, monkeypatch):
    metadata = hugging_face(label={"names": ["a", "b"], "_type": "ClassLabel"})
    path = write(tmp_path / "t.parquet", {"image": STRUCTS, "label": [0, 1, 1, -1] * 5}, metadata=metadata)
    with pytest.raises(DataError, match="5 have none") as refused:
        opened(path, image="image")
    monkeypatch.chdir(tmp_path)
    line = shlex.split(str(refused.value).partition("Keep the other rows: ")[2])
    subprocess.run([sys.executable, *line[1:]], check=True)
    assert opened(tmp_path / "labelled.parquet", image="image")[0].class_names == ("a", "b")


def test_an_image_without_bytes_is_a_path(tmp_path):
    touch(tmp_path, FILES)
    structs = [{"bytes": None, "path": name} for name in FILES]
    path = write(tmp_path / "t.parquet", {"image": structs, "label": ["a", "b"] * 3})
    manifest, images = opened(path, image="image")
    assert manifest.files == tuple(FILES)
    assert list(images) == [f"{tmp_path}/{name}" for name in FILES]


def test_a_row_without_an_image_is_an_unreadable_image(tmp_path):
    structs = [*STRUCTS[:19], {"bytes": None, "path": "19.png"}]
    path = write(tmp_path / "t.parquet", {"image": structs, "label": ["a", "b"] * 10})
    with pytest.raises(DataError, match=r"1 of 20 .* 19\.png: the row holds no image"):
        load(TableDataConfig, cache=tmp_path / "cache", path=path, image="image")


CELLS = {
    "text": (pa.array(["1", "2"]), ("1", "2")),
    "large text": (pa.array(["1", "2"], pa.large_string()), ("1", "2")),
    "view of text": (pa.array(["1", "2"], pa.string_view()), ("1", "2")),
    "bytes of text": (pa.array([b"1", "é".encode("latin-1")]), ("1", "é")),
    "dictionary": (pa.array(["b", "a"]).dictionary_encode(), ("a", "b")),
    "dictionary of numbers": (pa.array([2, 1]).dictionary_encode(), ("1", "2")),
    "small numbers": (pa.array([1, 2], pa.uint8()), ("1", "2")),
    "floating point": (pa.array([1.0, 2.0]), ("1", "2")),
    "decimal": (pa.array([decimal.Decimal("1.00"), decimal.Decimal("20.50")], pa.decimal128(6, 2)), ("1", "20.5")),
    "truth": (pa.array([True, False]), ("false", "true")),
    "date": (pa.array([1, 2], pa.date32()), ("1970-01-02", "1970-01-03")),
}


@pytest.mark.parametrize("kind", CELLS)
def test_labels_and_paths_of_any_type_are_text(kind, tmp_path):
    cells, names = CELLS[kind]
    touch(tmp_path, ["1.png", "2.png"])
    path = write(tmp_path / "t.parquet", {"id": pa.array([1, 2]), "label": cells})
    manifest, images = opened(path, image="id")
    assert manifest.class_names == names
    assert list(images) == [f"{tmp_path}/1.png", f"{tmp_path}/2.png"]


def test_paths_that_are_stored_as_bytes_are_paths(tmp_path):
    touch(tmp_path, FILES)
    path = write(tmp_path / "t.parquet", {"path": [name.encode() for name in FILES], "label": ["a", "b"] * 3})
    assert opened(path)[0].files == tuple(FILES)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": STRUCTS, "label": [{"a": 1}] * NUMBER}, r"Column label of .* it holds struct<a: int64>"),
        ({"picture": STRUCTS, "label": ["a", "b"] * 10}, r"Did you mean data\.image=picture\?"),
        ({"image": STRUCTS, "Class": ["a", "b"] * 10}, r"Did you mean data\.label=Class\?"),
        ({"image": STRUCTS[:0], "label": pa.array([], pa.string())}, "it has no rows"),
        ({"image": pa.array([{"a": 1}] * 2), "label": ["a", "b"]}, r"Column image of .* it holds struct<a: int64>"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_column(columns, message, tmp_path):
    path = write(tmp_path / "t.parquet", columns)
    with pytest.raises((ConfigError, DataError), match=message):
        opened(path, image="image")


def test_files_of_different_columns_and_folders_without_any_are_named(tmp_path):
    write(tmp_path / "d" / "0.parquet", {"image": STRUCTS, "label": ["a", "b"] * 10})
    write(tmp_path / "d" / "1.parquet", {"image": STRUCTS, "class": ["a", "b"] * 10})
    with pytest.raises(DataError, match=r"must have the same columns; 1\.parquet has no label"):
        opened(tmp_path / "d", image="image")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is none in"):
        opened(tmp_path / "empty")


def test_parquet_is_recognized_by_its_content(tmp_path):
    touch(tmp_path, FILES)
    path = write(tmp_path / "table.csv", {"path": FILES, "label": ["a", "b"] * 3})
    assert opened(path)[0].files == tuple(FILES)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 49), min_size=1, max_size=20), st.integers(1, 20), st.integers(1, 30))
def test_images_are_read_in_any_order_from_any_groups(tmp_path_factory, order, group, first):
    folder = tmp_path_factory.mktemp("orders")
    contents = [b"%d" % number for number in range(50)]
    files = (folder / "0.parquet", folder / "1.parquet")
    for file, part in zip(files, (contents[:first], contents[first:]), strict=True):
        write(file, {"image": pa.array(part, pa.binary())}, row_group_size=group)
    images = pickle.loads(pickle.dumps(ParquetImages(files, "image")))
    assert len(images) == 50
    assert [images[row] for row in order] == [contents[row] for row in order]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 3000))
def test_whatever_the_bytes_a_table_is_read_or_refused(tmp_path_factory, changes, cut):
    place = tmp_path_factory.getbasetemp() / "fuzzed parquet"
    metadata = hugging_face(label={"names": ["a", "b"], "_type": "ClassLabel"})
    path = write(place / "t.parquet", {"image": STRUCTS, "label": [0, 1] * 10}, metadata=metadata, row_group_size=9)
    content = bytearray(path.read_bytes())
    for at, value in changes:
        content[-1 - at % len(content)] = value
    path.write_bytes(content[: len(content) - cut % 40 * (cut % 3 == 0)])
    with suppress(DataError, ConfigError):
        manifest, images = opened(path, image="image")
        assert len(manifest.labels) == len(manifest.files) == len(images)
        for row in range(len(images)):
            with suppress(UnreadableImageError):
                assert isinstance(images[row], bytes)


@pytest.mark.parametrize("column", ["image", "path", "img"])
def test_predict_reads_the_images_of_a_table(column, tmp_path):
    columns = {column: [*STRUCTS, {"bytes": None, "path": "none.png"}], "scores": [["a", "b"]] * 21}
    listed = list(list_images([str(write(tmp_path / "t.parquet", columns))], root=None))
    assert [item.name for item in listed] == [*(f"{number}.png" for number in range(NUMBER)), "none.png"]
    assert [item.content for item in listed] == [*FILES_OF_IMAGES, None]
    assert listed[-1].error == "the row holds no image."


@pytest.mark.parametrize("kind", EMBEDDED)
def test_predict_says_that_a_table_has_no_rows(kind, tmp_path):
    path = write(tmp_path / "t.parquet", {"path": EMBEDDED[kind][:0]})
    (item,) = list_images([str(path)], root=None)
    assert item.error == "there is no row in this table."
    (tmp_path / "t.csv").write_text("path\n")
    assert next(list_images([str(tmp_path / "t.csv")], root=None)).error == item.error


def test_predict_chooses_no_column_among_several(tmp_path):
    path = write(tmp_path / "t.parquet", {"left": STRUCTS, "right": STRUCTS})
    with pytest.raises(ConfigError, match="must have a column named path"):
        list(list_images([str(path)], root=None))
