"""The classes, splits and groups of a data set of files, by the folders that each image lies in."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from cnnexp.datasets.sources.folders.arrangement import Arrangement, SplitFolders, arrange
from cnnexp.datasets.sources.folders.folder_tree import Parts, folder_of
from cnnexp.datasets.sources.folders.folders_without_images import (
    about_archives,
    about_empty_folders,
    endings_by_folder,
)
from cnnexp.datasets.sources.folders.groups import PARENT
from cnnexp.datasets.sources.folders.labels_in_paths import labels_elsewhere, names_say_it, places_by_label
from cnnexp.datasets.sources.folders.layout_errors import SHAPE, UnclearFoldersError, no_classes, one_class
from cnnexp.datasets.sources.folders.links import Link, about_following, refuse_linked_folders
from cnnexp.datasets.sources.folders.places import Place, manifest_of
from cnnexp.datasets.sources.folders.unread_files import about_files_instead
from cnnexp.datasets.sources.source import UNDECLARED, Manifest, class_name
from cnnexp.errors import DataError
from cnnexp.images import ENDINGS
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.text import listed, plural, printable


def is_image(name: str) -> bool:
    """Return whether a file name ends like that of an image that can be read."""
    dot = name.rfind(".")
    return dot > 0 and name[dot:].lower() in ENDINGS


def read_layout(
    names: Sequence[str],
    *,
    folders: Collection[str],
    others: Sequence[str],
    links: Sequence[Link],
    origin: str,
    splits: SplitFolders | None,
    label: str | None,
    group: str | None,
) -> tuple[Manifest, tuple[str, ...]]:
    """Find classes, declared splits and groups.

    Args:
        names: paths of image files relative to the data folder, with ``/``
        folders: paths of all folders, so that an empty class is noticed
        others: paths of all other files
        links: those that are not followed
        origin: the data folder, for messages
        splits: which folders are splits, see `arrange`
        label: what of a path is the class, see `places_by_label`; None: its folders say it
        group: which images stay together, see `group_numbers`

    Returns:
        the manifest, and the names in its order

    Raises:
        DataError: no images, no classes, or folders whose meaning is not clear.

    """
    paths = sorted(tuple(name.split("/")) for name in names)
    if not paths:
        raise _no_images(origin, others, links)
    if label is not None:
        by_label, notes = places_by_label(paths, label, splits=splits, origin=origin)
        return manifest_of(list(by_label), list(by_label.values()), group=group, origin=origin, notes=notes)
    try:
        found = arrange(folder_of(paths), splits=splits, inner_groups=group == PARENT, origin=origin)
    except UnclearFoldersError as error:
        raise error.or_else(labels_elsewhere(paths, others, origin=origin)) from None
    placed = _placed(paths, found)
    inside = [path for path in paths if path[:-1] in placed]
    if not inside:
        raise no_classes(origin, len(paths))
    places = [placed[path[:-1]] for path in inside]
    if len(names_of_classes := {place.name for place in places}) == 1 and (readings := list(names_say_it(inside))):
        raise one_class(origin, names_of_classes.pop(), readings)
    refuse_linked_folders(links, parents=_with_above(found.parents), origin=origin)
    empty, about_empty = about_empty_folders(
        [tuple(folder.split("/")) for folder in folders],
        used={path[:depth] for path in paths for depth in range(len(path))},
        parents=found.parents,
        held=endings_by_folder(others, [link.name for link in links]),
    )
    notes = (*found.notes, *_left_out(paths, placed, found), *about_empty, *_merged(found))
    return manifest_of(inside, places, group=group, origin=origin, empty_classes=empty, notes=notes)


def _placed(paths: Sequence[Parts], found: Arrangement) -> dict[Parts, Place]:
    """Return the place of each folder of images that is a class folder or below one."""
    placed = {}
    for folder in dict.fromkeys(path[:-1] for path in paths):
        above = _innermost(folder, found)
        if above in found.classes:
            name, split = found.classes[above]
            number = UNDECLARED if split is None else SPLIT_NAMES.index(split)
            placed[folder] = Place(above, class_name(name), number)
    return placed


def _innermost(folder: Parts, found: Arrangement) -> Parts:
    """Return the path of the innermost folder around this one, or this one, that means something."""
    ways_up = (folder[:depth] for depth in range(len(folder), -1, -1))
    return next(path for path in ways_up if path in found.classes or path in found.left_out)


def _left_out(paths: Sequence[Parts], placed: Collection[Parts], found: Arrangement) -> list[str]:
    """Return a note about each kind of place whose images are left out."""
    lost: dict[str, list[Parts]] = defaultdict(list)
    for path in paths:
        if path[:-1] not in placed:
            lost[found.left_out[_innermost(path[:-1], found)]].append(path)
    return [
        f"Left out: {plural(len(images), 'image')} {where}, such as {printable('/'.join(images[0]))}."
        for where, images in lost.items()
    ]


def _with_above(folders: Collection[Parts]) -> set[Parts]:
    return {folder[:depth] for folder in folders for depth in range(len(folder) + 1)}


def _merged(found: Arrangement) -> list[str]:
    """Return a note about folders of one class whose names differ in blanks, or in how accents are spelled."""
    spelled: dict[str, dict[str, None]] = defaultdict(dict)
    for name, _ in found.classes.values():
        spelled[class_name(name)][name] = None
    return [
        f"The folders {listed(map(repr, names))} are one class, {name}."
        for name, names in spelled.items()
        if len(names) > 1
    ]


def _no_images(origin: str, others: Sequence[str], links: Sequence[Link]) -> DataError:
    linked = f" {plural(len(links), 'link is', 'links are')} not followed. {about_following(links)}." if links else ""
    instead = about_files_instead(others)
    return DataError(f"No image was found in {origin}.{instead}{linked} {SHAPE} {endings()}{about_archives(others)}")


def endings() -> str:
    """Return a sentence about which files count as images."""
    return f"Images are files that end in {', '.join(sorted(ENDINGS))}."
