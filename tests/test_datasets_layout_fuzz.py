"""Random trees: no image is lost without being counted, no split or system folder becomes a class without a word."""

import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cnnexp.datasets.sources.folders.file_tree import sort_out
from cnnexp.datasets.sources.folders.folder_names import of_system, split_of
from cnnexp.datasets.sources.folders.layout import is_image, read_layout
from cnnexp.errors import DataError
from support.trees import Read, lines_to_type, split_folders

CLASSES = ("cat", "dog", "cow", "a", "A", "day1", "day2", "bus", "thumbs", "outputs", "my cat", "it's [1]")
ODD = ("valid?", "test [2]", "n01")
SPLITS = ("train", "test", "val", "Training", "seg_train", "x_test", "dev", "cifar_train", "cifar_test", "train_cat")
SYSTEMS = ("@eaDir", "lost+found", ".hidden", "$RECYCLE.BIN", "__MACOSX", "mlruns", "outbox", "images", "pred", "data")
FOLDERS = st.sampled_from((*CLASSES, *ODD, *SPLITS, *SYSTEMS))
FILES = st.sampled_from(("0.png", "1.JPG", "2.jpeg", "notes.txt", ".x.png", "._0.png", "b.heic", "Thumbs.db"))
PATHS = st.builds(lambda folders, file: "/".join((*folders, file)), st.lists(FOLDERS, max_size=4), FILES)
SHAPES = st.builds(  # layouts as people have them, in which some of the random paths then lie
    lambda outer, inner: [f"{one}/{other}/{n}.png" for one in outer for other in inner for n in range(2)],
    st.lists(FOLDERS, max_size=3, unique=True),
    st.lists(FOLDERS, max_size=3, unique=True),
)
TREES = st.builds(lambda shape, paths: sorted({*shape, *paths}), SHAPES, st.lists(PATHS, max_size=12))


def read(files, *, exclude=(), splits=None, label=None):
    """The tree, its manifest and the files in it."""
    folders = sorted({file.rsplit("/", depth)[0] for file in files for depth in range(1, file.count("/") + 1)})
    tree = sort_out(files, folders=folders, links=(), exclude=exclude)
    manifest, names = read_layout(
        tree.images,
        folders=tree.folders,
        others=tree.others,
        links=(),
        origin="data",
        splits=None if splits is None else split_folders(splits),
        label=label,
        group=None,
    )
    return manifest, names, (*tree.notes, *manifest.notes)


def left_out(notes):
    return sum(int(number.replace(",", "")) for note in notes for number in re.findall(r"^Left out: ([\d,]+) im", note))


def is_an_image(file):
    name = file.rpartition("/")[2]
    return is_image(name.lstrip(".")) and not name.startswith("._")


def check_words(manifest, names, notes):
    for name in manifest.class_names:
        told = any(re.search(rf"(^|\W){re.escape(name)}(\W|$)", note) for note in notes)
        assert not of_system(name)
        assert split_of(name) is None or name == "train" or told, name


def follow(error, files, exclude, steps):
    """Type each line that a refusal offers, and those that are offered then; at the end the folders are clear."""
    for chosen in lines_to_type(error):
        assert steps, str(error)
        left = [*exclude, *chosen.pop("exclude", [])]
        try:
            read(files, exclude=left, **chosen)
        except DataError as other:  # at last perhaps for another reason, such as that no image is left
            follow(other, files, left, steps - 1)


def check(files):
    images = [file for file in files if is_an_image(file)]
    assume(images)
    try:
        manifest, names, notes = read(files)
    except DataError as error:
        follow(error, files, [], 4)
        return
    assert len(names) + left_out(notes) == len(images)
    assert set(names) <= set(images)
    check_words(manifest, names, notes)


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_no_image_is_lost_and_no_split_is_a_class_without_a_word(files):
    check(files)


@pytest.mark.slow
@settings(max_examples=3_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES)
def test_the_same_of_many_trees(files):
    check(files)


LINKS = st.lists(st.tuples(st.lists(FOLDERS, max_size=3), FOLDERS | FILES, st.integers(0, 99)), max_size=4)


def make(root, files, links):
    """Write a tree with links to places in it and outside of it; names that are taken are left out."""
    places = [root, root.parent, root.parent / "gone"]
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        places += [path, path.parent]
    for folders, name, number in links:
        path = root.joinpath(*folders, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path):
            path.symlink_to(places[number % len(places)])


def images_on_disk(root):
    """Image files below a folder, and links of that name to files below it."""
    for here, _, files in os.walk(root):
        for name in files:
            path = Path(here, name)
            if is_an_image(name) and path.is_file() and path.resolve().is_relative_to(root):
                yield path


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, LINKS, st.booleans())
def test_the_same_of_trees_on_disk_with_links(files, links, follow):
    with tempfile.TemporaryDirectory() as place:
        root = Path(place, "data").resolve()
        root.mkdir()
        try:
            make(root, files, links)
        except (FileExistsError, NotADirectoryError, FileNotFoundError):  # a link is in the way
            assume(False)
        try:
            found = Read(root, follow_links=root.parent if follow else None)
        except DataError:
            return
        images = len(list(images_on_disk(root)))
        assert len(found.files) + left_out(found.notes) >= images
        assert follow or len(found.files) + left_out(found.notes) == images
        check_words(found.manifest, found.files, found.notes)
