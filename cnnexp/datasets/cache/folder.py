"""The folder of decoded images and features: where it is, what it holds, and one lock for each entry.

<cache>/<name>-<key>/    key: sha256 of every file's path, size, time and mode, the image settings and the reader
images.npy           (N, H, W, C) uint8
catalogue.npz        the manifest's arrays (labels, declared splits, groups), duplicates, own sizes and colour modes
measures.npz         what the data check computed of each image; there once it was run
empty.npz            which images show nothing, so that measures of earlier versions need not be computed anew
files.txt            a name per line
entry.json           the rest, with a checksum of each file and of itself; written last, so that an entry without it is
                     unfinished
lock                 held by the process that decodes

Features of a data set, by a backbone, have entries of their own: ``features.npy``, entry.json and lock; see `features`.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnexp.errors import DataError
from cnnexp.system import locks
from cnnexp.system.files import at_home, content_of, is_there, remove, write_durably

READY = "entry.json"
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Entry:
    """One data set in the cache, or the features of one of its splits."""

    folder: Path
    name: str  # of the data set
    origin: str  # what it was decoded from; empty while unfinished
    images: int  # 0 while unfinished
    size: int  # bytes on disk
    used: float  # seconds since 1970, of the last run that opened it
    features: bool  # not images; False while unfinished
    complete: bool  # False: being decoded, or interrupted; the next run continues


def cache_folder(setting: str | None) -> Path:
    """Return the cache folder: `data.cache`, else $XDG_CACHE_HOME/cnnexp, else ~/.cache/cnnexp."""
    if setting is not None:
        return at_home(setting).resolve()
    home = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification has relative paths ignored.
    base = Path(home) if home and Path(home).is_absolute() else at_home("~/.cache")
    return base / "cnnexp"


def entries(cache: Path) -> tuple[Entry, ...]:
    """List what the cache holds, most recently used first."""
    if not cache.is_dir():
        return ()
    found = [_entry(path) for path in cache.iterdir() if path.is_dir() and _is_entry(path)]
    return tuple(sorted(found, key=lambda entry: -entry.used))


def clear(cache: Path, names: tuple[str, ...] | None = None) -> tuple[Entry, ...]:
    """Delete entries of the given data sets (None: of all) and return those deleted; entries in use stay."""
    deleted = []
    for entry in entries(cache):
        if names is not None and entry.name not in names:
            continue
        _remove_what_is_no_lock(entry.folder / LOCK)
        with _requiring_locks(cache), (entry.folder / LOCK).open("a") as file:
            if locks.try_lock(file):
                shutil.rmtree(entry.folder)
                deleted.append(entry)
    return tuple(deleted)


@contextmanager
def locked(entry: Path, *, while_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of an entry, whose folder is created; wait while another process holds it.

    Raises:
        DataError: the file system has no locks.

    """
    _remove_what_is_no_lock(entry / LOCK)
    with _requiring_locks(entry.parent), locks.locked_file(entry / LOCK, while_waiting=while_waiting):
        yield


@contextmanager
def _requiring_locks(cache: Path) -> Iterator[None]:
    try:
        yield
    except locks.LocksUnsupportedError as error:
        raise DataError(
            f"The cache folder must allow file locks; {cache} does not ({error.strerror}). "
            "Set data.cache to a folder on a local disk."
        ) from error


def _remove_what_is_no_lock(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        remove(path)


def write_description(entry: Path, contents: Mapping[str, Any]) -> None:
    """Write an entry's `entry.json`, with a checksum of it that no other entry has.

    Raises:
        OSError: it cannot be written.

    """
    write_durably(entry / READY, _serialized({**contents, "checksum": _checksum(entry, contents)}))


def description(entry: Path) -> dict[str, Any] | None:
    """Return the contents of an entry's `entry.json`; None: it is not there, damaged, or written by cnnexp 0.1.0."""
    content = content_of(entry / READY)
    try:
        contents = json.loads(content or b"")
        checked = {key: value for key, value in contents.items() if key != "checksum"}
    except (ValueError, AttributeError):  # not JSON, or no object
        return None
    expected = _serialized({**checked, "checksum": _checksum(entry, checked)})
    return contents if content == expected else None


def _checksum(entry: Path, contents: Mapping[str, Any]) -> str:
    return hashlib.sha256(entry.name.encode() + _serialized(contents)).hexdigest()


def _serialized(contents: Mapping[str, Any]) -> bytes:
    return json.dumps(contents, indent=1).encode()


def _is_entry(path: Path) -> bool:
    return is_there(path / READY) or is_there(path / LOCK)  # where another user may look into it alone, it is not ours


def _entry(path: Path) -> Entry:
    contents = description(path)
    complete = contents is not None
    return Entry(
        folder=path,
        name=contents["name"] if contents else path.name.rpartition("-")[0],
        origin=contents["origin"] if contents else "",
        images=contents["images"] if contents else 0,
        size=sum(map(_on_disk, path.iterdir())),
        used=next(filter(None, map(_modified, (path / READY, path / LOCK, path))), 0.0),
        features=contents is not None and "features.npy" in contents["checksums"],
        complete=complete,
    )


def _on_disk(file: Path) -> int:
    with suppress(FileNotFoundError):  # a process that decodes has renamed it
        return file.lstat().st_blocks * 512
    return 0


def _modified(file: Path) -> float:
    with suppress(OSError):  # it is gone, or a link to itself
        return file.stat().st_mtime
    return 0.0
