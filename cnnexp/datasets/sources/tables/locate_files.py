"""The files that a table names: below one folder, regular, and with the state that tells when one has changed."""

import hashlib
import itertools
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.tables.path_finder import PathFinder, leads_out, plain_path
from cnnexp.errors import DataError
from cnnexp.system.text import plural, printable, shortened

_WEB = re.compile(r"https?:/")
_SEARCHED = 20_000  # entries of folders that are looked through for a hint
_LISTED = 1000  # images of one name among which the most likely is chosen


@dataclass(frozen=True, slots=True)
class LocatedFiles:
    """Where the images of a table are."""

    names: tuple[str, ...]  # (N,) paths relative to the folder
    state: str  # sha256 (hex) of size, time and mode of every file
    notes: tuple[str, ...]  # how paths were read that do not exist as written
    missing: tuple[str, ...]  # those among the names that do not exist


def locate_files(paths: Sequence[str], folder: Path, *, table: Path) -> LocatedFiles:
    """Find the files of a table below a folder; a missing file is reported when it is read.

    Raises:
        DataError: a path leaves the folder, by itself or through a link, or is a pipe, socket or device, which might
            never end.

    """
    locator = _Locator(folder)
    for path in paths:
        locator.add(path)
    locator.refuse(table)
    return LocatedFiles(
        names=tuple(locator.names),
        state=locator.facts.hexdigest(),
        notes=locator.finder.notes(),
        missing=tuple(locator.missing),
    )


def refuse_missing(located: LocatedFiles, folder: Path, *, table: Path) -> None:
    """Refuse a table none of whose files exists.

    Raises:
        DataError: none exists; the message says where the first was looked for, and where one of its name is.

    """
    if len(located.missing) == len(located.names):
        first = located.missing[0]
        raise DataError(
            f"The images of {table} must exist; of {plural(len(located.names), 'path')} none does, such as "
            f"{shortened(f'{folder}/{first}')}. Paths start from the folder of the table, or from data.root=FOLDER."
            f"{hint(first, folder)}"
        )


class _Locator:
    """Collects what is known about one path after the other."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = f"{folder}{os.sep}" if folder != Path(folder.anchor) else folder.anchor
        self._inside: dict[str, bool] = {}
        self.finder = PathFinder(folder)
        self.facts = hashlib.sha256()
        self.names: list[str] = []
        self.missing: list[str] = []
        self.outside: list[str] = []
        self.linked_outside: list[str] = []
        self.no_files: list[str] = []

    def add(self, written: str) -> None:
        full = os.path.normpath(os.path.join(self._root, written))  # noqa: PTH118  a million rows
        own = _lstat(full) if full.startswith(self._root) else None
        if own is None and (meant := self.finder.find(written)) is not None:
            full = self._root + meant
            own = _lstat(full)
            self.facts.update(os.fsencode(meant))
        if own is None and (not full.startswith(self._root) or leads_out(plain_path(written), self._folder)):
            self.outside.append(written)
        else:
            self._add_file(full, own)

    def _add_file(self, full: str, own: os.stat_result | None) -> None:
        name = full[len(self._root) :]
        self.names.append(name)
        try:
            found = None if own is None else os.stat(full)  # noqa: PTH116
        except OSError:  # a link that leads nowhere
            found = None
        if own is not None and not self._is_inside(full if stat.S_ISLNK(own.st_mode) else os.path.dirname(full)):  # noqa: PTH120
            self.linked_outside.append(name)
        if found is None:
            self.missing.append(name)
            self.facts.update(b"missing\0")
            return
        if not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
            self.no_files.append(name)
        self.facts.update(b"%d %d %d\0" % (found.st_size, found.st_mtime_ns, found.st_mode))

    def _is_inside(self, path: str) -> bool:
        if path not in self._inside:
            self._inside[path] = Path(os.path.realpath(path)).is_relative_to(self._folder)
        return self._inside[path]

    def refuse(self, table: Path) -> None:
        """Refuse paths that lead out of the folder, or to no file."""
        if self.outside:
            raise DataError(
                f"Every path of {table} must stay inside {self._folder}; {len(self.outside):,} lead out, such as "
                f"{shortened(self.outside[0])}. If that is meant, name the folder that holds them all: "
                "data.root=FOLDER."
            )
        rules = ((self.linked_outside, f"lead to a file inside {self._folder}"), (self.no_files, "name a file"))
        for wrong, rule in rules:
            if wrong:
                raise DataError(
                    f"Every path of {table} must {rule}; {plural(len(wrong), 'does', 'do')} not, such as "
                    f"{shortened(wrong[0])}."
                )


def _lstat(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):
        return None


def hint(name: str, folder: Path) -> str:
    """Return a sentence about an image of that name elsewhere below the folder; empty if there is none."""
    if _WEB.match(name):
        return " They are web addresses: copy the images to this machine, and write their paths into the table."
    above, file = os.path.split(name)
    found = list(itertools.islice(_alike(PurePath(file).stem.casefold(), folder), _LISTED))
    same_folders = [path for path in found if f"/{path}".endswith(f"/{above}/{path.rpartition('/')[2]}")]
    if not found:
        return ""
    path = (same_folders or found)[0]
    root = str(folder / path.rpartition("/")[0])
    root = root[: -len(above) - 1] if same_folders and above else root
    meant = "is the ending in the table right" if root == str(folder) else f"is data.root={printable(root)} meant"
    return f" There is {printable(str(folder / path))}: {meant}?"


def _alike(stem: str, folder: Path) -> Iterator[str]:
    """Yield the images below a folder that have a stem, with ``/``, as long as the folder is not too large."""
    seen = 0
    for here, folders, files in os.walk(folder):
        folders.sort()
        for file in files:
            if is_image(file) and PurePath(file).stem.casefold() == stem:
                yield os.path.relpath(os.path.join(here, file), folder)  # noqa: PTH118
        seen += len(files) + 1
        if seen > _SEARCHED:
            return
