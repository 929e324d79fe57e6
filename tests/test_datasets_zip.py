"""Zip archives as programs of all systems write them, and as a stranger could."""

import io
import stat
import warnings
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnexp.config import FolderDataConfig
from cnnexp.datasets.sources.folders.image_folder import FolderSettings, folder_source
from cnnexp.errors import DataError
from support.image_folders import load, noise

NAMES = [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(10)]


def png(name):
    with io.BytesIO() as file:
        Image.fromarray(noise(name)).save(file, "PNG")
        return file.getvalue()


def pack(path, members):
    """Write pairs of name, as it is, and content; names may be there twice."""
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, content in members:
            member = zipfile.ZipInfo()
            member.filename = name
            archive.writestr(member, content)
    return path


@pytest.fixture
def read(tmp_path):
    def read_(members):
        pack(tmp_path / "data.zip", members)
        return load(FolderDataConfig, cache=tmp_path / "cache", path=tmp_path / "data.zip")

    return read_


SPELLINGS = {
    "Windows": lambda name: name.replace("/", "\\"),
    "Windows, wrapped": lambda name: f"my data\\{name}".replace("/", "\\"),
    "both": lambda name: f"my data/{name}".replace("/", "\\", 1),
    "dot": lambda name: f"./{name}",
    "dots": lambda name: f"././{name}",
    "dot of Windows": lambda name: f".\\{name}".replace("/", "\\"),
    "double": lambda name: name.replace("/", "//"),
}


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
def test_paths_mean_the_same_in_every_spelling(spelled, read):
    folders = [(spelled("cat/"), b""), (spelled("dog/"), b"")]
    plain = read((name, png(name)) for name in NAMES)
    splits = read([*folders, *((spelled(name), png(name)) for name in NAMES)])
    assert splits.class_names == ("cat", "dog")
    assert {file[-9:] for file in splits.train.files} <= {name[-9:] for name in NAMES}
    np.testing.assert_array_equal(splits.test.images[splits.test.rows], plain.test.images[plain.test.rows])


@pytest.mark.parametrize("before", ["../", "/", "..\\", "\\\\server\\", "C:\\", "c:/", "a/../../", "./../"])
def test_a_path_that_leads_out_is_named(before, read):
    with pytest.raises(DataError, match=r"must lie inside it; 1 does not, such as .*cat/0\.png\. Pack"):
        read([(f"{before}{NAMES[0]}", png("0")), *((name, png(name)) for name in NAMES[1:])])


def test_of_files_of_one_name_the_last_is_read(read):
    splits = read([*((name, png("earlier")) for name in NAMES), *((name, png(name)) for name in NAMES)])
    assert sum(len(splits[name]) for name in ("train", "validation", "calibration", "test")) == len(NAMES)
    assert "The archive holds 20 files again under the same name; the last of each was read." in splits.notes


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [(8, 1, "without a password; 20 do not, such as cat/0.png"), (10, 9, "compressed by deflate, bzip2 or lzma; 20")],
    ids=["encrypted", "Deflate64"],
)
def test_images_that_cannot_be_unpacked_are_refused_by_name(place, value, message, tmp_path):
    content = bytearray(pack(tmp_path / "data.zip", [(name, png(name)) for name in NAMES]).read_bytes())
    at = 0
    while (at := content.find(b"PK\x01\x02", at + 1)) > 0:
        content[at + place] = value
    (tmp_path / "data.zip").write_bytes(content)
    with pytest.raises(DataError, match=message):
        load(FolderDataConfig, cache=tmp_path / "cache", path=tmp_path / "data.zip")


@pytest.fixture
def linked(tmp_path):
    """Makes an archive that keeps symbolic links, as zip -y does, of some links beside images of two classes."""

    def make(links):
        path = pack(tmp_path / "data.zip", [(name, png(name)) for name in NAMES[:12]])
        with zipfile.ZipFile(path, "a") as archive:
            for name, target in links.items():
                info = zipfile.ZipInfo(name)
                info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
                archive.writestr(info, target)
        return path

    return make


@pytest.mark.parametrize(
    ("name", "target", "more", "links"),
    [
        ("cat/again.png", "../" + NAMES[0], 1, 0),  # to a file of the archive
        ("cat/gone.png", "gone.png", 0, 1),
        ("cat/out.png", "../../out.png", 0, 1),
        ("cat/absolute.png", "/srv/x.png", 0, 1),
        ("more", NAMES[0].partition("/")[0], 0, 1),  # to a folder of the archive
        ("cat/long.png", "x" * 5000, 0, 1),
    ],
)
def test_links_in_an_archive_are_followed_inside_it_and_counted_elsewhere(name, target, more, links, linked):
    source = folder_source(linked({name: target}), name="folder", settings=FolderSettings())
    manifest, images = source.open()
    assert len(images) == 12 + more
    assert sum("1 link was not followed" in note for note in manifest.notes) == links
    assert all(isinstance(images[row], bytes) and images[row].startswith(b"\x89PNG") for row in range(len(images)))


def test_a_class_that_is_a_link_in_an_archive_is_refused(linked):
    with pytest.raises(DataError, match=r"cow is a link .*zip -r does so, without -y, or leave it out"):
        folder_source(linked({"cow": "/srv/cow"}), name="folder", settings=FolderSettings()).open()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6), st.booleans())
def test_whatever_the_bytes_an_archive_is_read_or_refused(tmp_path_factory, changes, cut):
    place = tmp_path_factory.getbasetemp() / "fuzzed.zip"
    content = bytearray(pack(place, [(name, png(name)) for name in NAMES[8:12]]).read_bytes())
    for at, value in changes:
        content[-1 - at % len(content)] = value
    place.write_bytes(content[: -changes[0][0] % len(content)] if cut else content)
    with suppress(DataError):
        manifest, images = folder_source(place, name="folder", settings=FolderSettings()).open()
        assert len(manifest.labels) == len(images) == len(manifest.files) <= 4


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab./\\:C é\0", min_size=1, max_size=12), max_size=6))
def test_no_name_leads_out_of_an_archive_or_is_lost(tmp_path_factory, names):
    place = tmp_path_factory.getbasetemp() / "names.zip"
    pack(place, [(f"{name}.png", b"") for name in names])
    with suppress(DataError):
        manifest, images = folder_source(place, name="folder", settings=FolderSettings()).open()
        assert not any(file.startswith("/") or ".." in file.split("/") for file in manifest.files)
        assert all(image in zipfile.ZipFile(place).namelist() for image in images.names)
