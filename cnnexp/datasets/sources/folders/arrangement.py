"""Which folders are classes and which are splits: the rule for layouts, of which docs/data.md has a table.

<class>/x.jpg   wrapper/<class>/x.jpg   <split>/<class>/x.jpg   <split>/wrapper/<class>/x.jpg
<class>/<split>/x.jpg   <class>/wrapper/<split>/x.jpg

What has several readings is refused, with the tree that was found and a line to type for each reading.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cnnexp.datasets.sources.folders.clarity import about_names, check_classes, check_level, check_names
from cnnexp.datasets.sources.folders.folder_names import UNLABELLED, is_no_class, matches, split_of, splits_of
from cnnexp.datasets.sources.folders.folder_tree import Folder, Parts, holds_classes, unwrapped
from cnnexp.datasets.sources.folders.layout_errors import no_classes, reading_of_splits, unmatched_splits
from cnnexp.system.text import listed, printable

SplitFolders = Sequence[tuple[str, str]]  # each split, and a pattern of the names or paths of its folders
Declared = Sequence[tuple[Folder, str]]  # each split folder and its split

_BESIDE = "beside the class folders, not in one"
_BESIDE_SPLITS = "beside the split folders of their class"
_NO_SPLIT = "in a folder of no split"
_NO_LABEL = "in {}, which holds no class folders, so that they have no label"


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The meaning of folders; an image belongs to the innermost one of these that it is in or below."""

    classes: Mapping[Parts, tuple[str, str | None]]  # path of a class folder -> name of the class, and its split
    left_out: Mapping[Parts, str]  # path of another folder -> where its images are, which are left out
    parents: Collection[Parts]  # paths of the folders in which every folder should be a class
    notes: tuple[str, ...] = ()


def arrange(root: Folder, *, splits: SplitFolders | None, inner_groups: bool, origin: str) -> Arrangement:
    """Find the class folders and the split folders.

    Args:
        root: the data folder
        splits: which folders are splits, by their names; empty: none is; None: found by the names that are usual
        inner_groups: the folders inside of class folders are groups of images, by the settings
        origin: the data folder, for messages

    Raises:
        DataError: there are no class folders, or what the folders mean is not clear.

    """
    if not root.children:
        raise no_classes(origin, root.total)
    if splits:
        return _by_given_splits(given_splits(root, splits, origin), root, origin)
    base = unwrapped(root)
    if splits is None and (declared := _splits_below(base)):
        notes = about_names(base)
        return replace(_splits_inside_classes(declared, base, origin), notes=notes)
    if splits is None and (declared := _splits_above(base)):
        notes = _checked_levels(declared, origin, inner_groups=inner_groups)
        return replace(_classes_inside_splits(declared, base), notes=notes)
    notes = check_classes(base, origin, inner_groups=inner_groups) if splits is None else ()
    classes = {child.path: (name, None) for name, child in base.children.items()}
    return Arrangement(classes, {(): _BESIDE}, {base.path}, notes)


def _splits_above(base: Folder) -> Declared:
    """Return the split folders, if one for training holds classes, and there is another or an unlabelled one."""
    split_by_name = splits_of(base.children)
    declared = [(base.children[name], split) for name, split in split_by_name.items()]
    trains = any(split == "train" and holds_classes(folder) for folder, split in declared)
    return declared if trains and len(set(split_by_name.values())) > 1 else ()


def _splits_below(base: Folder) -> Declared:
    """Return the split folders inside the class folders, if every class has some: cat/train, cat/test."""
    if len(base.children) < 2 or len(splits_of(base.children)) == len(base.children):
        return ()
    declared = [
        (child, split)
        for folder in base.children.values()
        for name, child in _level_of_splits(folder).children.items()
        if (split := split_of(name)) is not None
    ]
    found = {split for _, split in declared}
    complete = len({folder.path[:-1] for folder, _ in declared}) == len(base.children)
    clear = "train" in found and len(found) > 1 and not any(holds_classes(folder) for folder, _ in declared)
    return declared if complete and clear else ()


def _level_of_splits(folder: Folder) -> Folder:
    """Return the folder of a class that may hold its splits: images in cat/images/train, cat/images/test."""
    while len(folder.children) == 1 and not any(map(split_of, folder.children)):
        (only,) = folder.children.values()
        if 2 * only.own >= only.total:
            break
        folder = only
    return folder


def given_splits(root: Folder, splits: SplitFolders, origin: str) -> Declared:
    """Find the outermost folders that the settings name as splits."""
    found, todo, used = [], list(root.children.values()), set[tuple[str, str]]()
    while todo:
        folder = todo.pop(0)
        named = [(split, pattern) for split, pattern in splits if matches(folder.name, pattern)]
        found += [(folder, split) for split, _ in named[:1]]
        used.update(named)
        todo += [] if named else folder.children.values()
    if missing := [pattern for split, pattern in splits if (split, pattern) not in used]:
        raise unmatched_splits(origin, missing, root)
    return found


def _by_given_splits(declared: Declared, root: Folder, origin: str) -> Arrangement:
    """Read the classes inside the split folders, or around them where there are none inside.

    Where no folder is for training, the folders beside those of the other splits are.
    """
    if not any(holds_classes(folder) for folder, _ in declared):
        return _splits_inside_classes(declared, unwrapped(root), origin)
    found = _classes_inside_splits(declared, root)
    if any(split == "train" for _, split in declared):
        return found
    base = root
    for name in declared[0][0].path[:-1]:
        base = base.children[name]
    named = {folder.path for folder, _ in declared}
    beside = {child.path: (name, None) for name, child in base.children.items() if child.path not in named}
    return Arrangement({**found.classes, **beside}, found.left_out, found.parents)


def _splits_inside_classes(declared: Declared, base: Folder, origin: str) -> Arrangement:
    labelled = [(folder.path, split) for folder, split in declared if len(folder.path) > 1 and split != UNLABELLED]
    around_each = {path: _class_around(path, base) for path, _ in labelled}
    classes: dict[Parts, tuple[str, str | None]] = {path: (around_each[path][-1], split) for path, split in labelled}
    around = {path: path[-1] for path in around_each.values()}
    if len(set(around.values())) < 2:
        raise no_classes(origin, base.total, [folder.name for folder, _ in declared])
    beside = dict.fromkeys(around, _BESIDE_SPLITS)
    if not any(split == "train" for _, split in declared):
        classes |= {path: (name, None) for path, name in around.items()}
    parents = {path[:-1] for path in around}
    return Arrangement(classes, {(): _BESIDE, **_all(base, _NO_SPLIT), **beside}, parents)


def _class_around(path: Parts, base: Folder) -> Parts:
    """Return the class folder around a split folder: cat for cat/train, and for cat/images/train if images is alone."""
    folders = [base]
    for name in path[len(base.path) : -1]:
        folders.append(folders[-1].children[name])
    while len(folders) > 2 and len(folders[-2].children) == 1:
        folders.pop()
    return folders[-1].path


def _classes_inside_splits(declared: Declared, base: Folder) -> Arrangement:
    levels = _levels(declared)
    classes = {
        child.path: (name, split)
        for _, level, split in levels
        if level is not None
        for name, child in level.children.items()
    }
    inside = {folder.path: _BESIDE if level else _NO_LABEL.format(folder.name) for folder, level, _ in levels}
    parents = {level.path for _, level, _ in levels if level is not None}
    return Arrangement(classes, {(): _BESIDE, **_all(base, _NO_SPLIT), **inside}, parents)


def _checked_levels(declared: Declared, origin: str, *, inner_groups: bool) -> tuple[str, ...]:
    """Refuse class folders inside of splits that may hold the classes or splits, and return notes about the others."""
    levels = [level for _, level, _ in _levels(declared) if level is not None]
    named = [(split, folder.pattern) for folder, split in declared if split != UNLABELLED]
    classes = listed(map(printable, dict.fromkeys(name for level in levels for name in level.children)))
    as_read = reading_of_splits(named, f"the classes are {classes}")
    for level in levels:
        check_level(level, origin, as_read=as_read, inner_groups=inner_groups)
    return check_names(levels, origin, as_read=as_read)


def _levels(declared: Declared) -> list[tuple[Folder, Folder | None, str]]:
    """Return each split folder, the folder that holds its class folders, and the split."""
    training = {name for folder, split in declared if split == "train" for name in unwrapped(folder).children}
    return [(folder, _class_level(folder, split, training), split) for folder, split in declared]


def _class_level(folder: Folder, split: str, training: set[str]) -> Folder | None:
    """Return the folder that holds the class folders of a split; None if its images have no labels."""
    level = unwrapped(folder, classes=training if len(training) > 1 else ())
    if not level.children or split == UNLABELLED:
        return None
    no_class = [is_no_class(name) or name == folder.path[-1] for name in level.children]
    unknown = training.isdisjoint(level.children) and all(no_class)
    return None if unknown and split != "train" else level


def _all(base: Folder, where: str) -> dict[Parts, str]:
    return {child.path: where for child in base.children.values()}
