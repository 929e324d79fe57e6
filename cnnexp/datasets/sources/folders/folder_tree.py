"""The tree of the folders that have images in them or below them."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from glob import escape

from cnnexp.datasets.sources.folders.folder_names import is_no_class

Parts = tuple[str, ...]  # folders and file name of one path, outermost first


@dataclass(slots=True)
class Folder:
    """A folder with an image in it or below it."""

    path: Parts  # relative to the data folder
    own: int = 0  # images directly in it
    total: int = 0  # images in it and below it
    children: dict[str, "Folder"] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return its path as text."""
        return "/".join(self.path)

    @property
    def pattern(self) -> str:
        """Return the pattern that matches this folder alone, in `data.splits` and `data.exclude`."""
        return escape(self.name)


def folder_of(images: Sequence[Parts]) -> Folder:
    """Return the data folder of these images."""
    root = Folder(())
    for path in images:
        folder = root
        folder.total += 1
        for depth, name in enumerate(path[:-1], start=1):
            if name not in folder.children:
                folder.children[name] = Folder(path[:depth])
            folder = folder.children[name]
            folder.total += 1
        folder.own += 1
    return root


def unwrapped(folder: Folder, *, classes: Collection[str] = ()) -> Folder:
    """Go down while one folder holds all others: Dataset/ in Dataset/<class>/x.jpg; `classes` are no such folders."""
    while len(folder.children) == 1:
        (only,) = folder.children.values()
        if not only.children or 2 * only.own >= only.total or only.path[-1] in classes:
            break
        folder = only
    return folder


def walk(folder: Folder) -> Iterator[Folder]:
    """Yield a folder and all folders below it."""
    yield folder
    for child in folder.children.values():
        yield from walk(child)


def holds_classes(folder: Folder) -> bool:
    """Tell whether there are folders inside that may be classes; one alone that is called images is none."""
    inside = list(unwrapped(folder).children)
    return bool(inside) and not (len(inside) == 1 and (is_no_class(inside[0]) or inside[0] == folder.path[-1]))
