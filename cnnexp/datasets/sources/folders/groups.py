"""Which image files belong together, such as those of one patient, by their paths: `data.group` of a folder."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.folders.folder_tree import Parts
from cnnexp.errors import DataError
from cnnexp.system.text import plural, printable

PARENT = "parent"

Key = tuple[str, ...]  # equal for images of one group


def group_numbers(
    paths: Sequence[Parts], depths: Sequence[int], group: str | None, *, origin: str
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Number the groups of images.

    Args:
        paths: (N,) folders and file name of each image
        depths: (N,) number of folders down to its class folder, which is included
        group: a regular expression: images whose paths match with equal text, or with equal text within its
            parentheses, are a group; ``parent``: images in folders of one name inside of class folders are; None: none
        origin: the data folder, for messages

    Returns:
        (N,) equal for images of one group, and a note about those that are a group of their own

    Raises:
        DataError: no image belongs to a group.

    """
    if group is None:
        return None, ()
    keys: list[Key | None]
    if group == PARENT:
        keys = [(path[-2],) if len(path) - 1 > depth else None for path, depth in zip(paths, depths, strict=True)]
    else:
        pattern = re.compile(group)
        keys = [_key(pattern.search("/".join(path))) for path in paths]
    alone = keys.count(None)
    if alone == len(keys):
        raise DataError(
            f"data.group must match images; in {origin}, {printable(group)} matches none, "
            f"such as {printable('/'.join(paths[0]))}."
        )
    named: dict[Key, int] = {}
    numbers = [row if key is None else named.setdefault(key, row) for row, key in enumerate(keys)]
    return np.array(numbers, np.int64), _about(len(named), alone)


def _key(found: re.Match[str] | None) -> Key | None:
    return None if found is None else tuple(part or "" for part in found.groups() or (found[0],))


def _about(groups: int, alone: int) -> tuple[str, ...]:
    about = f"data.group finds {plural(groups, 'group')}"
    return (f"{about}; {plural(alone, 'image is', 'images are')} in none." if alone else f"{about}.",)
