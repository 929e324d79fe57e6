"""The files below a folder or in an archive, sorted out: images, other files, and what is passed over, with counts."""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import escape

from cnnexp.datasets.sources.folders.folder_names import matches, of_system
from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.folders.layout_errors import exclude_for_shell
from cnnexp.datasets.sources.folders.links import Link
from cnnexp.datasets.sources.folders.passed_over import (
    ALWAYS_OWN,
    own_folders,
    thumbnail_folders,
    thumbnails_or_classes,
)
from cnnexp.system.text import listed, plural, printable

_SYSTEM = "hidden or of a system"
_OWN = "in folders that programs write"
_EXCLUDED = "by data.exclude"

Reason = tuple[str, str]  # one of the above, and the name that it is about


@dataclass(frozen=True, slots=True)
class FileTree:
    """What a data set may be made of; relative paths with ``/``."""

    images: tuple[str, ...]
    others: tuple[str, ...]  # files whose names are not those of images
    folders: tuple[str, ...]
    links: tuple[Link, ...]
    notes: tuple[str, ...]  # what was passed over


def sort_out(
    files: Sequence[str], *, folders: Iterable[str], links: Iterable[Link], exclude: Sequence[str]
) -> FileTree:
    """Pass over what belongs to systems, what programs write, and what the patterns of `data.exclude` name.

    Args:
        files: relative paths with ``/``
        folders: likewise; those that files imply may be missing
        links: those that are not followed
        exclude: patterns as of a shell; one without ``/`` matches the name of any file or folder, with all below it

    """
    reason = Reasons(files, exclude)
    images: list[str] = []
    others: list[str] = []
    left_out: Counter[Reason] = Counter()
    for path in files:
        if (why := reason.of_file(path)) is not None:
            left_out[why] += _is_image_of_any_name(path.rpartition("/")[2])
        else:
            (images if is_image(path) else others).append(path)
    return FileTree(
        images=tuple(images),
        others=tuple(others),
        folders=tuple(folder for folder in folders if reason.of_folder(folder) is None),
        links=tuple(_seen_from_tree(link, reason) for link in links if reason.of_file(link.name) is None),
        notes=(*_left_out(left_out), *_unmatched(reason.unmatched), *_about_thumbnails(images)),
    )


class Reasons:
    """Why a path is passed over: for its own name, or for that of a folder above it."""

    def __init__(self, files: Sequence[str], exclude: Sequence[str]) -> None:
        self._exclude = exclude
        self._own = own_folders(files)
        self._thumbnails = thumbnail_folders(files)
        self.unmatched = set(exclude)
        self.of_folder = functools.cache(self.of_file)  # the same rule; each folder is looked at once

    def of_file(self, path: str) -> Reason | None:
        """Return why a file is passed over; None: it is not."""
        above, _, name = path.rpartition("/")
        return (self.of_folder(above) if above else None) or self._of_name(path, name)

    def _of_name(self, path: str, name: str) -> Reason | None:
        for pattern in self._exclude:
            if matches(path, pattern):
                self.unmatched.discard(pattern)
                return _EXCLUDED, pattern
        if of_system(name) or path in self._thumbnails:
            return _SYSTEM, "hidden files" if is_image(name.lstrip(".")) else name
        return (_OWN, path) if name in ALWAYS_OWN or path in self._own else None


def _seen_from_tree(link: Link, reason: Reasons) -> Link:
    """Return a link to what is passed over as one that leads out of the data."""
    if link.inside in (None, ".") or reason.of_file(link.inside) is None:
        return link
    return replace(link, inside=None)


def _is_image_of_any_name(name: str) -> bool:
    """Tell whether a file is an image, hidden or not; what macOS keeps beside a file, ``._x.png``, is none."""
    return is_image(name.lstrip(".")) and not name.startswith("._")


def _left_out(counts: Counter[Reason]) -> Iterator[str]:
    for kind in (_SYSTEM, _OWN, _EXCLUDED):
        found = {name: count for (reason, name), count in counts.items() if reason == kind and count}
        if found:
            names = listed(f"{printable(name)}: {count:,}" for name, count in sorted(found.items()))
            yield f"Left out: {plural(sum(found.values()), 'image')} {kind} ({names})."


def _about_thumbnails(images: Sequence[str]) -> Iterator[str]:
    for folder in thumbnails_or_classes(images):
        do = exclude_for_shell([escape(folder)])
        yield (
            f"The folder {printable(folder)} is as large as those beside it and therefore read like them, though its "
            f"images are called like theirs. Are they thumbnails? {do} leaves them out."
        )


def _unmatched(patterns: Iterable[str]) -> Iterator[str]:
    for pattern in sorted(patterns):
        yield f"data.exclude names {printable(pattern)}, and no file or folder is called so."
