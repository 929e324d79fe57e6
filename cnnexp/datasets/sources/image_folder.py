"""A folder of image files, or a zip archive of one."""

import hashlib
import io
import os
import zipfile
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path

from cnnexp.datasets.sources.annotation_files import HEAD, refuse_annotations
from cnnexp.datasets.sources.layout import is_image, read_layout, unread_formats
from cnnexp.datasets.sources.source import DataSource, FileSource, ImageSource, Manifest, ZipSource
from cnnexp.datasets.sources.zip_members import opened, zip_members
from cnnexp.errors import DataError, DataPathError
from cnnexp.system.files import at_home
from cnnexp.system.text import plural, printable


@dataclass(frozen=True, slots=True)
class Tree:
    """What lies below a folder."""

    images: tuple[str, ...]  # relative paths with "/", sorted
    others: tuple[str, ...]  # files whose names are not those of images
    folders: tuple[str, ...]
    skipped_links: tuple[str, ...]
    state: str  # sha256 (hex) of path, size and time of every image, and of the folders


def folder_source(path: Path, *, name: str) -> DataSource:
    """Find a data set of image files.

    Raises:
        DataPathError: there is nothing at `path`.
        DataError: it is neither a folder nor an archive.

    """
    root = at_home(path)
    if not os.path.exists(root):  # noqa: PTH110  False where Path raises: a name too long, no permission
        raise DataPathError(f"data.path must be a folder of images, or a zip archive of one; there is no {root}.")
    if zipfile.is_zipfile(root):
        return zip_source(root, name=name)
    if not root.is_dir():
        raise DataError(f"data.path must be a folder of images, or a zip archive of one; {root} is neither.")
    root = root.resolve()
    tree = walk(root)

    def read() -> tuple[Manifest, ImageSource]:
        manifest, names = _classes(
            tree.images, tree.others, folders=tree.folders, origin=str(root), head=lambda name: _file_head(root / name)
        )
        inside = [name for name in tree.others if "/" in name]  # a licence beside the folders needs no note
        notes = (*manifest.notes, *unread_formats(inside), *_links(tree.skipped_links))
        return replace(manifest, notes=notes), FileSource(root, names)

    return DataSource(name=name, origin=str(root), state=f"{root} {tree.state}", open=read, cached=True)


def zip_source(path: Path, *, name: str) -> DataSource:
    """Find a data set of image files inside a zip archive, which is never unpacked to disk."""

    def read() -> tuple[Manifest, ImageSource]:
        with opened(path) as archive:
            members = zip_members(archive, origin=path)
            names = [name for name in members.files if not _is_below_hidden(name)]
            manifest, ordered = _classes(
                [name for name in names if is_image(name)],
                [name for name in names if not is_image(name)],
                folders=[name for name in members.folders if not _is_below_hidden(name)],
                origin=str(path),
                head=lambda name: _member_head(archive, members.files[name]),
            )
        manifest = replace(manifest, notes=(*manifest.notes, *members.notes))
        return manifest, ZipSource(path, tuple(members.files[name] for name in ordered))

    return DataSource(name=name, origin=str(path), state=file_state(path), open=read, cached=True)


def _classes(
    images: Sequence[str],
    others: Sequence[str],
    *,
    folders: Collection[str],
    origin: str,
    head: Callable[[str], bytes],
) -> tuple[Manifest, tuple[str, ...]]:
    """Read the layout of a data set, unless it is that of object detection or segmentation."""
    try:
        manifest, names = read_layout(images, folders=folders, origin=origin)
    except DataError:
        refuse_annotations(images, others, classes=(), origin=origin, head=head)
        raise
    refuse_annotations(images, others, classes=manifest.class_names, origin=origin, head=head)
    return manifest, names


def _file_head(path: Path) -> bytes:
    """Return the first bytes of a file; none if it is a pipe, or cannot be read."""
    try:
        with path.open("rb") if path.is_file() else io.BytesIO() as file:
            return file.read(HEAD)
    except OSError:
        return b""


def _member_head(archive: zipfile.ZipFile, name: str) -> bytes:
    try:
        with archive.open(name) as file:
            return file.read(HEAD)
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):  # encrypted, damaged
        return b""


def file_state(*paths: Path) -> str:
    """Return a line that changes when one of the files does: path, size, time."""
    stats = [(path.resolve(), path.stat()) for path in paths]
    return " ".join(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats)


def walk(root: Path) -> Tree:
    """List a folder and everything below it, except hidden files and links that lead outside.

    Links to folders are never followed: inside the data folder they could only repeat images, or form a cycle.

    Raises:
        DataError: a folder cannot be listed.

    """
    images, others, folders, links, facts = [], [], [], [], []
    todo = [""]
    while todo:
        below = todo.pop()
        for entry in _sorted_entries(root, below):
            name = below + entry.name
            if entry.is_symlink() and not _leads_to_file_inside(root, entry):
                links.append(name)
            elif entry.is_dir(follow_symlinks=False):
                folders.append(name)
                todo.append(f"{name}/")
                facts.append(f"{name}/")
            elif entry.is_file() and is_image(entry.name):  # reading a pipe of that name would never end
                stat = entry.stat()
                images.append(name)
                facts.append(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0{stat.st_mode}")
            else:
                others.append(name)
    state = hashlib.sha256(os.fsencode("\0".join(facts))).hexdigest()
    return Tree(tuple(images), tuple(others), tuple(folders), tuple(links), state)


def _sorted_entries(root: Path, below: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / below) as entries:
            return sorted((entry for entry in entries if not _is_hidden(entry.name)), key=attrgetter("name"))
    except OSError as error:
        raise DataError(f"The folder {printable(str(root / below))} cannot be listed: {error.strerror}.") from error


def _is_hidden(name: str) -> bool:
    return name[0] == "." or name == "__MACOSX"


def _is_below_hidden(name: str) -> bool:
    return any(map(_is_hidden, name.split("/")))


def _leads_to_file_inside(root: Path, entry: os.DirEntry[str]) -> bool:
    target = Path(os.path.realpath(entry.path))
    return target.is_file() and target.is_relative_to(root)


def _links(links: tuple[str, ...]) -> tuple[str, ...]:
    if not links:
        return ()
    return (
        f"{plural(len(links), 'link was', 'links were')} not followed, such as {printable(links[0])}: "
        "they lead out of the data folder, to a folder, or nowhere.",
    )
