"""From the meaning of each image's path to the manifest of a data set of files."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnexp.datasets.sources.folders.folder_tree import Parts
from cnnexp.datasets.sources.folders.groups import group_numbers
from cnnexp.datasets.sources.source import Manifest, natural_order
from cnnexp.system.text import printable


@dataclass(frozen=True, slots=True)
class Place:
    """What the images of a folder are."""

    class_folder: Parts  # empty: no folder says the class
    name: str  # of the class
    split: int  # index into SPLIT_NAMES, or UNDECLARED


def manifest_of(
    paths: Sequence[Parts],
    places: Sequence[Place],
    *,
    group: str | None,
    origin: str,
    notes: Sequence[str],
    empty_classes: Sequence[str] = (),
) -> tuple[Manifest, tuple[str, ...]]:
    """Return the manifest of images and their names in its order.

    Args:
        paths: (N,) folders and file name of each image
        places: (N,) what each is
        group: which images stay together, see `group_numbers`
        origin: the data folder, for messages
        notes: about what was left out
        empty_classes: folders that should hold images

    Raises:
        DataError: no image belongs to a group.

    """
    groups, about_groups = group_numbers(paths, [len(place.class_folder) for place in places], group, origin=origin)
    class_names = natural_order(place.name for place in places)
    index = {name: number for number, name in enumerate(class_names)}
    ordered = tuple("/".join(path) for path in paths)
    return Manifest(
        class_names=class_names,
        labels=np.array([index[place.name] for place in places], np.int64),
        files=tuple(map(printable, ordered)),
        declared_splits=np.array([place.split for place in places], np.int8),
        groups=groups,
        empty_classes=tuple(empty_classes),
        notes=(*notes, *about_groups),
    ), ordered
