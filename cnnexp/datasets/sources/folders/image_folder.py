"""A folder of image files, or a zip archive of one."""

import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cnnexp.datasets.sources.folders.arrangement import SplitFolders
from cnnexp.datasets.sources.folders.file_tree import FileTree, sort_out
from cnnexp.datasets.sources.folders.folders_without_images import ARCHIVES
from cnnexp.datasets.sources.folders.layout import read_layout
from cnnexp.datasets.sources.folders.links import about_links
from cnnexp.datasets.sources.folders.list_folder import list_folder, tree_state
from cnnexp.datasets.sources.folders.unread_files import about_unread_files
from cnnexp.datasets.sources.folders.zip_members import opened, zip_members
from cnnexp.datasets.sources.out_of_scope.annotation_files import HEAD, refuse_annotations
from cnnexp.datasets.sources.source import DataSource, FileSource, ImageSource, Manifest, ZipSource
from cnnexp.errors import DataError, DataPathError
from cnnexp.system.files import at_home, is_there

_LAYOUT = 3  # version of the rule for layouts: the cache holds what it made of the folders


@dataclass(frozen=True, slots=True)
class FolderSettings:
    """How the folders are read; each None, or empty, stands for the rule in docs/data.md."""

    exclude: Sequence[str] = ()  # patterns of files and folders that are passed over
    splits: SplitFolders | None = None  # each split, and a pattern of its folders; empty: none is a split
    label: str | None = None  # regular expression on the path that finds the class; None: the folders say it
    group: str | None = None  # regular expression on the path, or ``parent``
    follow_links: Path | None = None  # links that lead into this folder are followed

    @property
    def state(self) -> str:
        """Return what changes the classes, splits and groups of the same images."""
        return f"{_LAYOUT} {self.splits} {self.label} {self.group}"


def folder_source(path: Path, *, name: str, settings: FolderSettings) -> DataSource:
    """Find a data set of image files.

    Raises:
        DataPathError: there is nothing at `path`.
        DataError: it is neither a folder nor an archive.

    """
    root = at_home(path)
    if not is_there(root):
        raise DataPathError(f"data.path must be a folder of images, or a zip archive of one; there is no {root}.")
    if zipfile.is_zipfile(root):
        return zip_source(root, name=name, settings=settings)
    if not root.is_dir():
        unpack = " Unpack it, and name the folder." if root.suffix.lower() in ARCHIVES else ""
        raise DataError(f"data.path must be a folder of images, or a zip archive of one; {root} is neither.{unpack}")
    root = root.resolve()
    allowed = settings.follow_links and at_home(settings.follow_links).resolve()
    tree = list_folder(root, exclude=settings.exclude, follow_links=allowed)

    def read() -> tuple[Manifest, ImageSource]:
        manifest, names = _classes(tree, settings, origin=str(root), head=lambda name: _file_head(root / name))
        return manifest, FileSource(root, names)

    state = f"{root} {tree_state(root, tree)} {settings.state}"
    return DataSource(name=name, origin=str(root), state=state, open=read, cached=True, notes=_about_files(tree))


def zip_source(path: Path, *, name: str, settings: FolderSettings) -> DataSource:
    """Find a data set of image files inside a zip archive, which is never unpacked to disk."""

    def read() -> tuple[Manifest, ImageSource]:
        with opened(path) as archive:
            members = zip_members(archive, origin=path)
            files = list(members.files)
            tree = sort_out(files, folders=members.folders, links=members.links, exclude=settings.exclude)
            head = lambda name: _member_head(archive, members.files[name])  # noqa: E731
            manifest, ordered = _classes(tree, settings, origin=str(path), head=head)
        manifest = replace(manifest, notes=(*manifest.notes, *_about_files(tree), *members.notes))
        return manifest, ZipSource(path, tuple(members.files[name] for name in ordered))

    state = f"{file_state(path)} {settings.state} {list(settings.exclude)}"
    return DataSource(name=name, origin=str(path), state=state, open=read, cached=True)


def _about_files(tree: FileTree) -> tuple[str, ...]:
    """Return notes about all that is no image of the data set."""
    return (*tree.notes, *about_unread_files(tree.others), *about_links(tree.links))


def _classes(
    tree: FileTree, settings: FolderSettings, *, origin: str, head: Callable[[str], bytes]
) -> tuple[Manifest, tuple[str, ...]]:
    """Read the layout of a data set, unless it is that of object detection or segmentation."""
    images, others = tree.images, tree.others
    try:
        manifest, names = read_layout(
            images,
            folders=tree.folders,
            others=others,
            links=tree.links,
            origin=origin,
            splits=settings.splits,
            label=settings.label,
            group=settings.group,
        )
    except DataError:
        folders = sorted({image.split("/")[0] for image in images if "/" in image})
        refuse_annotations(images, others, classes=folders, origin=origin, head=head)
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
