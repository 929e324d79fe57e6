"""Refuses folders that seem to be no classes: called like splits, with equal folders inside, or with splits inside."""

from collections.abc import Iterator, Sequence

from cnnexp.datasets.sources.folder_names import UNLABELLED, is_everyday_word, is_place, split_of, splits_of
from cnnexp.datasets.sources.folders import Folder, unwrapped
from cnnexp.datasets.sources.layout_errors import (
    LABELS_IN_A_TABLE,
    Reading,
    ambiguous,
    exclude_for_shell,
    reading_of_splits,
    reading_without,
)
from cnnexp.errors import DataError
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
        raise _called_like_splits(base, called, origin)
    check_level(base, origin, as_read=_all_classes(base), inner_groups=inner_groups)
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
    if len(shared) > 1 and not inner_groups and not all(map(is_no_class, shared)):
        raise _holding_the_same(base, shared, origin, as_read)
    for folder in base.children.values():
        if len(base.children.keys() & folder.children.keys()) > 1:
            raise _holding_its_siblings(base, folder, origin, as_read)
    for folder in _below(base):
        inside = {name: split for name in folder.children if (split := split_of(name)) is not None}
        if set(inside.values()) - {"train"}:
            raise _holding_splits(base, folder, inside, origin, as_read)


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


def holds_classes(folder: Folder) -> bool:
    """Tell whether there are folders inside that may be classes; one that is called images is none."""
    inside = list(unwrapped(folder).children)
    return bool(inside) and not (len(inside) == 1 and (is_no_class(inside[0]) or inside[0] == folder.path[-1]))


def is_no_class(name: str) -> bool:
    """Tell whether a name is that of a split, or only says that there are images."""
    return is_place(name) or split_of(name) is not None


def _is_probably_a_class(called: Sequence[Folder]) -> bool:
    """Tell whether a folder that is called like a split is a class: the only one, and an everyday word."""
    return len(called) == 1 and is_everyday_word(called[0].path[-1]) and not called[0].children


def _about_shared_folder(base: Folder) -> Iterator[str]:
    shared = _shared_folders(base)
    if len(shared) == 1 and not is_place(shared[0]) and not any(folder.own for folder in base.children.values()):
        yield f"The images of every class lie in a folder called {printable(shared[0])}."


def _shared_folders(base: Folder) -> list[str]:
    """Return the names of folders that are in most class folders, if most hold folders at all."""
    deep = [folder for folder in base.children.values() if folder.children]
    if len(deep) < 2 or 2 * len(deep) < len(base.children):
        return []
    return [name for name in deep[0].children if all(name in folder.children for folder in deep)]


def _below(base: Folder) -> Iterator[Folder]:
    """Yield all folders below the class folders, and these."""
    todo = list(base.children.values())
    while todo:
        folder = todo.pop()
        yield folder
        todo += folder.children.values()


def _called_like_splits(base: Folder, called: Sequence[Folder], origin: str) -> DataError:
    names = [folder.path[-1] for folder in called]
    others = [name for name in base.children if name not in names]
    split_by_name = splits_of(base.children)
    deep = [(split_by_name[folder.path[-1]], folder) for folder in called if holds_classes(folder)]
    verb = "is called like a split" if len(names) == 1 else "are called like splits"
    if UNLABELLED in map(split_of, names):
        verb = "are called like splits or unlabelled images" if len(names) > 1 else "is called like unlabelled images"
    return ambiguous(
        origin,
        base,
        why=f"{listed(map(printable, names))} {verb}",
        readings=[*_if_splits(deep, names, others), _all_classes(base)],
    )


def _if_splits(deep: Sequence[tuple[str, Folder]], names: Sequence[str], others: Sequence[str]) -> list[Reading]:
    """Return the readings in which folders are splits: those with folders inside, else they are to be left out."""
    deep = [(split, folder) for split, folder in deep if split != UNLABELLED]
    if not deep:
        return [reading_without(names)] if len(others) > 1 else [LABELS_IN_A_TABLE]
    inside = deep[0][1]
    classes = listed(map(printable, unwrapped(inside).children))
    trains = any(split == "train" for split, _ in deep)
    if trains or others:
        rest = "left out" if trains else "training images by class"
        meaning = f"the classes are {classes}" + (f"; {listed(map(printable, others))}: {rest}" if others else "")
        return [reading_of_splits([(split, folder.name) for split, folder in deep], meaning)]
    splits = [("train", deep[0][1].name), *((split, folder.name) for split, folder in deep[1:])]
    return [reading_of_splits(splits, f"the classes are {classes}")]


def _holding_the_same(base: Folder, shared: Sequence[str], origin: str, as_read: Reading) -> DataError:
    first, second, *more = [folder for folder in base.children.values() if folder.children]
    inner = f"the classes are {listed(map(printable, shared))}"
    every = f"{base.name}/*" if base.path else "*"
    who = [first.path[-1], second.path[-1], *(folder.path[-1] for folder in more)]
    left_out = Reading(exclude_for_shell([second.name]), f"{inner}; {printable(second.path[-1])} left out")
    return ambiguous(
        origin,
        base,
        why=f"{listed(map(printable, who))} hold folders of the same names",
        readings=[
            as_read,
            Reading("data.group=parent", "the same, and the images of one inner folder stay in one split"),
            reading_of_splits([("train", every)], f"{inner}; the splits are made from all images"),
            reading_of_splits([("train", first.name), ("test", second.name)], f"{inner}; these folders are the splits"),
            *([] if more else [left_out]),
        ],
    )


def _holding_its_siblings(base: Folder, folder: Folder, origin: str, as_read: Reading) -> DataError:
    name = printable(folder.path[-1])
    return ambiguous(
        origin,
        base,
        why=f"{name} holds folders of the same names as those beside it",
        readings=[reading_without([folder.name]), as_read],
    )


def _holding_splits(base: Folder, folder: Folder, inside: dict[str, str], origin: str, as_read: Reading) -> DataError:
    names = listed(map(printable, inside))
    splits = [(split, name) for name, split in inside.items() if split != UNLABELLED]
    like = "is called like a split" if len(inside) == 1 else "are called like splits"
    common = sum(any(name in child.children for name in inside) for child in base.children.values()) > 1
    if splits and common:
        meant = reading_of_splits(splits, f"{names}: splits of each class")
    else:
        meant = reading_without([f"{folder.name}/{name}" for name in inside])
    why = f"inside {printable(folder.name)}, {names} {like}"
    return ambiguous(origin, base, why=why, readings=[meant, as_read])


def _all_classes(base: Folder) -> Reading:
    return reading_of_splits([], f"no folder is a split; the classes are {listed(map(printable, base.children))}")
