"""Trees of folders from a short form: `{cat,dog}/` are two folders of three images each, `a/b.txt` is a file."""

import re
import shlex
import zipfile
from pathlib import Path

import yaml

from cnnexp.datasets.sources.folders.image_folder import FolderSettings, folder_source
from cnnexp.records import SPLIT_NAMES

IMAGES = 3  # in each folder that ends in /


def expand(pattern):
    """The names that a pattern with braces stands for, as in a shell."""
    found = re.search(r"\{([^{}]*)\}", pattern)
    if not found:
        return [pattern]
    ways = (pattern[: found.start()] + word + pattern[found.end() :] for word in found[1].split(","))
    return [name for way in ways for name in expand(way)]


def files_of(patterns):
    """The paths of all files of a tree."""
    names = [name for pattern in patterns for name in expand(pattern)]
    return [
        file for name in names for file in ([f"{name}{n}.png" for n in range(IMAGES)] if name.endswith("/") else [name])
    ]


def make_tree(root, *patterns):
    """Make the folders; their images are empty files."""
    root.mkdir(parents=True, exist_ok=True)
    for name in files_of(patterns):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def zipped(root, archive):
    """An archive of a folder, with an entry for each folder, too."""
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(root.rglob("*")):
            file.write(path, path.relative_to(root))
    return archive


def lines_to_type(error):
    """The settings of each line that a refusal offers."""
    for line in str(error).partition("Add the line that is true:\n")[2].splitlines():
        word = shlex.split(line.strip().partition("  ")[0])[0]
        key, _, value = word.partition("=")
        if key not in ("data", "data.group"):
            yield {key.removeprefix("data."): yaml.safe_load(value.replace(",", ", "))}


def split_folders(splits):
    """Pairs of split and folder, of ``["train:day1"]`` as typed, or of a dictionary."""
    return tuple(splits.items() if isinstance(splits, dict) else (text.split(":", 1) for text in splits))


class Read:
    """What a folder or an archive is read as; no image is decoded."""

    def __init__(self, path: Path, *, splits=None, **settings):
        pairs = None if splits is None else split_folders(splits)
        source = folder_source(path, name="folder", settings=FolderSettings(splits=pairs, **settings))
        self.manifest, images = source.open()
        self.files = images.names
        self.notes = (*source.notes, *self.manifest.notes)
        self.classes = self.manifest.class_names
        declared = set(self.manifest.declared_splits.tolist())
        self.splits = tuple(name for number, name in enumerate(SPLIT_NAMES) if number in declared)

    def count(self, name, split):
        """How many images of a class are declared to be of a split."""
        is_class = self.manifest.labels == self.classes.index(name)
        number = SPLIT_NAMES.index(split) if split else -1
        return int((is_class & (self.manifest.declared_splits == number)).sum())
