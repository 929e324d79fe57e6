"""The readings that unclear folders have, as the errors that refuse them."""

import re
from collections.abc import Sequence
from glob import escape

from cnnexp.datasets.sources.folders.folder_names import SPLIT_FOLDERS, UNLABELLED, split_of, splits_of
from cnnexp.datasets.sources.folders.folder_tree import Folder, holds_classes, unwrapped, walk
from cnnexp.datasets.sources.folders.layout_errors import (
    LABELS_IN_A_TABLE,
    Reading,
    ambiguous,
    exclude_for_shell,
    reading_by_label,
    reading_of_splits,
    reading_without,
)
from cnnexp.errors import DataError
from cnnexp.system.text import listed, printable


def called_like_splits(base: Folder, called: Sequence[Folder], origin: str) -> DataError:
    """Return the error for folders that are called like splits, where no splits were found."""
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
        readings=[*_if_names_say_both(base), *_if_splits(deep, names, others), all_classes(base)],
    )


def _if_names_say_both(base: Folder) -> list[Reading]:
    """Return the reading in which every folder says its class and its split: train_cat, train_dog, test_cat."""
    for pattern in (r"(?:^|/)(?:{})[-_. ]([^/]+)/", r"([^/]+)[-_. ](?:{})/"):
        words = dict.fromkeys(word for name in base.children for word in re.split(r"[-_. ]", name) if _is_split(word))
        by_label = pattern.format("|".join(sorted(map(re.escape, words))))
        said = [re.search(by_label, f"{name}/") for name in base.children]
        classes = listed(map(printable, dict.fromkeys(found[1] for found in said if found)))
        if words and all(said):
            return [reading_by_label(by_label, f"the classes are {classes}")]
    return []


def _is_split(word: str) -> bool:
    return word.casefold() in SPLIT_FOLDERS


def _if_splits(deep: Sequence[tuple[str, Folder]], names: Sequence[str], others: Sequence[str]) -> list[Reading]:
    """Return the readings in which folders are splits: those with folders inside, else they are to be left out."""
    deep = [(split, folder) for split, folder in deep if split != UNLABELLED]
    if not deep:
        return [reading_without(list(map(escape, names)))] if len(others) > 1 else [LABELS_IN_A_TABLE]
    inside = deep[0][1]
    classes = listed(map(printable, unwrapped(inside).children))
    trains = any(split == "train" for split, _ in deep)
    if trains or others:
        rest = "left out" if trains else "training images by class"
        meaning = f"the classes are {classes}" + (f"; {listed(map(printable, others))}: {rest}" if others else "")
        return [reading_of_splits([(split, folder.pattern) for split, folder in deep], meaning)]
    splits = [("train", deep[0][1].pattern), *((split, folder.pattern) for split, folder in deep[1:])]
    return [reading_of_splits(splits, f"the classes are {classes}")]


def holding_the_same(base: Folder, shared: Sequence[str], origin: str, as_read: Reading) -> DataError:
    """Return the error for folders of which most hold folders of the same names; `as_read`: these are the classes."""
    first, second, *more = [child for child in base.children.values() if not child.children.keys().isdisjoint(shared)]
    inner = f"the classes are {listed(map(printable, shared))}"
    every = f"{base.pattern}/*" if base.path else "*"
    who = [first.path[-1], second.path[-1], *(folder.path[-1] for folder in more)]
    deeper = {
        name: split
        for folder in walk(base)
        for name in folder.children
        if (split := split_of(name)) not in (None, UNLABELLED)
    }
    splits = [(split, escape(name)) for name, split in deeper.items()]
    left_out = Reading(exclude_for_shell([second.pattern]), f"{inner}; {printable(second.path[-1])} left out")
    return ambiguous(
        origin,
        base,
        why=f"{listed(map(printable, who))} hold folders of the same names",
        readings=[
            as_read,
            Reading("data.group=parent", "the same, and the images of one inner folder stay in one split"),
            reading_of_splits([("train", every)], f"{inner}; the splits are made from all images"),
            reading_of_splits([("train", first.pattern), ("test", second.pattern)], f"{inner}; these are the splits"),
            *([] if more else [left_out]),
            *(
                [reading_of_splits(splits, f"{inner}; the splits are inside each of them")]
                if "train" in deeper.values()
                else []
            ),
        ],
    )


def holding_its_siblings(base: Folder, folder: Folder, origin: str, as_read: Reading) -> DataError:
    """Return the error for a folder that holds folders of the same names as those beside it."""
    name = printable(folder.path[-1])
    return ambiguous(
        origin,
        base,
        why=f"{name} holds folders of the same names as those beside it",
        readings=[reading_without([folder.pattern]), as_read],
    )


def holding_splits(base: Folder, folder: Folder, inside: dict[str, str], origin: str, as_read: Reading) -> DataError:
    """Return the error for a class folder in or below which a folder holds splits."""
    names = listed(map(printable, inside))
    splits = [(split, escape(name)) for name, split in inside.items() if split != UNLABELLED]
    like = "is called like a split" if len(inside) == 1 else "are called like splits"
    common = (
        sum(any(name in below.children for name in inside for below in walk(child)) for child in base.children.values())
        > 1
    )
    if splits and common:
        deep = [folder.children[name] for name in inside if holds_classes(folder.children[name])]
        classes = listed(map(printable, unwrapped(deep[0]).children)) if deep else ""
        meant = reading_of_splits(splits, f"the classes are {classes}" if deep else f"{names}: splits of each class")
    else:
        meant = reading_without([escape(f"{folder.name}/{name}") for name in inside])
    why = f"inside {printable(folder.name)}, {names} {like}"
    return ambiguous(origin, base, why=why, readings=[meant, as_read])


def all_classes(base: Folder) -> Reading:
    """Return the reading in which all these folders are classes."""
    return reading_of_splits([], f"no folder is a split; the classes are {listed(map(printable, base.children))}")
