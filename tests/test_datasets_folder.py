"""Folders of images as people have them, and archives of them."""

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnexp.config import FolderDataConfig
from cnnexp.datasets.sources.folders.list_folder import list_folder
from cnnexp.datasets.sources.source import class_name, natural_order
from cnnexp.errors import DataError, DataPathError
from cnnexp.images import read_image
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.text import printable
from support.image_folders import load, noise, write_classes, write_image

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def read(tmp_path, folder):
    return lambda **changes: load(FolderDataConfig, cache=tmp_path / "cache", **{"path": folder, **changes})


def pairs(split):
    return zip(split.files, split.labels, strict=True)


def files_of(splits):
    return {file: int(label) for name in SPLIT_NAMES for file, label in pairs(splits[name])}


def test_a_folder_a_class(read, folder):
    write_classes(folder, {"10": 8, "2": 8, "b": 8})
    splits = read()
    assert splits.class_names == ("2", "10", "b")
    assert splits.source == str(folder)
    labels = files_of(splits)
    assert len(labels) == 24
    assert all(splits.class_names[label] == file.split("/")[0] for file, label in labels.items())


def test_every_pixel_is_what_the_single_image_reader_gives(read, folder):
    write_classes(folder, {"a": 9, "b": 9}, size=(30, 40))
    splits = read(size=[16, 24], resize="pad", background=9)
    for name in SPLIT_NAMES:
        split = splits[name]
        for row, file in zip(split.rows, split.files, strict=True):
            np.testing.assert_array_equal(split.images[row], read_image(folder / file, splits.spec))


@pytest.mark.parametrize(("validation", "test"), [("val", "test"), ("valid", "Test"), ("validation", "testing")])
def test_declared_splits(read, folder, validation, test):
    for split, count in (("train", 10), (validation, 3), (test, 4)):
        write_classes(folder / split, {"a": count, "b": count})
    splits = read()
    assert [len(splits[name]) for name in SPLIT_NAMES] == [18, 6, 2, 8]  # calibration comes out of train
    assert {file.split("/")[0] for file in splits.train.files + splits.calibration.files} == {"train"}
    assert {file.split("/")[0] for file in splits.validation.files} == {validation}
    assert {file.split("/")[0] for file in splits.test.files} == {test}


def test_train_can_be_a_class(read, folder):
    write_classes(folder, {"train": 6, "bus": 6, "car": 6})
    splits = read()
    assert splits.class_names == ("bus", "car", "train")
    assert splits.notes == ()
    write_classes(folder, {"test": 6})
    with pytest.raises(DataError, match=r"(?s)test, train are called like splits.*data\.splits=\[\]"):
        read()
    assert read(splits=[]).class_names == ("bus", "car", "test", "train")


def test_wrapping_folders_and_stray_files_are_no_classes(read, folder):
    write_classes(folder / "archive" / "Dataset", {"a": 6, "b": 6})
    write_image(folder / "overview.png")
    (folder / "LICENSE").write_text("free")
    (folder / "archive" / "README.md").write_text("read me")
    write_image(folder / "__MACOSX" / "archive" / "c" / "._1.png")
    write_image(folder / ".hidden" / "d" / "1.png")
    splits = read()
    assert splits.class_names == ("a", "b")
    assert len(files_of(splits)) == 12
    assert any("1 image beside the class folders" in note and "overview.png" in note for note in splits.notes)
    assert any("1 with .md" in note for note in splits.notes)


def test_notes_about_other_files_are_of_today_though_the_images_are_cached(read, folder):
    write_classes(folder, {"a": 6, "b": 6})
    assert read().notes == ()
    (folder / "a" / "list.txt").write_text("0000")
    decoded = []
    splits = read(on_progress=lambda done, total: decoded.append(done))
    assert decoded == []
    assert any("1 with .txt" in note for note in splits.notes)


def test_images_deeper_than_the_class_folder_belong_to_it(read, folder):
    write_classes(folder, {"a": 3, "a/more/still": 4, "b": 6})
    splits = read()
    assert splits.class_names == ("a", "b")
    assert sorted(files_of(splits).values()) == [0] * 7 + [1] * 6


def test_a_folder_beside_the_splits_is_left_out_and_said(read, folder):
    for split in ("train", "test", "samples"):
        write_classes(folder / split, {"a": 8, "b": 8})
    assert any("16 images in a folder of no split" in note for note in read().notes)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({}, "No image was found"),
        ({"only": 5}, "At least two classes"),
        ({"a": 4, "b": 4, "empty": 0}, "there is none in empty"),
    ],
)
def test_folders_without_what_is_needed(read, folder, counts, message):
    write_classes(folder, counts)
    for name in counts:
        (folder / name).mkdir(exist_ok=True)
    folder.mkdir(exist_ok=True)
    with pytest.raises(DataError, match=message):
        read()


def test_images_without_class_folders(read, folder):
    write_image(folder / "1.png")
    with pytest.raises(DataError, match="No class folder"):
        read()


def test_a_class_named_differently_in_one_split_is_refused(read, folder):
    write_classes(folder / "train", {"a": 8, "b": 8})
    write_classes(folder / "test", {"a": 4, "B": 4})
    with pytest.raises(DataError, match=r"there is none of B\..*named differently"):
        read()


def test_a_message_that_no_image_can_be_read_names_one(read, folder):
    for name in ("a/0.png", "a/1.png", "b/0.png", "b/1.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.raises(DataError, match=r"none of 4 tried could be\. b/1\.png: the file is empty"):
        read()


def test_a_wrong_path(read, folder):
    for name in ("nothing", "x" * 300):
        with pytest.raises(DataPathError, match=f"there is no .*{name}") as caught:
            read(path=folder / name)
        assert caught.value.exit_code == 2
    folder.mkdir()
    (folder / "list.txt").touch()
    with pytest.raises(DataError, match="neither"):
        read(path=folder / "list.txt")


def test_a_link_in_a_circle_does_not_hang(read, folder):
    write_classes(folder, {"a": 5, "b": 5})
    (folder / "a" / "again").symlink_to(folder, target_is_directory=True)
    splits = read()
    assert len(files_of(splits)) == 10
    assert any("1 link was not followed" in note and "a/again" in note for note in splits.notes)


def test_links_out_of_the_folder_are_not_followed_and_links_inside_are(read, folder, tmp_path):
    write_classes(folder, {"a": 5, "b": 5})
    secret = write_image(tmp_path / "elsewhere" / "secret.png")
    (folder / "a" / "secret.png").symlink_to(secret)
    (folder / "a" / "gone.png").symlink_to(tmp_path / "gone.png")
    (folder / "a" / "c").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (folder / "b" / "linked.png").symlink_to(folder / "b" / "0000.png")
    splits = read()
    assert len(files_of(splits)) == 11
    assert "b/linked.png" in files_of(splits)
    assert any("3 links were not followed" in note for note in splits.notes)


def test_a_pipe_with_the_name_of_an_image_is_passed_over(folder):
    write_classes(folder, {"a": 1})
    os.mkfifo(folder / "a" / "pipe.png")
    assert list_folder(folder).images == ("a/0000.png",)


STRANGE = ["with space", "with 'quotes' \"both\"", "Ünïcödé", "手話", "new\nline", "esc\x1b[31m", "-rf", "a,b;c"]


def test_strange_names_come_through_and_disturb_no_terminal(read, folder):
    write_classes(folder, dict.fromkeys(STRANGE, 4))
    (folder / os.fsdecode(b"\xff\xfe")).mkdir()
    for number in range(4):
        Image.fromarray(noise(f"bytes {number}")).save(folder / os.fsdecode(b"\xff\xfe") / f"{number}.png")
    splits = read()
    assert len(splits.class_names) == 9
    assert len(files_of(splits)) == 36
    for text in (*splits.class_names, *files_of(splits)):
        assert text.isprintable()
        text.encode("utf-8")
    assert "手話" in splits.class_names
    assert "new\\nline" in splits.class_names


def test_names():
    assert natural_order(["10", "9", "b10", "B9", "a"]) == ("9", "10", "a", "B9", "b10")
    assert class_name("e\u0301") == "\u00e9"  # macOS spells it the first way
    assert printable("a\x00b\udcff") == "a\\x00b\\udcff"


def test_an_archive_reads_like_its_folder(read, folder, tmp_path):
    for split in ("train", "test"):
        write_classes(folder / "wrapped" / split, {"a": 8, "b": 8})
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, path.relative_to(folder))
        file.write(folder / "wrapped" / "test" / "a" / "0000.png", "__MACOSX/wrapped/._0000.png")
    unpacked, packed = read(), read(path=archive)
    assert files_of(packed) == files_of(unpacked)
    np.testing.assert_array_equal(packed.train.images, unpacked.train.images)
    assert packed.digest == unpacked.digest


def test_a_damaged_member_of_an_archive_is_an_unreadable_image(read, tmp_path):
    folder = write_classes(tmp_path / "source", {"a": 4, "b": 4})
    archive = tmp_path / "data.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(folder.rglob("*.png")):
            file.write(path, path.relative_to(folder))
    content = bytearray(archive.read_bytes())
    content[200] ^= 0xFF  # inside the first member
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"1 of 8 .* a/0000.png: the archive is damaged"):
        read(path=archive)


def bad_folder(folder):
    """97 readable images and three that are not."""
    write_classes(folder, {"a": 50, "b": 50})
    (folder / "a" / "0007.png").write_bytes(b"")
    (folder / "a" / "0008.png").write_text("a text file")
    whole = (folder / "b" / "0009.png").read_bytes()
    (folder / "b" / "0009.png").write_bytes(whole[: len(whole) // 2])


def test_unreadable_files_stop_a_run_and_are_listed(read, folder):
    bad_folder(folder)
    with pytest.raises(DataError) as caught:
        read()
    message = str(caught.value)
    assert "3 of 100" in message
    for part in ("a/0007.png: the file is empty", "a/0008.png: it is no JPEG", "b/0009.png: the file is damaged"):
        assert part in message


def test_unreadable_files_are_left_out_when_asked(read, folder):
    bad_folder(folder)
    splits = read(on_bad_file="skip", max_bad_files=0.03)
    assert len(files_of(splits)) == 97
    assert not {"a/0007.png", "a/0008.png", "b/0009.png"} & set(files_of(splits))
    assert any("3 of 100 images cannot be read and were left out" in note for note in splits.notes)
    with pytest.raises(DataError, match=r"data\.max_bad_files"):
        read(on_bad_file="skip", max_bad_files=0.02)


def test_duplicates_stay_in_one_split(read, folder):
    write_classes(folder, {"a": 40, "b": 40})
    for number in range(12):
        content = (folder / "a" / f"{number:04d}.png").read_bytes()
        (folder / "a" / f"copy{number}.png").write_bytes(content)
    splits = read()
    side = {file: name for name in SPLIT_NAMES for file in splits[name].files}
    for number in range(12):
        assert side[f"a/{number:04d}.png"] == side[f"a/copy{number}.png"]


AUTO = [  # sizes and modes of the images, and what must be found
    ({(28, 28): 40}, "L", (28, 28, "grey", "stretch")),
    ({(48, 32): 40}, "RGB", (48, 32, "rgb", "stretch")),
    ({(100, 100): 39, (300, 300): 1}, "RGB", (64, 64, "rgb", "stretch")),
    ({(50, 50): 20, (60, 60): 20}, "RGB", (48, 48, "rgb", "stretch")),
    ({(40, 90): 20, (90, 40): 20}, "RGB", (40, 40, "rgb", "pad")),
    ({(5, 5): 40}, "L", (8, 8, "grey", "stretch")),
]


@pytest.mark.parametrize(("sizes", "mode", "found"), AUTO)
def test_auto_follows_its_stated_rule(read, folder, sizes, mode, found):
    number = 0
    for (height, width), count in sizes.items():
        for _ in range(count):
            path = folder / "ab"[number % 2] / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = noise(f"{number}", size=(height, width), color=mode == "RGB")
            Image.fromarray(pixels).save(path)
            number += 1
    spec = read().spec
    assert (spec.height, spec.width, spec.color, spec.resize) == found


def test_grey_photographs_saved_as_rgb_are_grey(read, folder):
    for number in range(20):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(f"{number}", color=False)).convert("RGB").save(path)
    assert read().spec.color == "grey"


def test_settings_win_over_what_is_found(read, folder):
    write_classes(folder, {"a": 8, "b": 8})
    spec = read(size=[20, 10], color="grey", resize="crop", kernel="bicubic", antialias=False, background=3).spec
    assert (spec.shape, spec.resize, spec.kernel, spec.antialias, spec.background) == (
        (20, 10, 1), "crop", "bicubic", False, 3,
    )  # fmt: skip


@pytest.mark.skipif(not (SHARED / "sign_digits.zip").exists(), reason="needs sign_digits.zip beside the repository")
def test_the_sign_photographs_from_their_archive(read):
    splits = read(path=SHARED / "sign_digits.zip")
    assert splits.class_names == tuple("0123456789")
    assert [len(splits[name]) for name in SPLIT_NAMES] == [1132, 310, 209, 411]
    assert splits.spec.shape == (64, 64, 3)
    for name in SPLIT_NAMES:
        counts = np.bincount(splits[name].labels)
        assert counts.max() - counts.min() <= 2
