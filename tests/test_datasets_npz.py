"""NumPy archives as people save them: other names, shapes, types and ranges."""

import io
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnexp.datasets.sources.arrays.npz import npz_source
from cnnexp.errors import DataError, DataPathError
from cnnexp.images import UnreadableImageError, read_image
from support.image_files import spec

COLOR = np.random.RandomState(0).randint(0, 256, (12, 8, 6, 3)).astype(np.uint8)
GREY = COLOR[..., 0]
LABELS = np.tile([0, 1, 2], 4)
NAMES = np.array(["cow", "ape", "bee"])


def opened(folder, arrays, *, narrow=True):
    np.savez(folder / "arrays.npz", **arrays)
    return npz_source(folder / "arrays.npz", name="npz", narrow=narrow).open()


KEYS = [
    ("images", "labels"), ("image", "label"), ("x", "y"), ("X", "Y"), ("data", "target"), ("Images", "Targets"),
    ("arr_0", "arr_1"),
]  # fmt: skip


@pytest.mark.parametrize(("images", "labels"), KEYS)
def test_arrays_are_found_by_the_names_that_people_give_them(images, labels, tmp_path):
    manifest, source = opened(tmp_path, {images: COLOR, labels: LABELS, "class_names": NAMES})
    np.testing.assert_array_equal(source.pixels, COLOR)
    np.testing.assert_array_equal(manifest.labels, LABELS)
    assert manifest.class_names == ("cow", "ape", "bee")


SPLITS = [
    ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),  # MedMNIST
    ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test"),  # Keras
    ("X_train", "Y_train", "X_valid", "Y_valid", "X_test", "Y_test"),
    ("images_train", "labels_train", "images_validation", "labels_validation", "images_test", "labels_test"),
]


@pytest.mark.parametrize("names", SPLITS, ids=[names[0] for names in SPLITS])
def test_arrays_of_splits_declare_them(names, tmp_path):
    parts = [COLOR[:6], LABELS[:6, None], COLOR[6:8], LABELS[6:8, None], COLOR[8:], LABELS[8:, None]]
    manifest, source = opened(tmp_path, dict(zip(names, parts, strict=True)))
    np.testing.assert_array_equal(source.pixels, COLOR)
    np.testing.assert_array_equal(manifest.labels, LABELS)
    assert manifest.declared_splits.tolist() == [0] * 6 + [1] * 2 + [3] * 4


READ_AS = {
    "channels first": (COLOR.transpose(0, 3, 1, 2), COLOR, "channels first"),
    "one channel first": (GREY[:, None], GREY[..., None], "channels first"),
    "one channel": (GREY[..., None], GREY[..., None], ""),
    "int64": (COLOR.astype(np.int64), COLOR, r"whole numbers in 0\.\.255, saved as int64"),
    "int16": (GREY.astype(np.int16), GREY, "saved as int16"),
    "float32 of 0..255": (COLOR.astype(np.float32), COLOR, "saved as float32"),
    "float64 of 0..255, channels first": (COLOR.transpose(0, 3, 1, 2).astype(float), COLOR, "saved as float64"),
    "float of 0..1": (COLOR / 255, COLOR / 255, ""),
    "uint16": (COLOR.astype(np.uint16) * 257, COLOR.astype(np.uint16) * 257, ""),
    "bool": (GREY > 99, GREY > 99, ""),
}


@pytest.mark.parametrize("kind", READ_AS)
def test_images_of_other_forms_are_the_same_images(kind, tmp_path):
    given_, expected, note = READ_AS[kind]
    manifest, source = opened(tmp_path, {"images": given_, "labels": LABELS})
    assert source.pixels.dtype == expected.dtype
    np.testing.assert_array_equal(source.pixels, expected)
    assert (note in " ".join(manifest.notes).replace("..", r"\.\.")) if note else not manifest.notes


@pytest.mark.parametrize(
    "images", [COLOR / 127.5 - 1, COLOR * 2.0, COLOR.astype(np.int64) * 300, COLOR / np.nan, COLOR - 300.0]
)
def test_ranges_that_may_mean_anything_are_left_to_the_reader_which_names_them(images, tmp_path):
    _, source = opened(tmp_path, {"images": images, "labels": LABELS})
    with pytest.raises(UnreadableImageError, match=r"got .*\d|nan|int64|NaN"):
        read_image(source[0], spec())


def test_numbers_stay_as_they_are_where_a_setting_gives_their_range(tmp_path):
    manifest, source = opened(tmp_path, {"images": COLOR.astype(np.int16), "labels": LABELS}, narrow=False)
    assert source.pixels.dtype == np.int16
    assert not manifest.notes


LABELS_OF = {
    "column": (LABELS[:, None], ("0", "1", "2")),
    "text": (NAMES[LABELS], ("ape", "bee", "cow")),
    "bytes": (NAMES[LABELS].astype("S"), ("ape", "bee", "cow")),
    "text in a column": (NAMES[LABELS][:, None], ("ape", "bee", "cow")),
    "blanks": (np.array([" ape", "ape ", "bee"] * 4), ("ape", "bee")),
    "uint8": (LABELS.astype(np.uint8), ("0", "1", "2")),
}


@pytest.mark.parametrize("kind", LABELS_OF)
def test_labels_of_other_forms_are_the_same_labels(kind, tmp_path):
    labels, names = LABELS_OF[kind]
    manifest, _ = opened(tmp_path, {"images": GREY, "labels": labels})
    assert manifest.class_names == names
    written = [str(label.decode() if isinstance(label, bytes) else label).strip() for label in labels.ravel()]
    assert [names[number] for number in manifest.labels] == written


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": GREY[:0], "labels": LABELS[:0]}, "must hold an image; it is empty"),
        ({"images": np.zeros((3, 0, 8)), "labels": LABELS[:3]}, "must hold an image; it is empty"),
        ({"images": GREY.reshape(12, -1), "labels": LABELS}, r"got \(12, 48\)\."),
        ({"images": np.zeros((12, 784), np.uint8), "labels": LABELS}, r"save images\.reshape\(-1, 28, 28\)"),
        ({"images": np.zeros((12, 3072), np.uint8), "labels": LABELS}, r"save images\.reshape\(-1, 32, 32, 3\)"),
        ({"images": np.zeros((12, 8, 8, 2), np.uint8), "labels": LABELS}, r"C being 1, 3, 4; got \(12, 8, 8, 2\)"),
        ({"images": GREY, "labels": LABELS[:5]}, r"of the same N; got \(12, 8, 6\) and \(5,\)"),
        ({"images": GREY, "labels": LABELS.astype(float)}, r"got float64\. Save labels\.astype\(int\)"),
        ({"images": GREY, "label_map": LABELS}, r"labels is missing\. It holds images, label_map\. Save"),
        ({"x": GREY, "data": GREY, "y": LABELS}, r"images and labels are missing\. It holds x, data, y"),
        ({"train_images": GREY, "train_labels": LABELS, "test_images": GREY}, "images and labels are missing"),
    ],
)
def test_what_cannot_be_meant_is_named(arrays, message, tmp_path):
    with pytest.raises(DataError, match=message):
        opened(tmp_path, arrays)


def test_a_single_array_and_a_missing_file_are_named(tmp_path):
    np.save(tmp_path / "a.npy", GREY)
    with pytest.raises(DataError, match=r"it holds a single one\. Save numpy\.savez"):
        npz_source(tmp_path / "a.npy", name="npz", narrow=True).open()
    with pytest.raises(DataPathError, match="there is no file"):
        npz_source(tmp_path / "none.npz", name="npz", narrow=True)


def test_a_made_up_size_is_refused_in_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("images", "labels"):
            header = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                header, {"descr": "|u1", "fortran_order": False, "shape": (10**15, 28, 28)}
            )
            archive.writestr(f"{name}.npy", header.getvalue())
    with pytest.raises(DataError, match="plain arrays"):
        npz_source(tmp_path / "a.npz", name="npz", narrow=True).open()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**5), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 30))
def test_whatever_the_bytes_an_archive_is_read_or_refused(tmp_path_factory, changes, cut):
    place = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    np.savez(place, images=GREY, labels=LABELS, class_names=NAMES)
    content = bytearray(place.read_bytes())
    for at, value in changes:
        content[-1 - at % len(content)] = value
    place.write_bytes(content[: len(content) - cut])
    with suppress(DataError):
        manifest, source = npz_source(place, name="npz", narrow=True).open()
        assert len(manifest.labels) == len(source) == len(manifest.files)
