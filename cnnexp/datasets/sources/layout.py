"""What the folders above an image mean: its class, and its split where there are train/, val/ or test/.

<class>/x.jpg      wrapper/<class>/x.jpg      train/<class>/x.jpg  val/<class>/x.jpg  test/<class>/x.jpg
"""

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import PurePosixPath

import numpy as np

from cnnexp.datasets.sources.source import UNDECLARED, Manifest, class_name, natural_order
from cnnexp.errors import DataError
from cnnexp.images import ENDINGS
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.text import plural, printable

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "calibration": "calibration",
    "test": "test",
    "testing": "test",
}
_SHAPE = (
    "It must hold a folder for each class with its images inside, with or without train/, val/ and test/ above them."
)

Parts = tuple[str, ...]  # folders and file name of one path, outermost first


def is_image(name: str) -> bool:
    """Return whether a file name ends like that of an image that can be read."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in ENDINGS


def read_layout(names: Sequence[str], *, folders: Collection[str], origin: str) -> tuple[Manifest, tuple[str, ...]]:
    """Find classes and declared splits.

    Args:
        names: paths of image files relative to the data folder, with ``/``
        folders: paths of all folders, so that an empty class is noticed
        origin: the data folder, for messages

    Returns:
        the manifest, and the names in its order

    Raises:
        DataError: no images, or no classes.

    """
    paths = sorted(tuple(name.split("/")) for name in names)
    if not paths:
        raise DataError(f"No image was found in {origin}. {_SHAPE} {endings()}")
    wrapper = _wrapper(paths)
    depth = len(wrapper)  # of the class folder
    inside = [path for path in paths if len(path) > depth + 1]
    notes = _left_out([path for path in paths if len(path) <= depth + 1], "beside the class folders, not in one")
    splits = _split_folders(inside, depth)
    if splits:
        notes += _left_out([path for path in inside if path[depth] not in splits], "in a folder of no split")
        inside = [path for path in inside if path[depth] in splits]
        depth += 1
    if not inside:
        raise DataError(f"No class folder was found in {origin}, only {len(paths):,} images without one. {_SHAPE}")
    classes = [class_name(path[depth]) for path in inside]
    class_names = natural_order(classes)
    index = {name: number for number, name in enumerate(class_names)}
    declared_splits = [SPLIT_NAMES.index(splits[path[depth - 1]]) if splits else UNDECLARED for path in inside]
    ordered = tuple("/".join(path) for path in inside)
    return Manifest(
        class_names=class_names,
        labels=np.array([index[name] for name in classes], np.int64),
        files=tuple(map(printable, ordered)),
        declared_splits=np.array(declared_splits, np.int8),
        groups=None,
        empty_classes=tuple(map(printable, _empty(folders, {path[: depth + 1] for path in inside}))),
        notes=notes,
    ), ordered


def _wrapper(paths: list[Parts]) -> Parts:
    """Find the folders that all images share and that are not classes: Dataset/ in Dataset/<class>/x.jpg."""
    deep = [path for path in paths if len(path) > 2]
    if not deep:
        return ()
    shared = 0
    first = deep[0]
    while all(len(path) > shared + 2 and path[shared] == first[shared] for path in deep):
        shared += 1
    within = {path[0] for path in paths if len(path) == 2}
    return first[:shared] if not within - {first[0]} else ()


def _split_folders(paths: list[Parts], depth: int) -> dict[str, str]:
    """Map the folders at `depth` to splits; empty if they are classes, even a class called train."""
    known = {path[depth] for path in paths if path[depth].casefold() in SPLIT_FOLDERS}
    found = {folder: SPLIT_FOLDERS[folder.casefold()] for folder in known}
    holds_classes = all(len(path) > depth + 2 for path in paths if path[depth] in known)
    return found if "train" in found.values() and len(set(found.values())) > 1 and holds_classes else {}


def _left_out(paths: list[Parts], place: str) -> tuple[str, ...]:
    if not paths:
        return ()
    return (f"Left out: {plural(len(paths), 'image')} {place}, such as {printable('/'.join(paths[0]))}.",)


def _empty(folders: Collection[str], used: set[Parts]) -> list[str]:
    """Find folders beside the class folders, in the same parent, that hold no image."""
    parents = {path[:-1] for path in used}
    candidates = {tuple(folder.split("/")) for folder in folders}
    return sorted("/".join(path) for path in candidates - used if path[:-1] in parents)


def endings() -> str:
    """Return a sentence about which files count as images."""
    return f"Images are files that end in {', '.join(sorted(ENDINGS))}."


def unread_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Return a note about the files that are not images, counted by ending."""
    if not names:
        return ()
    endings = Counter(PurePosixPath(name).suffix.lower() or "no ending" for name in names)
    listed = ", ".join(f"{count:,} with {printable(ending)}" for ending, count in endings.most_common(5))
    return (f"Files whose names are not those of images were left out: {listed}.",)
