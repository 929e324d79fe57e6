r"""What a zip archive holds, by paths with ``/`` below its root, however the program that packed it spells them.

cat\001.png                                   of Windows       read as cat/001.png
./cat/001.png                                 of find . | zip  read as cat/001.png
../cat/001.png  /cat/001.png  C:/cat/001.png  lead out         refused
"""

import posixpath
import re
import stat
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile, ZipInfo

from cnnexp.datasets.sources.folders.layout import is_image
from cnnexp.datasets.sources.folders.links import Link
from cnnexp.errors import DataError
from cnnexp.system.text import plural, printable

_UNIX = 3  # the system that an archive's attributes are of
_LONGEST = 4_096  # bytes of a path that a link leads to
_ENCRYPTED = 0x1  # of a member's flags
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, slots=True)
class ZipMembers:
    """The content of an archive."""

    files: Mapping[str, str]  # path with "/" -> name in the archive
    folders: tuple[str, ...]  # that have an entry of their own
    links: tuple[Link, ...]  # that lead to no file of the archive
    notes: tuple[str, ...]


@contextmanager
def opened(path: Path) -> Iterator[ZipFile]:
    """Open an archive.

    Raises:
        DataError: its list of members is damaged.

    """
    try:
        archive = ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a zip archive: {error}. Is it complete? Copy it again.") from error
    with archive:
        yield archive


def zip_members(archive: ZipFile, *, origin: Path) -> ZipMembers:
    """List an archive; of several members of one path the last one counts, as for every program that unpacks it.

    Raises:
        DataError: a path leads out of the archive, or images are encrypted or compressed in a way that is not read.

    """
    entries = [(_path(member.filename), member) for member in archive.infolist()]
    _refuse([name for path, member in entries if path is None for name in [member.filename]], _OUTSIDE, origin)
    targets = {path: _target(archive, path, member) for path, member in entries if path and _is_link(member)}
    entries = [(path, member) for path, member in entries if not _is_link(member)]
    held = {path: member for path, member in entries if path and not _is_folder(member)}
    files = held | {path: held[target] for path, target in targets.items() if target in held}
    images = {path: member for path, member in files.items() if is_image(path)}
    for rule, is_wrong in _UNREAD:
        _refuse([path for path, member in images.items() if is_wrong(member)], rule, origin)
    return ZipMembers(
        files={path: member.filename for path, member in files.items()},
        folders=tuple(path for path, member in entries if path and _is_folder(member)),
        links=tuple(_link(path, target, held) for path, target in targets.items() if target not in held),
        notes=_repeated(sum(not _is_folder(member) for _, member in entries) - len(held)),
    )


def _path(name: str) -> str | None:
    """Return a member's path below the root of the archive; None if it leads out."""
    parts = name.replace("\\", "/").split("/")
    if (not parts[0] and len(parts) > 1) or ".." in parts or _DRIVE.match(parts[0]):
        return None
    return "/".join(part for part in parts if part not in ("", "."))


def _is_folder(member: ZipInfo) -> bool:
    return member.filename.endswith(("/", "\\"))


def _is_link(member: ZipInfo) -> bool:
    return member.create_system == _UNIX and stat.S_ISLNK(member.external_attr >> 16)


def _link(path: str, target: str | None, held: Collection[str]) -> Link:
    """Return a link that is not followed; one to a folder of the archive could only repeat images."""
    inside = target is not None and any(name.startswith(f"{target}/") for name in held)
    return Link(path, target="", is_folder=inside or not is_image(path), inside=target if inside else None)


def _target(archive: ZipFile, path: str, member: ZipInfo) -> str | None:
    """Return the path that a link leads to, below the root of the archive; None: it leads out, or is damaged."""
    if member.file_size > _LONGEST or member.flag_bits & _ENCRYPTED:
        return None
    try:
        text = archive.read(member).decode("utf-8", "replace")
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error):
        return None
    found = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
    return None if found.startswith(("/", "..")) else found


_OUTSIDE = "lie inside it; {} not, such as {}. Pack the folder of the images again, from inside it"
_UNREAD: tuple[tuple[str, Callable[[ZipInfo], bool]], ...] = (
    (
        "be readable without a password; {} not, such as {}. Unpack the archive and name the folder: data.path=FOLDER",
        lambda member: bool(member.flag_bits & _ENCRYPTED),
    ),
    (
        "be stored, or compressed by deflate, bzip2 or lzma; {} not, such as {}. Pack the archive again",
        lambda member: member.compress_type not in _READ,
    ),
)


def _refuse(names: list[str], rule: str, origin: Path) -> None:
    if names:
        wrong = rule.format(plural(len(names), "does", "do"), printable(names[0]))
        raise DataError(f"Every file in {origin} must {wrong}.")


def _repeated(count: int) -> tuple[str, ...]:
    if not count:
        return ()
    return (f"The archive holds {plural(count, 'file')} again under the same name; the last of each was read.",)
