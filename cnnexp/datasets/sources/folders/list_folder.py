"""Lists a folder with everything below it; links are followed to files inside it, and elsewhere only where asked."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

from cnnexp.datasets.sources.folders.file_tree import FileTree, sort_out
from cnnexp.datasets.sources.folders.folder_names import of_system
from cnnexp.datasets.sources.folders.folders_without_images import ending_of
from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.folders.links import Link
from cnnexp.errors import DataError
from cnnexp.system.text import printable


def list_folder(root: Path, *, exclude: Sequence[str] = (), follow_links: Path | None = None) -> FileTree:
    """List a folder and everything below it.

    A link to a folder inside the data folder is not followed: it could only repeat images, or form a cycle.

    Args:
        root: the data folder, resolved
        exclude: patterns of what is passed over, see `sort_out`
        follow_links: links that lead into this folder are followed; resolved

    Raises:
        DataError: a folder cannot be listed.

    """
    listing = _Listing(root, follow_links)
    listing.add_folder("", str(root))
    while listing.pending_links:
        listing.add_link(listing.pending_links.pop(0))
    return sort_out(sorted(listing.files), folders=sorted(listing.folders), links=listing.links, exclude=exclude)


@dataclass(slots=True)
class _Listing:
    root: Path
    follow_links: Path | None
    files: list[str] = field(default_factory=list)  # relative paths with "/"; pipes, sockets and devices are none
    folders: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    pending_links: list[str] = field(default_factory=list)  # looked at last: a folder is listed in its own place
    listed: set[str] = field(default_factory=set)  # resolved paths of folders

    def add_folder(self, name: str, place: str) -> None:
        """List the folder of this name, which is really at `place`, with all below it, but for links."""
        todo = [(name, place)]
        while todo:
            name, place = todo.pop()
            if place in self.listed:  # a link led to a folder above this one
                continue
            self.listed.add(place)
            for entry in _sorted_entries(self.root, name):
                path = f"{name}/{entry.name}" if name else entry.name
                if entry.is_symlink():
                    self.pending_links.append(path)
                elif entry.is_dir():
                    self.folders.append(path)
                    todo.append((path, f"{place}/{entry.name}"))
                elif entry.is_file():  # reading a pipe would never end
                    self.files.append(path)

    def add_link(self, name: str) -> None:
        """Follow a link where that is right, or note that it is not followed."""
        target = Path(os.path.realpath(self.root / name))
        if target.is_file() and (target.is_relative_to(self.root) or self._is_allowed(target)):
            self.files.append(name)
        elif target.is_dir() and self._is_allowed(target) and str(target) not in self.listed:
            self.folders.append(name)
            self.add_folder(name, str(target))
        else:
            inside = target.relative_to(self.root).as_posix() if target.is_relative_to(self.root) else None
            is_folder = target.is_dir() or not (target.exists() or is_image(name))
            self.links.append(Link(name, str(target), is_folder, inside))

    def _is_allowed(self, target: Path) -> bool:
        return self.follow_links is not None and target.is_relative_to(self.follow_links)


def tree_state(root: Path, tree: FileTree) -> str:
    """Return the sha256 (hex) of path, size, time and mode of every image, and of all else that says what it is.

    That is every folder, what a folder without images holds instead, and the links that are not followed.
    """
    facts = [_image_fact(root, image) for image in tree.images]
    used = {folder for image in tree.images for folder in _above(image)}
    facts += [f"{folder}/" for folder in tree.folders]
    held = {(folder, ending_of(name)) for name in tree.others for folder in _above(name) if folder not in used}
    facts += [f"{folder}/*{ending}" for folder, ending in sorted(held)]
    facts += [f"{link.name}>{link.target}" for link in tree.links if link.is_folder]
    return hashlib.sha256(os.fsencode("\0".join(facts))).hexdigest()


def _image_fact(root: Path, image: str) -> str:
    try:
        stat = os.stat(f"{root}/{image}")  # noqa: PTH116  a million files
    except OSError:  # it has just been removed, which is noticed when it is read
        return f"{image}\0missing"
    return f"{image}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_mode}"


def _above(path: str) -> Iterator[str]:
    """Yield the folders around a path, but not the data folder."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _sorted_entries(root: Path, name: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / name) as entries:
            return sorted(entries, key=attrgetter("name"))
    except OSError as error:
        if any(map(of_system, filter(None, name.split("/")))):  # lost+found belongs to root
            return []
        raise DataError(f"The folder {printable(str(root / name))} cannot be listed: {error.strerror}.") from error
