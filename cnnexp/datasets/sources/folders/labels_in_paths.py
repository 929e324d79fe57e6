"""Classes that file names say, such as cat.1.jpg, dog_12.png: `data.label` of a folder, and the line that sets it."""

import re
import shlex
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from cnnexp.datasets.sources.folders.arrangement import Declared, SplitFolders, given_splits
from cnnexp.datasets.sources.folders.folder_names import UNLABELLED, is_place, split_of, splits_of
from cnnexp.datasets.sources.folders.folder_tree import Folder, Parts, folder_of
from cnnexp.datasets.sources.folders.layout_errors import Reading, reading_by_label
from cnnexp.datasets.sources.folders.places import Place
from cnnexp.datasets.sources.source import UNDECLARED, class_name
from cnnexp.errors import DataError
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.text import listed, plural, printable

# How people name the images of a class: cat.1.jpg, cat_1.jpg, cat-1.jpg, cat (1).jpg, cat1.jpg, 1_cat.jpg
_FORMS = (r"([^/]+)\.\d+", r"([^/]+)_\d+", r"([^/]+)-\d+", r"([^/]+) \(?\d+", r"([^/]*[^/\d])\d+", r"\d+[-_. ]([^/.]+)")
_MOST = 1_000  # classes
_SHARE = 0.5  # of the images that a form must explain: others may be a test set without labels
_TABLES = (".csv", ".tsv", ".parquet")


def places_by_label(
    paths: Sequence[Parts], label: str, *, splits: SplitFolders | None, origin: str
) -> tuple[dict[Parts, Place], tuple[str, ...]]:
    """Return the place of each image whose path says its class, and a note about the others.

    Args:
        paths: folders and file name of each image
        label: a regular expression, searched in the path; the text in its parentheses is the class, or all that matches
        splits: which folders are splits, see `arrange`; None: by their names, where they say more than one split
        origin: the data folder, for messages

    Raises:
        DataError: fewer than two classes are found.

    """
    names = {path: name for path in paths if (name := _name(re.search(label, "/".join(path)))) is not None}
    if len(set(names.values())) < 2:
        raise _too_few(label, set(names.values()), paths, origin)
    split_by_folder = {folder.path: split for folder, split in _declared(folder_of(list(names)), splits, origin)}
    split_by_path = {path: _split_around(path, split_by_folder) for path in names}
    places = {
        path: Place(
            (), name, UNDECLARED if split_by_path[path] is None else SPLIT_NAMES.index(str(split_by_path[path]))
        )
        for path, name in names.items()
        if split_by_path[path] != UNLABELLED
    }
    return places, tuple(_left_out([path for path in paths if path not in places]))


def _name(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    return class_name(next(iter(found.groups()), found[0]) or "") or None


def _too_few(label: str, names: Collection[str], paths: Sequence[Parts], origin: str) -> DataError:
    found = f"finds only the class {printable(min(names))}" if names else "matches no path"
    return DataError(
        f"data.label must find at least two classes in paths such as {printable('/'.join(paths[0]))}; "
        f"in {origin}, {printable(label)} {found}. The text in its parentheses is the class: 'data.label=([^/]+)_'."
    )


def _declared(root: Folder, splits: SplitFolders | None, origin: str) -> Declared:
    if splits is not None:
        return given_splits(root, splits, origin)
    declared = list(_named_like_splits(root))
    return declared if {split for _, split in declared} - {"train"} else ()


def _named_like_splits(root: Folder) -> Iterator[tuple[Folder, str]]:
    """Yield the outermost folders that are called like splits."""
    split_by_name = splits_of(root.children)
    for name, folder in root.children.items():
        if name in split_by_name:
            yield folder, split_by_name[name]
        else:
            yield from _named_like_splits(folder)


def _split_around(path: Parts, split_by_folder: Mapping[Parts, str]) -> str | None:
    above = (path[:depth] for depth in range(1, len(path)))
    return next((split_by_folder[folder] for folder in above if folder in split_by_folder), None)


def _left_out(paths: Sequence[Parts]) -> Iterator[str]:
    if paths:
        yield (
            f"Left out: {plural(len(paths), 'image')} whose class data.label does not find, "
            f"such as {printable('/'.join(paths[0]))}."
        )


def labels_elsewhere(paths: Sequence[Parts], others: Sequence[str], *, origin: str) -> Sequence[Reading]:
    """Return the readings in which no folder says the class: file names do, or a table."""
    tables = [name for name in others if PurePosixPath(name).suffix.lower() in _TABLES]
    return [*names_say_it(paths), *(_in_table(f"{origin}/{name}") for name in tables[:2])]


def names_say_it(paths: Sequence[Parts]) -> Iterator[Reading]:
    """Yield the form of file names that explains the most of them, if there is one."""
    counts_of = {form: _classes(form, paths) for form in _FORMS}
    form = max(_FORMS, key=lambda form: counts_of[form].total())
    counts = counts_of[form]
    if counts:
        classes = listed((f"{printable(name)} ({count:,})" for name, count in counts.most_common()), most=3)
        rest = len(paths) - counts.total()
        others = f"; {plural(rest, 'other image')} left out" if rest else ""
        yield reading_by_label(form, f"the file names say the classes: {classes}{others}")


def _classes(form: str, paths: Sequence[Parts]) -> Counter[str]:
    """Count the classes that a form finds; none, if they look like no classes."""
    found = Counter(name for path in paths if (name := _name(re.search(form, path[-1]))) is not None)
    seem_classes = all(count > 1 and _is_word(name) for name, count in found.items())
    return found if seem_classes and 1 < len(found) <= _MOST and found.total() >= _SHARE * len(paths) else Counter()


def _is_word(name: str) -> bool:
    return any(map(str.isalpha, name)) and not is_place(name) and split_of(name) is None


def _in_table(path: str) -> Reading:
    return Reading(f"data=table {shlex.quote(f'data.path={path}')}", "a table says them, in columns path and label")
