"""Refuses folders that seem to be no classes: called like splits, with equal folders inside, or with splits inside."""

from collections import Counter
from collections.abc import Iterator, Sequence

from cnnexp.datasets.sources.folders import readings
from cnnexp.datasets.sources.folders.folder_names import is_everyday_word, is_no_class, is_place, split_of, splits_of
from cnnexp.datasets.sources.folders.folder_tree import Folder, walk
from cnnexp.datasets.sources.folders.layout_errors import LABELS_IN_A_TABLE, Reading, ambiguous
from cnnexp.system.text import listed, printable


def check_classes(base: Folder, origin: str, *, inner_groups: bool) -> tuple[str, ...]:
    """Refuse folders that are read as classes, because no splits were found, and that seem to be something else.

    Args:
        base: the folder that holds them
        origin: the data folder, for messages
        inner_groups: the settings say that the folders inside of class folders are groups

    Returns:
        notes about what may be meant otherwise, but probably is not

    Raises:
        DataError: they seem to be no classes.

    """
    called = [base.children[name] for name in splits_of(base.children)]
    if called and not _is_probably_a_class(called):
        raise readings.called_like_splits(base, called, origin)
    check_level(base, origin, as_read=readings.all_classes(base), inner_groups=inner_groups)
    return (*about_names(base), *_about_shared_folder(base))


def check_level(base: Folder, origin: str, *, as_read: Reading, inner_groups: bool) -> None:
    """Refuse class folders that may hold the classes, or splits.

    Args:
        base: the folder that holds them
        origin: the data folder, for messages
        as_read: what makes them classes nevertheless
        inner_groups: the settings say that the folders inside are groups

    Raises:
        DataError: they do.

    """
    shared = _shared_folders(base)
    if shared and not inner_groups and not all(map(is_no_class, shared)):
        raise readings.holding_the_same(base, shared, origin, as_read)
    for folder in base.children.values():
        if len(base.children.keys() & folder.children.keys()) > 1:
            raise readings.holding_its_siblings(base, folder, origin, as_read)
    for folder in (below for child in base.children.values() for below in walk(child)):
        inside = {name: split for name in folder.children if (split := split_of(name)) is not None}
        if set(inside.values()) - {"train"}:
            raise readings.holding_splits(base, folder, inside, origin, as_read)


def check_names(levels: Sequence[Folder], origin: str, *, as_read: Reading) -> tuple[str, ...]:
    """Refuse class folders inside of split folders if all of them are called like splits.

    Returns:
        a note about those that are called so beside others

    Raises:
        DataError: all are.

    """
    names = dict.fromkeys(name for level in levels for name in level.children)
    called = [name for name in names if split_of(name) is not None]
    if called and len(called) == len(names):
        why = f"{listed(map(printable, called))} inside {printable(levels[0].name)} are called like splits"
        raise ambiguous(origin, levels[0], why=why, readings=[as_read, LABELS_IN_A_TABLE])
    return tuple(dict.fromkeys(note for level in levels for note in about_names(level)))


def about_names(base: Folder) -> tuple[str, ...]:
    """Return a note about each class called like a split, but for train, and each folder inside called like a class."""
    return (
        *(
            f"The folder {printable(name)} is read as a class, not as a split."
            for name in base.children
            if split_of(name) is not None and name.casefold() != "train"
        ),
        *(
            f"The folder {printable(inner.name)} is read as part of the class {printable(name)}, "
            f"though {printable(inner.path[-1])} is a class, too."
            for name, folder in base.children.items()
            for inner in folder.children.values()
            if inner.path[-1] in base.children and inner.path[-1] != name
        ),
    )


def _is_probably_a_class(called: Sequence[Folder]) -> bool:
    """Tell whether a folder that is called like a split is a class: the only one, and an everyday word."""
    return len(called) == 1 and is_everyday_word(called[0].path[-1]) and not called[0].children


def _about_shared_folder(base: Folder) -> Iterator[str]:
    inside = {tuple(folder.children) for folder in base.children.values() if not folder.own}
    if len(base.children) > 1 and len(inside) == 1 and len(only := inside.pop()) == 1 and not is_place(only[0]):
        yield f"The images of every class lie in a folder called {printable(only[0])}."


def _shared_folders(base: Folder) -> list[str]:
    """Return the names of the folders inside, if at least two are in most class folders."""
    deep = [folder for folder in base.children.values() if folder.children]
    counts = Counter(name for folder in deep for name in folder.children)
    shared = [name for name, count in counts.items() if count > 1 and 2 * count >= len(deep)]
    holders = sum(len(folder.children.keys() & set(shared)) > 1 for folder in deep)
    return shared if holders > 1 and 2 * holders >= len(base.children) else []
