"""Data of detection, segmentation or several labels per image are refused by name; what only resembles them is not."""

import json
import os
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from cnnexp.__main__ import main
from cnnexp.config import FolderDataConfig, NpzDataConfig, TableDataConfig
from cnnexp.errors import ConfigError, DataError
from support.image_folders import load, noise, write_classes, write_image

XY = ("xmin", "ymin", "xmax", "ymax")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def read(tmp_path, folder):
    return lambda **changes: load(FolderDataConfig, cache=tmp_path / "cache", **{"path": folder, **changes})


@pytest.fixture
def read_table(tmp_path, folder):
    def read(columns, *, ending="csv", **changes):
        path = folder / f"table.{ending}"
        write = pyarrow.csv.write_csv if ending == "csv" else pyarrow.parquet.write_table
        write(pa.table(columns), path)
        return load(TableDataConfig, cache=tmp_path / "cache", **{"path": path, **changes})

    return read


@pytest.fixture
def read_npz(tmp_path):
    def read(**arrays):
        np.savez(tmp_path / "arrays.npz", **arrays)
        return load(NpzDataConfig, cache=tmp_path / "cache", path=tmp_path / "arrays.npz")

    return read


def images(folder, count=24):
    return [write_image(folder / f"{number}.png").name for number in range(count)]


def refused(message):
    return pytest.raises(DataError, match=rf"(?s)must give every image one label.*{message}")


# Tables of boxes and masks


@pytest.mark.parametrize(
    ("names", "seems"),
    [
        ("xmin ymin xmax ymax", "bounding boxes.*columns xmin, ymin, xmax, ymax differ in 2 rows"),
        ("x_min y_min x_max y_max", "columns x_min, y_min, x_max, y_max"),
        ("XMin YMin XMax YMax", "columns XMin, YMin, XMax, YMax"),
        ("x y w h", "columns x, y, w, h"),
        ("left top width height", "columns left, top, width, height"),
        ("bbox_x1 bbox_y1 bbox_x2 bbox_y2", "columns bbox_x1"),
        ("bbox", "column bbox differs.*Cut out the boxes and put them into one folder per class"),
        ("bounding_box", "column bounding_box differs"),
        ("EncodedPixels", "segmentation masks.*column EncodedPixels differs.*Leave out the masks"),
        ("rle", "segmentation masks"),
        ("mask_path", "segmentation masks"),
        ("segmentation", "segmentation masks"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_image_with_several_boxes_or_masks(names, seems, ending, read_table, folder):
    files = images(folder)
    columns = {"path": [*files, files[3]], "label": ["a", "b"] * 12 + ["b"]}
    columns |= {name: [str(row + shift) for row in range(25)] for shift, name in enumerate(names.split())}
    with refused(seems):
        read_table(columns, ending=ending)


@pytest.mark.parametrize("names", [XY, ("bbox",), ("mask_path",), ("x", "y", "w", "h")])
def test_one_row_an_image_may_have_a_box_or_a_mask(names, read_table, folder):
    columns = {"path": images(folder), "label": ["a", "b"] * 12} | {name: list(range(24)) for name in names}
    assert read_table(columns).class_names == ("a", "b")


def test_a_row_that_is_there_twice_is_no_second_box(read_table, folder):
    files = images(folder)
    columns = {"path": [*files, files[3]], "label": ["a", "b"] * 12 + ["b"], "bbox": ["1 2 3 4"] * 25}
    assert read_table(columns).class_names == ("a", "b")


def test_a_label_column_called_mask_is_a_label(read_table, folder):
    files = images(folder)
    columns = {"path": [*files, files[3]], "mask": ["on", "off"] * 12 + ["on"]}
    assert read_table(columns, label="mask").class_names == ("off", "on")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"filename": ["a.png"] * 2, "class": ["x", "y"]} | {name: [1, 2] for name in XY},
            "bounding boxes.*xmin, ymin, xmax, ymax",
        ),
        ({"image_id": ["a1", "a2"], "width": [9, 9], "bbox": ["[1, 2]", "[3, 4]"]}, "bounding boxes.*column bbox"),
        ({"path": ["a.png", "b.png"], "EncodedPixels": ["1 2", None]}, "segmentation masks.*EncodedPixels"),
        ({"path": ["a.png", "a.png"], "kind": ["x", "y"], "rle": ["1", "2"]}, "segmentation masks.*column rle"),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_boxes_and_masks_without_the_label_column(columns, message, ending, read_table, folder):
    folder.mkdir()
    with refused(f"{message}.*not the label column that the settings name.*data.label=COLUMN"):
        read_table(columns, ending=ending)


def test_a_box_beside_a_label_of_another_name_is_a_matter_of_settings(read_table, folder):
    folder.mkdir()
    columns = {"Path": ["a.png", "b.png"], "ClassId": [1, 2]} | {
        f"Roi.{name}": [1, 2] for name in ("X1", "Y1", "X2", "Y2")
    }
    with pytest.raises(ConfigError, match=r"label \(data.label\) are not there. It has Path, ClassId"):
        read_table(columns)


def test_a_parquet_table_of_whole_images_lacks_its_columns(read_table, folder):
    folder.mkdir()
    columns = {"image": [{"bytes": b"1", "path": "a.png"}], "raw": [b"1"], "kind": ["a"]}
    with pytest.raises(ConfigError, match="It has image, raw, kind"):
        read_table(columns, ending="parquet")


# Tables of several labels per image


@pytest.mark.parametrize(
    "cells",
    [
        ["cat|dog", "cat", "dog"],
        ["cat;dog", "cat", "dog"],
        ["cat, dog", "dog", "cat"],
        ["cat,dog", "dog,bird", "cat,bird"],
        ["['cat', 'dog']", "['cat']", "['bird']"],
        ['["cat","dog"]', '["dog"]', "[]"],
        ["[0, 1, 1]", "[0, 1, 0]", "[1, 0, 0]"],
        ["cat dog", "cat", "dog"],
        ["scab rust", "rust spot", "rust", "spot", "scab", "healthy"],
    ],
)
def test_several_labels_in_one_cell(cells, read_table, folder):
    files = images(folder)
    with refused(r"several labels per image.*rows of column kind join labels.*Keep one label per image"):
        read_table({"path": files, "kind": cells * (24 // len(cells))}, label="kind")


def test_several_labels_as_a_list_of_parquet(read_table, folder):
    with refused("several labels per image.*rows of column label join labels.*cat and dog"):
        read_table({"path": images(folder), "label": [["cat", "dog"], ["cat"]] * 12}, ending="parquet")


@pytest.mark.parametrize(
    "names",
    [
        ["T-shirt/top", "Ankle boot", "New York", "a, b"],
        ["tench, Tinca tinca", "missile", "projectile, missile", "tub, vat"],
        ["cat|small", "cat|large", "dog|small", "dog|large"],  # every kind of animal in every size
        ["Clothes|Men", "Clothes|Men|Shirts", "Clothes|Women|Shirts", "Clothes|Women"],
        ["1,0", "1,3", "3,0", "0,3"],  # decimal commas
        ["[1, 0, 0]", "[0, 1, 0]", "[0, 0, 1]"],  # a class each
        ["ice cream", "ice", "cream", "bread", "soup", "rice"],
        ["New York", "York", "New Orleans", "Paris"],
    ],
)
def test_names_with_separators_are_names(names, read_table, folder):
    files = images(folder, 12 * len(names))
    assert set(read_table({"path": files, "label": names * 12}).class_names) == set(names)


def test_two_cells_are_a_slip(read_table, folder):
    labels = ["cat", "dog"] * 20 + ["cat|dog"] * 2
    assert "cat|dog" in read_table({"path": images(folder, 42), "label": labels}).class_names


def test_the_same_image_under_several_labels(read_table, folder):
    files = images(folder)
    columns = {"path": [*files, *files[:3]], "label": ["a", "b"] * 12 + ["b", "a", "b"]}
    with refused("several labels per image: 3 images are listed with different labels, such as 0.png with a, b"):
        read_table(columns)


@pytest.mark.parametrize(("count", "again"), [(24, 2), (80, 4)])
def test_few_images_under_several_labels_are_left_to_the_data_check(count, again, read_table, folder):
    files = images(folder, count)
    labels = ["a", "b"] * (count // 2)
    splits = read_table({"path": [*files, *files[:again]], "label": labels + labels[1 : again + 1]})
    assert splits.class_names == ("a", "b")


def test_one_hot_columns_are_named(read_table, folder):
    folder.mkdir()
    columns = {"path": ["a.png", "b.png"], "age": [3, 41], "cat": [0, 1], "dog": [1, 0]}
    with pytest.raises(
        ConfigError, match=r"label \(data.label\).*Columns cat, dog look like one-hot.*idxmax\(axis=1\)"
    ):
        read_table(columns)


@pytest.mark.parametrize("values", [([0, 1, 1], [0, 1, 0]), ([-1, 1, 1], [-1, 1, -1]), ([False, True, True],) * 2])
def test_columns_with_several_ones_are_named(values, read_table, folder):
    folder.mkdir()
    columns = {"path": ["a.png", "b.png", "c.png"]} | dict(zip(("smiling", "young"), values, strict=True))
    with pytest.raises(ConfigError, match=r"Columns smiling, young hold only 0 and 1.*data\.label=smiling"):
        read_table(columns)


# Folders and archives


def coco(path, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"info": {}, "images": [{"id": 1, "file_name": "0000.png"}], "annotations": [{"image_id": 1}], **more}
    path.write_text(json.dumps(content))


def voc(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<?xml version='1.0'?>\n<annotation>\n<object><bndbox/></object></annotation>")


def yolo(path, text="0 0.5 0.5 0.25 0.125\n1 0.1 0.2 0.3 1e-3\n"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def coco_2017(folder):
    write_classes(folder, {"train2017": 4, "val2017": 4})
    coco(folder / "annotations" / "instances_train2017.json")


def coco_long(folder):
    write_classes(folder, {"images": 4})
    entries = [{"id": number, "file_name": f"{number:04d}.png"} for number in range(9_999)]
    coco(folder / "annotations.json", images=entries)


def coco_export(folder):
    write_classes(folder, {"train": 4, "valid": 4, "test": 4})
    for name in ("train", "valid", "test"):
        coco(folder / name / "_annotations.coco.json")


def voc_2012(folder):
    root = folder / "VOCdevkit" / "VOC2012"
    write_classes(root, {"JPEGImages": 4, "SegmentationClass": 2, "SegmentationObject": 2})
    voc(root / "Annotations" / "0000.xml")
    yolo(root / "ImageSets" / "Main" / "train.txt", "0000\n0001\n")


def voc_beside(folder):
    images(folder, 4)
    voc(folder / "0.xml")


def yolo_folders(folder):
    write_classes(folder / "images", {"train": 4, "val": 4})
    for name in ("train/0000.txt", "train/0001.txt"):
        yolo(folder / "labels" / name, "" if "0000" in name else "0 0.5 0.5 0.25 0.125")


def yolo_export(folder):
    write_classes(folder, {"train/images": 4, "valid/images": 4})
    yolo(folder / "data.yaml", "train: ../train/images\nval: ../valid/images\n\nnc: 2\nnames: ['a', 'b']\n")


def yolo_polygons(folder):
    write_classes(folder, {"images": 4})
    yolo(folder / "labels" / "0003.txt", "7 0.1 0.1 0.2 0.1 0.2 0.2")


def masks(folder):
    write_classes(folder, {"images": 4, "masks": 4})


def masks_of_splits(folder):
    write_classes(folder, {"train/images": 4, "train/masks": 3, "test/images": 4, "test/masks": 2})


def masks_with_suffix(folder):
    write_classes(folder, {"train": 4})
    for number in range(4):
        write_image(folder / "train_masks" / f"{number:04d}_mask.png")


def masks_of_voc(folder):
    write_classes(folder, {"JPEGImages": 4, "SegmentationClass": 2})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            coco_2017,
            r"annotations/instances_train2017\.json is .* COCO, .*train2017, val2017\. Cut out",
        ),
        (coco_long, r"annotations\.json is an annotation file of COCO, and the folder of images is images\."),
        (coco_export, r"test/_annotations\.coco\.json is .* COCO"),
        (voc_2012, r"Annotations/0000\.xml is an annotation file of Pascal VOC, .*JPEGImages, SegmentationClass"),
        (voc_beside, r"0\.xml is an annotation file of Pascal VOC, and there is no folder for each class"),
        (yolo_folders, r"labels/train/0001\.txt is an annotation file of YOLO"),
        (yolo_export, r"data\.yaml is an annotation file of YOLO"),
        (yolo_polygons, r"labels/0003\.txt is an annotation file of YOLO"),
        (masks, r"segmentation masks: masks/0000\.png has the name of an image, images/0000\.png.*Leave out the masks"),
        (masks_of_splits, r"segmentation masks: test/masks/0000\.png .* test/images/0000\.png"),
        (masks_with_suffix, r"segmentation masks: train_masks/0000_mask\.png .* train/0000\.png"),
        (masks_of_voc, r"segmentation masks: SegmentationClass/0000\.png .* JPEGImages/0000\.png"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_folders_that_are_no_classes(make, message, zipped, read, folder, tmp_path):
    make(folder)
    path = folder
    if zipped:
        path = tmp_path / "data.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.rglob("*")):
                archive.write(file, file.relative_to(folder))
    with refused(message):
        read(path=path)


@pytest.mark.parametrize(
    "classes",
    [
        {"cats": 12, "dogs": 12},
        {"masks": 12, "hats": 12},
        {"images": 12, "labels": 12, "paintings": 12},
        {"train": 12, "bus": 12},
        {"face": 12, "face_mask": 12},
        {"0": 12, "1": 12},
        {"train/cats": 12, "train/dogs": 12, "test/cats": 4, "test/dogs": 4},
    ],
)
def test_class_folders_may_hold_annotations(classes, read, folder):
    write_classes(folder, classes)
    first = next(iter(classes))
    coco(folder / "annotations.json")
    coco(folder / first / "annotations.json")
    voc(folder / first / "0000.xml")
    yolo(folder / first / "0000.txt")
    yolo(folder / "data.yaml", "train: a\nnames: [b]\n")
    splits = read()
    assert set(splits.class_names) == {name.split("/")[-1] for name in classes}
    assert any("1 with .txt, 1 with .xml, 1 with .json" in note for note in splits.notes)


def test_masks_of_other_names_than_the_images_are_a_class(read, folder):
    write_classes(folder, {"images": 12})
    for number in range(12):
        write_image(folder / "masks" / f"mask {number}.png")
    assert read().class_names == ("images", "masks")


@pytest.mark.parametrize("classes", [("train", "bus"), ("images", "photos")])
def test_files_of_other_content_are_no_annotations(classes, read, folder):
    write_classes(folder, dict.fromkeys(classes, 12))
    yolo(folder / "data.json", '{"images": 24}')
    yolo(folder / "notes.xml", "<notes/>")
    yolo(folder / classes[0] / "0000.txt", "a photograph of 2019")
    (folder / "bytes.json").write_bytes(b"\xff\0" * 99)
    os.mkfifo(folder / "0001.txt")  # reading it would never end
    assert set(read().class_names) == set(classes)


def test_single_class_errors_stay_what_they_are(read, folder):
    write_classes(folder, {"only": 12})
    yolo(folder / "only" / "0000.txt", "words")
    with pytest.raises(DataError, match="At least two classes"):
        read()


# Arrays


def stack(count=24):
    return np.stack([noise(f"scope {number}") for number in range(count)])


@pytest.mark.parametrize("kind", [int, bool, np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("names", [None, ["a", "b", "c"]])
def test_one_hot_labels_are_the_numbers_of_their_columns(kind, names, read_npz):
    labels = np.arange(24) % 3
    given = {} if names is None else {"class_names": np.array(names)}
    splits = read_npz(images=stack(), labels=np.eye(3)[labels].astype(kind), **given)
    assert splits.class_names == tuple(names or "012")
    assert {int(splits.train.labels[0])} == {int(labels[splits.train.rows[0]])}
    assert "Labels are one-hot, (24, 3), and are read as the numbers of their columns." in splits.notes


def test_soft_labels_are_refused_by_their_shape(read_npz):
    with pytest.raises(DataError, match=r"labels \(N,\) of the same N; got .* and \(24, 3\)"):
        read_npz(images=stack(), labels=np.full((24, 3), 1 / 3))


def test_multi_hot_labels(read_npz):
    labels = np.eye(3, dtype=int)[np.arange(24) % 3]
    labels[5] = 1
    with refused(r"several labels per image: labels are \(24, 3\) and row 5 has 3 ones"):
        read_npz(images=stack(), labels=labels)


@pytest.mark.parametrize("shape", [(24, 12, 12), (24, 12, 12, 1)])
def test_a_label_for_each_pixel(shape, read_npz):
    with refused(r"segmentation masks: labels are \(24, 12, 12"):
        read_npz(images=stack(), labels=np.zeros(shape, np.uint8))


@pytest.mark.parametrize("labels", [np.zeros((24, 2), int), np.full((24, 2), 7)])
def test_other_shapes_of_labels_are_refused_as_before(labels, read_npz):
    with pytest.raises(DataError, match=r"labels \(N,\) of the same N; got"):
        read_npz(images=stack(), labels=labels)


# The command


def test_check_data_refuses_the_same(folder, tmp_path, monkeypatch, capsys):
    masks(folder)
    monkeypatch.chdir(tmp_path)
    assert main(["check-data", "data=folder", f"data.path={folder}", "data.cache=cache"]) == 1
    assert "it seems to hold segmentation masks: masks/0000.png" in " ".join(capsys.readouterr().err.split())
