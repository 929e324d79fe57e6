r"""Which file each path of a table means, if the table was written on another machine, by another system or by hand.

A path that exists as it is written is taken. Only for others, one on top of the other:

blanks or quotation marks around it        cut off
bytes that are no UTF-8                    read as Windows-1252
cats\001.png                               \ read as /
cats/a%20b.png, file:///...                decoded
Cats/001.PNG                               another letter case or Unicode form, if one file alone is meant
001                                        the one image of that name, with its ending
/home/bob/data/cats/001.png, data/cats/... without the first folders, the same for all paths, if they do not exist
"""

import os
import posixpath
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.source import without_blanks
from cnnexp.datasets.sources.tables.csv_table import as_text
from cnnexp.system.text import plural, shortened

_DRIVE = re.compile(r"[A-Za-z]:/")
_QUOTED = re.compile(r"\A(['\"`])(.+)\1\Z", re.DOTALL)
_URL = re.compile(r"file:/*(?=/|[A-Za-z]:)")


@dataclass(frozen=True, slots=True)
class _Entries:
    """What a folder holds, by names without letter case and Unicode form."""

    names: Mapping[str, Sequence[str]]
    images: Mapping[str, Sequence[str]]  # without their endings


class PathFinder:
    """Finds what the paths of one table mean below one folder, and remembers how they had to be read."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._prefix: Sequence[str] = ()  # folders that paths of the table begin with and this machine does not have
        self._entries: dict[str, _Entries] = {}
        self._counts: Counter[str] = Counter()
        self._examples: dict[str, tuple[str, str]] = {}

    def find(self, written: str) -> str | None:
        """Return the path below the folder, with ``/``, of the file that a path means which does not exist as written.

        None: there is none, or several.
        """
        for text, how in _readings(written):
            parts = [part for part in posixpath.normpath(text).split("/") if part]
            steps = list(how)
            name = self._below(parts, steps) if not _is_absolute(text) else None
            name = name or self._without_prefix(text, parts, steps := list(how))
            if name is not None:
                self._counts[" and ".join(steps)] += 1
                self._examples.setdefault(" and ".join(steps), (written, name))
                return name
        return None

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each way in which paths had to be read."""
        return tuple(
            f"{plural(count, 'path of the table was', 'paths of the table were')} read {how}, such as "
            f"{shortened(self._examples[how][0])} as {shortened(self._examples[how][1])}."
            for how, count in self._counts.items()
        )

    def _below(self, parts: Sequence[str], steps: list[str]) -> str | None:
        """Find the parts of a path one inside the other; add to `steps` where a name differs."""
        here = self._folder
        for part in parts:
            entries = self._listed(here)
            names = entries.names.get(_folded(part), ())
            step = "in another letter case or Unicode form"
            if not names and part is parts[-1]:
                names, step = entries.images.get(_folded(part), ()), "with the ending of the file"
            if part not in names and len(names) != 1:
                return None
            if part not in names and step not in steps:
                steps.append(step)
            here = f"{here}/{part if part in names else names[0]}"
        return here[len(self._folder) + 1 :] or None

    def _without_prefix(self, text: str, parts: Sequence[str], steps: list[str]) -> str | None:
        """Find a path without its first folders, unless there is such a folder where it leads as it is written."""
        if os.path.isdir(os.path.join(self._folder, posixpath.dirname(text))):  # noqa: PTH112, PTH118  a million rows
            return None
        lengths = [len(self._prefix)] if self._prefix else range(1, len(parts))
        for length in lengths:
            if list(self._prefix or parts[:length]) == parts[:length]:
                without = list(steps)
                if name := self._below(parts[length:], without):
                    self._prefix = parts[:length]
                    steps[:] = [*without, f"without {shortened('/'.join(self._prefix))}/"]
                    return name
        return None

    def _listed(self, folder: str) -> _Entries:
        if folder not in self._entries:
            try:
                names = sorted(os.listdir(folder))  # noqa: PTH208  a million rows
            except OSError:
                names = []
            self._entries[folder] = _Entries(
                names=_grouped((_folded(name), name) for name in names),
                images=_grouped((_folded(name.rpartition(".")[0]), name) for name in names if is_image(name)),
            )
        return self._entries[folder]


def plain_path(written: str) -> str:
    """Return a path with ``/``, as it would be written here."""
    return list(_readings(written))[-1][0]


def leads_out(path: str, folder: Path) -> bool:
    """Return whether a path, with ``/``, is not below a folder."""
    full = os.path.normpath(os.path.join(folder, path))  # noqa: PTH118  a million rows
    return bool(_DRIVE.match(path)) or not full.startswith(f"{folder}/" if folder != Path(folder.anchor) else "/")


def _readings(written: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a path as it is written, and after each step that changes it, with the steps until there."""
    text, steps = written, []
    yield text, ()
    for step, read in _STEPS:
        if (changed := read(text)) != text:
            text = changed
            steps.append(step)
            yield text, tuple(steps)


_STEPS = (
    ("without the blanks around it", without_blanks),
    ("without the quotation marks around it", lambda text: _QUOTED.sub(r"\2", text)),
    ("as Windows-1252", as_text),
    ("with / for \\", lambda text: text.replace("\\", "/")),
    ("decoded from a URL", lambda text: unquote(_URL.sub("", text))),
)


def _is_absolute(text: str) -> bool:
    return text.startswith("/") or bool(_DRIVE.match(text))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _grouped(pairs: Iterator[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for key, name in pairs:
        groups[key].append(name)
    return dict(groups)
