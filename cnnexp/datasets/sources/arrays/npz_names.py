"""Which arrays of an archive hold images and labels, by the names that people give them.

images, labels, class_names                  as the documents of cnnexp have them
x, y   image, label   data, target   arr_0, arr_1
x_train, y_train, x_test, y_test             Keras
train_images, train_labels, val_images, ...  MedMNIST
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.datasets.sources.folders.folder_names import SPLIT_FOLDERS

_IMAGES = ("images", "image", "imgs", "img", "pixels", "x", "data", "arr_0")
_LABELS = ("labels", "label", "y", "targets", "target", "classes", "arr_1")
_CLASS_NAMES = ("class_names", "label_names", "names")
_BEFORE = re.compile(r"(?P<split>[a-z]+)_(?P<what>[a-z]+)")
_AFTER = re.compile(r"(?P<what>[a-z]+)_(?P<split>[a-z]+)")


@dataclass(frozen=True, slots=True)
class Part:
    """Arrays of images and of their labels."""

    images: str
    labels: str
    split: str | None  # that they declare; None: none


def find_parts(names: Sequence[str]) -> tuple[Part, ...]:
    """Return the arrays that hold images and labels; none if that is not plain."""
    if {"images", "labels"} <= set(names):
        return (Part("images", "labels", None),)
    if parts := _declared_parts(names):
        return parts
    images, labels = _one_of(_IMAGES, names), _one_of(_LABELS, names)
    return (Part(images, labels, None),) if images and labels else ()


def find_class_names(names: Sequence[str]) -> str | None:
    """Return the array that holds the names of the classes."""
    return _one_of(_CLASS_NAMES, names)


def _one_of(known: Sequence[str], names: Sequence[str]) -> str | None:
    found = [name for name in names if name.lower() in known]
    return found[0] if len(found) == 1 else None


def _declared_parts(names: Sequence[str]) -> tuple[Part, ...]:
    """Return a part for each split, if there is one for training."""
    splits: dict[str, dict[str, str]] = {}
    for name in names:
        for match in (_BEFORE.fullmatch(name.lower()), _AFTER.fullmatch(name.lower())):
            if match and match["split"] in SPLIT_FOLDERS and (role := _role(match["what"])):
                splits.setdefault(SPLIT_FOLDERS[match["split"]], {})[role] = name
    if "train" not in splits or any(len(roles) < 2 for roles in splits.values()):
        return ()
    return tuple(Part(roles["images"], roles["labels"], split) for split, roles in splits.items())


def _role(word: str) -> str | None:
    return "images" if word in _IMAGES else "labels" if word in _LABELS else None
