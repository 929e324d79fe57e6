"""Tables and paths as people have them, of other systems and machines; what cannot be meant is named."""

import gzip
import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnexp.config import TableDataConfig
from cnnexp.datasets.sources.tables.columns import Columns
from cnnexp.datasets.sources.tables.table import table_source
from cnnexp.errors import ConfigError, DataError, DataPathError
from cnnexp.saved import list_images
from support.image_folders import load, write_image

FILES = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(3)]
LABELS = ["cat", "Käse"] * 3
NAMES = ("cat", "Käse")


def opened(path, *, root=None, image="path", label="label", split="auto", group="auto"):
    """Manifest and images of a table; nothing is decoded."""
    columns = Columns(image=image, label=label, split=split, group=group)
    return table_source(path, name="table", root=None if root is None else str(root), columns=columns).open()


def touch(folder, names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def folder(tmp_path):
    touch(tmp_path / "data", FILES)
    return tmp_path / "data"


def rows(separator=",", end="\n", names=("path", "label"), pattern="{0}{s}{1}"):
    return end.join(
        [separator.join(names), *(pattern.format(*row, s=separator) for row in zip(FILES, LABELS, strict=True)), ""]
    )


WRITTEN = {
    "plain": rows().encode(),
    "byte order mark": rows().encode("utf-8-sig"),
    "semicolons": rows(";").encode(),
    "tabs": rows("\t").encode(),
    "vertical bars": rows("|").encode(),
    "semicolons and decimal commas": rows(";", names=("score", "path", "label"), pattern="0,5{s}{0}{s}{1}").encode(),
    "tabs and commas": rows("\t", names=("a, b", "path", "label"), pattern="1, 2{s}{0}{s}{1}").encode(),
    "Excel's hint": ("sep=;\r\n" + rows(";", "\r\n")).encode("cp1252"),
    "Windows-1252": rows(";", "\r\n").encode("cp1252"),
    "UTF-16": rows("\t").encode("utf-16"),
    "UTF-16, big end first": b"\xfe\xff" + rows().encode("utf-16-be"),
    "UTF-16 without mark": rows().encode("utf-16-le"),
    "UTF-32": rows().encode("utf-32"),
    "lines of old Macs": rows(end="\r").encode(),
    "blanks around all": rows(names=(" path ", " label"), pattern=" {0}  {s} {1} ").encode(),
    "blanks before quotes": rows(names=('"path"', ' "label"'), pattern='"{0}"{s} "{1}"').encode(),
    "no-break spaces": rows(names=("path\xa0", "\xa0label"), pattern="{0}\xa0{s}\u2003{1}\xa0").encode(),
    "marks of their own": rows(names=("\ufeffpath", "label\u200b"), pattern="{0}{s}\ufeff{1}\u200b").encode(
        "utf-8-sig"
    ),
    "all quoted": rows(names=('"path"', '"label"'), pattern='"{0}"{s}"{1}"').encode(),
    "quoted line breaks": rows(names=("note", "path", "label"), pattern='"a\n""b"", c"{s}{0}{s}{1}').encode(),
    "blank lines": ("\n\n" + rows(end="\n\n") + "\n").encode(),
    "empty cells at the end": rows(pattern="{0}{s}{1}{s}{s}").encode(),
    "empty rows at the end": (rows(";") + ";\n;\n;;;\n").encode(),
    "an index without a name": rows(names=("", "path", "label"), pattern="7{s}{0}{s}{1}").encode(),
    "compressed": gzip.compress(rows().encode()),
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_table_means_the_same_however_it_is_written(written, folder):
    table = folder / ("table.csv.gz" if written == "compressed" else "table.csv")
    table.write_bytes(WRITTEN[written])
    manifest, images = opened(table)
    assert (manifest.class_names, manifest.files) == (NAMES, tuple(FILES))
    assert [NAMES[label] for label in manifest.labels] == LABELS
    assert list(images) == [f"{folder}/{name}" for name in FILES]
    is_noted = any("Windows-1252" in note and "UTF-8" in note for note in manifest.notes)
    assert is_noted == (written in ("Windows-1252", "Excel's hint"))
    asked = [item.path for item in list_images([str(table)], root=None)]
    assert asked == [folder / name for name in FILES], "predict reads the same tables"


REFUSED = {
    "a cell too many": (
        "path,label\ncat/0.png,cat, black\n",
        r"must have 2 cells, separated by commas, .* line 2 has 3",
    ),
    "a quotation mark": (
        'path,label\n"cat/0.png,cat\ncat/1.png,cat\n',
        "cannot be read as a CSV table: unexpected end",
    ),
    "text after a quotation mark": ('path,label\n"cat"/0.png,cat\n', "cannot be read as a CSV table"),
    "no first line": ("cat/0.png,cat\ncat/1.png,cat\n", r"Its first line is a row, cat/0\.png cat; .*path,label"),
    "nothing but one column": ("cat/0.png\ncat/1.png\n", "Its first line is a row"),
    "blanks as separators": ("path label\ncat/0.png cat\n", "separated by blanks"),
    "letter case": ("Path,Label\ncat/0.png,cat\n", r"Did you mean data\.image=Path data\.label=Label\?"),
    "other names": ("file_name;class\ncat/0.png;cat\n", r"Did you mean data\.image=file_name data\.label=class\?"),
    "spelled nearly so": ("paht,labell\ncat/0.png,cat\n", r"Did you mean data\.image=paht data\.label=labell\?"),
    "a column twice": ("path,label,label\ncat/0.png,cat,cat\n", "column label more than once"),
    "no rows": ("path,label\n", "it has no rows"),
    "only empty rows": ("path,label\n,\n,\n", "it has no rows"),
    "empty": ("", "because it is empty"),
    "blank lines": ("\n\n\n", "because it is empty"),
    "a label of blanks": ("path,label\ncat/0.png,cat\ncat/1.png,\xa0 \n", r"column label; 1 have none, such as row 2"),
    "UTF-16 cut off": (rows().encode("utf-16")[:-1], "cannot be read as a CSV table: .*utf-16"),
    "a workbook": (b"PK\x03\x04" + bytes(50), "it is an Excel workbook .*Save a table as CSV"),
    "an old workbook": (b"\xd0\xcf\x11\xe0" + bytes(50), "it is an Excel workbook"),
    "compressed without saying so": (gzip.compress(b"path,label\n"), r"does not end in \.gz"),
    "JSON": ('{"file_name": "cat/0.png", "label": "cat"}\n', "it is JSON"),
    "a list in JSON": ('[{"path": "cat/0.png"}]', "it is JSON"),
    "an Arrow file": (b"ARROW1\0\0" + bytes(50), "Save the table as Parquet"),
    "a web page": ("<!DOCTYPE html><html></html>", "it is a web page"),
    "a pointer of Git": ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "git lfs pull"),
}


@pytest.mark.parametrize("written", REFUSED)
def test_what_cannot_be_meant_is_named(written, folder):
    content, message = REFUSED[written]
    (folder / "table.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises((ConfigError, DataError), match=f"(?s)table.csv.*{message}"):
        opened(folder / "table.csv")


def test_a_folder_or_table_that_does_not_exist_is_a_wrong_setting(folder):
    (folder / "table.csv").write_text(rows())
    for place, root in ((folder / "none.csv", None), (folder / ("x" * 300), None), (folder / "table.csv", "/none")):
        with pytest.raises(DataPathError, match=r"there is no file|is none") as caught:
            opened(place, root=root)
        assert caught.value.exit_code == 2


def test_rows_are_counted_as_they_stand(folder):
    (folder / "table.csv").write_text("path,label\ncat/0.png,a\n,\n,\ncat/1.png,\n,\n,\n")
    with pytest.raises(DataError, match=r"column path; 2 have none, such as row 2, 3\."):
        opened(folder / "table.csv")


PATHS = {
    "Windows": (lambda name: name.replace("/", "\\"), r"with / for \\, such as cat\\0"),
    "Windows, with a dot": (lambda name: ".\\" + name.replace("/", "\\"), "with / for"),
    "Windows, another machine": (lambda name: "C:\\Users\\bob\\" + name.replace("/", "\\"), "without C:/Users/bob/"),
    "Windows, a server": (lambda name: "\\\\nas\\share\\" + name.replace("/", "\\"), "without nas/share/"),
    "another machine": (lambda name: f"/home/bob/data/{name}", "without home/bob/data/"),
    "a folder above": (lambda name: f"data/{name}", "without data/"),
    "beside a folder": (lambda name: f"../else/{name}", r"without \.\./else/"),
    "no ending": (lambda name: name[:-4], "with the ending of the file, such as cat/0 as cat/0.png"),
    "no ending, Windows": (lambda name: name[:-4].replace("/", "\\"), "with / for .* and with the ending of the file"),
    "upper case": (str.upper, "in another letter case or Unicode form"),
    "mixed case": (lambda name: name.replace("c", "C").replace(".png", ".PNG"), "in another letter case"),
    "blanks": (lambda name: f" {name}\xa0", "without the blanks around it"),
    "quotation marks": (lambda name: f"'{name}'", "without the quotation marks around it"),
    "percent": (lambda name: name.replace("/", "%2F"), "decoded from a URL"),
    "a URL": (lambda name: f"file:///home/bob/{name}", "without file:/home/bob/"),
}


@pytest.mark.parametrize("written", PATHS)
def test_a_path_means_the_file_that_exists(written, folder):
    write, note = PATHS[written]
    lines = [f'"{write(file)}",{file[:3]}\n' for file in FILES]
    (folder / "table.csv").write_text("path,label\n" + "".join(lines))
    manifest, images = opened(folder / "table.csv")
    assert manifest.files == tuple(FILES)
    assert list(images) == [f"{folder}/{name}" for name in FILES]
    (said,) = manifest.notes
    assert said.startswith(("6 paths of the table were read ", "3 paths"))
    assert re.search(note, said)
    asked = [item.path for item in list_images([str(folder / "table.csv")], root=None)]
    assert asked == [folder / name for name in FILES], "predict finds the same files"


def test_a_file_that_exists_as_written_is_taken_before_any_other(folder):
    touch(folder, ["cat\\0.png", "a%20b.png", "A.png", "a.png", "1", "1.png", " x.png", "x.png"])
    names = ["cat\\0.png", "a%20b.png", "A.png", "a.png", "1", " x.png"]
    (folder / "table.csv").write_text("path,label\n" + "".join(f'"{name}",k{n}\n' for n, name in enumerate(names)))
    manifest, images = opened(folder / "table.csv")
    assert list(images) == [f"{folder}/{name}" for name in names]
    assert manifest.notes == ()


def test_names_of_bytes_and_of_two_unicode_forms_are_found(folder):
    decomposed, latin = "e\u0301.png", "caf\udce9.png"  # macOS writes é as e and an accent; Latin-1 as one byte
    touch(folder, [decomposed, latin, "thé.png"])
    lines = ["path,label", "é.png,a", "caf\udce9.png,b", "th\udce9.png,b", ""]
    (folder / "table.csv").write_text("\n".join(lines), errors="surrogateescape")
    _, images = opened(folder / "table.csv")
    assert list(images) == [f"{folder}/{name}" for name in (decomposed, latin, "thé.png")]


@pytest.mark.parametrize(
    ("present", "written", "message"),
    [
        (["1.jpg", "1.png"], "1", r"such as .*/data/1\. Paths start"),
        (["a.png"], "A.jpg", r"such as .*/data/A\.jpg\..* There is .*/data/a\.png: is the ending in the table right\?"),
        (["train/1.png"], "1.png", r"such as .*/data/1\.png\..* is data\.root=.*/data/train meant\?"),
        (["images/train/1.png"], "train/1.png", r"is data\.root=.*/data/images meant\?"),
        (["dog/1.png", "up/cat/1.png"], "cat/1.png", r"There is .*/data/up/cat/1\.png: is data\.root=.*/data/up meant"),
        (["dog/1.png", "cat/1.bmp"], "cat/1.png", r"There is .*/data/cat/1\.bmp: is the ending"),
        (["cat/x/1.png", "1.png"], "cat/1.png", r"such as .*/data/cat/1\.png"),
        (["X/1.png", "x/1.png"], "x\\\\1.png", None),
        ([], "https://host/cats/1.png", "They are web addresses"),
        ([], "..\\images\\1.png", "lead out, such as"),
        ([], "D:\\images\\1.png", "lead out, such as"),
        ([], "//server/1.png", "lead out, such as"),
        (["passwd"], "/etc/passwd", "lead out, such as /etc/passwd"),
    ],
)
def test_a_path_that_may_mean_several_files_or_none_is_refused_with_the_place(present, written, message, tmp_path):
    touch(tmp_path / "data", [*present, "none.txt"])
    (tmp_path / "data" / "table.csv").write_text(f'path,label\n"{written}",a\n')
    if message is None:
        assert opened(tmp_path / "data" / "table.csv")[0].files == ("x/1.png",)
        return
    with pytest.raises(DataError, match=message):
        opened(tmp_path / "data" / "table.csv")


def test_two_folders_are_never_dropped_for_one(tmp_path):
    touch(tmp_path / "data", ["1.png", "2.png"])
    (tmp_path / "data" / "table.csv").write_text("path,label\ntrain/1.png,a\ntrain/2.png,b\ntest/1.png,a\n")
    manifest, images = opened(tmp_path / "data" / "table.csv")
    assert manifest.files == ("1.png", "2.png", "test/1.png")
    assert not Path(images[2]).exists(), "reported as unreadable"


@pytest.mark.parametrize(
    "labels",
    [
        ["cat", " cat", "cat ", "\tcat"],
        ["cat", "cat\xa0", "\ufeffcat", "\u3000cat\u200b"],
        ["é", "e\u0301", " é", "é "],
    ],
)
def test_blanks_around_labels_make_no_classes(labels, folder):
    lines = [f'"{file}","{label}"\n' for file, label in zip(FILES, [*labels, "b", "b"], strict=True)]
    (folder / "table.csv").write_text("path,label\n" + "".join(lines))
    manifest, _ = opened(folder / "table.csv")
    assert sorted(manifest.class_names) == sorted(("b", labels[0]))
    assert len(set(manifest.labels[:4])) == 1


def test_labels_that_differ_in_more_than_blanks_stay_apart(folder):
    labels = ["cat", "Cat", "c at", "cat.", "01", "1"]
    (folder / "table.csv").write_text(
        "path,label\n" + "".join(f"{file},{label}\n" for file, label in zip(FILES, labels, strict=True))
    )
    assert set(opened(folder / "table.csv")[0].class_names) == set(labels)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*'path,label\n;\t|"\\ /.png', "cat/0", "é", "\r\n", "\0", "=", "\ufeff"]), max_size=60)
)
def test_whatever_the_text_a_table_is_read_or_refused(tmp_path_factory, pieces):
    place = tmp_path_factory.getbasetemp() / "fuzzed"
    touch(place, FILES)
    (place / "table.csv").write_text("".join(pieces), newline="")
    read_or_refused(place / "table.csv")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(WRITTEN)),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=5),
    st.integers(0, 400),
)
def test_whatever_the_bytes_a_table_is_read_or_refused(tmp_path_factory, written, changes, cut):
    place = tmp_path_factory.getbasetemp() / "fuzzed bytes"
    touch(place, FILES)
    content = bytearray(WRITTEN[written])
    for at, value in changes:
        content[at % len(content)] = value
    path = place / ("table.csv.gz" if written == "compressed" else "table.csv")
    path.write_bytes(content[: len(content) - cut])
    read_or_refused(path)


def read_or_refused(path):
    with suppress(DataError, ConfigError):
        manifest, images = opened(path)
        assert len(manifest.labels) == len(manifest.files) == len(images) > 0
        assert all(image.startswith(f"{path.parent}/") and "/../" not in image for image in images)
        assert all(name.strip() for name in manifest.class_names)
    with suppress(ConfigError):
        for item in list_images([str(path)], root=None):
            assert item.error if item.path is None else item.path.is_relative_to(path.parent)


@pytest.mark.parametrize(
    ("written", "elsewhere", "hint"),
    [
        ("19.png", "cats/19.png", "is data.root={folder}/cats meant?"),
        ("19.png", "19.jpg", "is the ending in the table right?"),
        ("19.png", None, None),
    ],
)
def test_a_file_that_is_missing_among_others_gets_a_hint(written, elsewhere, hint, tmp_path):
    folder = tmp_path / "data"
    rows = [(f"{number}.png", "ab"[number % 2]) for number in range(20)]
    for name, _ in rows[:-1]:
        write_image(folder / name)
    if elsewhere:
        write_image(folder / elsewhere)
    (folder / "t.csv").write_text("\n".join(["path,label", *map(",".join, rows[:-1]), f"{written},b"]))
    settings = {"cache": tmp_path / "cache", "path": folder / "t.csv"}
    with pytest.raises(DataError, match=r"1 of 20 .* is not\. 19\.png: ") as refused:
        load(TableDataConfig, **settings)
    said = f"There is {folder}/{elsewhere}: {hint.format(folder=folder)}" if hint else "such file or directory. Repair"
    assert said in str(refused.value)
    assert load(TableDataConfig, **settings, on_bad_file="skip", max_bad_files=0.1)


def test_labels_that_may_be_missing_are_classes_with_a_note(folder):
    touch(folder, ["1.png", "2.png", "3.png", "4.png"])
    (folder / "t.csv").write_text("path,label\n1.png,a\n2.png,NaN\n3.png,n/a\n4.png,NaN\n")
    manifest, _ = opened(folder / "t.csv")
    assert manifest.class_names == ("a", "n/a", "NaN")
    assert manifest.notes == (
        "NaN, n/a, the label of 3 images, is read as the name of a class; where it stands for a missing label, "
        "remove these rows.",
    )


def test_no_note_has_a_path_of_thousands_of_letters(folder):
    touch(folder, ["1.png", "2.png"])
    prefix = "folder/" * 500
    (folder / "t.csv").write_text(f"path,label\n{prefix}1.png,a\n{prefix}2.png,b\n")
    manifest, _ = opened(folder / "t.csv")
    assert manifest.files == ("1.png", "2.png")
    assert all(len(note) < 800 for note in manifest.notes)
    (folder / "t.csv").write_text(f"path,label\n../{prefix}9.png,a\n")
    with pytest.raises(DataError) as refused:
        opened(folder / "t.csv")
    assert len(str(refused.value)) < 800


def test_a_comment_before_the_names_of_the_columns_is_named(folder):
    touch(folder, ["1.png"])
    (folder / "t.csv").write_text("# of my camera\npath,label\n1.png,a\n")
    with pytest.raises((ConfigError, DataError), match="seems to be a comment"):
        opened(folder / "t.csv")
