"""Paths as people write them, and files that are there whole or not at all, whenever their writer dies."""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cnnexp.errors import ConfigError


def at_home(path: str | Path) -> Path:
    """Return a path with ``~`` or ``~user`` at its beginning replaced by that home folder.

    What is called so itself, such as a folder ``~x`` where no user is called x, stays.

    Raises:
        ConfigError: there is no such user, or none whose home folder is known.

    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        if is_there(path):
            return Path(path)
        user = Path(path).parts[0]
        reason = "HOME is not set" if user == "~" else f"there is no user {user[1:]}"
        raise ConfigError(
            f"{user} at the beginning of a path stands for a home folder, and {reason}; got {str(path)!r}. Write the "
            "whole path, from / on."
        ) from error


def is_there(path: str | Path) -> bool:
    """Tell whether there is something at a path that somebody typed.

    Nothing is where a name is too long, or where a folder may not be entered; `Path.exists` raises there.
    """
    return os.path.exists(path)  # noqa: PTH110


def is_file(path: str | Path) -> bool:
    """Tell whether there is a file at a path that somebody typed, see `is_there`."""
    return os.path.isfile(path)  # noqa: PTH113


def is_folder(path: str | Path) -> bool:
    """Tell whether there is a folder at a path that somebody typed, see `is_there`."""
    return os.path.isdir(path)  # noqa: PTH112


def reason_of(error: OSError) -> str:
    """Return why a file or folder cannot be used, and which one where the system says so; no sentence."""
    place = "" if error.filename is None else f" ({error.filename})"
    return f"{error.strerror or error}{place}"


def remove_if_empty(folder: Path) -> None:
    """Remove the folder of what the processes of a sweep print, and that of the day above it, where they are empty."""
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written; the old file is still there, and nothing else.

    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_durably(path: Path, content: bytes) -> None:
    """Write a file atomically, and return when it is on the disk: a power cut leaves the old file or the new one.

    Raises:
        OSError: it cannot be written; the old file is still there, and nothing else.

    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        sync_file(temporary)
    sync_folder(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, in the same folder, that becomes `path` when the block ends; removed if it fails.

    One process at a time may replace a file.
    """
    temporary = path.with_name(f"{path.name}.part")
    temporary.unlink(missing_ok=True)  # of a process that was killed
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sync_file(path: Path) -> None:
    """Return when the content of a file is on the disk.

    Raises:
        OSError: it could not be written there.

    """
    _sync(path)


def sync_folder(path: Path) -> None:
    """Return when the names in a folder are on the disk, where its file system can say so."""
    with suppress(OSError):  # some network drives refuse it
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def opened_regular(path: Path) -> Iterator[int]:
    """Open a file for reading that is a regular file: no link, and no pipe, which would wait for a writer.

    Raises:
        OSError: it is not there, is something else, or may not be read.

    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path} is not a regular file")
        yield handle
    finally:
        os.close(handle)


def content_of(path: Path) -> bytes | None:
    """Return the content of a regular file; None if there is none, or it cannot be read."""
    try:
        with opened_regular(path) as handle, open(handle, "rb", closefd=False) as file:
            return file.read()
    except OSError:
        return None


def remove(path: Path) -> None:
    """Remove what is at a path, if anything: a file, a link, or a folder with all it holds.

    Raises:
        OSError: it cannot be removed.

    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
