"""Checksums of files, each computed once in a process, and again when something about the file has moved.

CRC-32 of blocks of a file, in several threads: it notices what disks and power cuts do, is the fastest that Python
has everywhere, and its speed is measured by `benchmarks/cache_verification.py`. It is no protection against forgery.
"""

import hashlib
import os
import zlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cnnexp.system.files import opened_regular
from cnnexp.system.resources import cores

_BLOCK = 2**22  # bytes per CRC-32
_DIGITS = 16  # of a checksum, hexadecimal


@dataclass(frozen=True, slots=True)
class FileState:
    """What moves when a file is written, replaced, renamed or linked; damage to the disk alone moves nothing."""

    device: int
    inode: int
    size: int  # bytes
    modified: int  # nanoseconds since 1970
    changed: int  # nanoseconds since 1970, of content, name or rights; no program can set it


@dataclass(frozen=True, slots=True)
class Verified:
    """A file whose content was read, as it was then."""

    state: FileState
    checksum: str


_verified: dict[Path, Verified] = {}  # read by this process, or before by another process of the same sweep


def checksum(path: Path) -> str:
    """Return the checksum of a file's content and size.

    Raises:
        OSError: it is not a regular file, or cannot be read.

    """
    with opened_regular(path) as handle:
        state = _state(handle)
        known = _verified.get(path)
        if known is None or known.state != state:
            known = _verified[path] = Verified(state, _computed(handle, state.size))
    return known.checksum


def verified() -> dict[Path, Verified]:
    """Return all files that this process has read, for `trust` in another process of this machine."""
    return dict(_verified)


def trust(files: Mapping[Path, Verified]) -> None:
    """Take over what other processes of this machine have read; files that moved since are read all the same."""
    _verified.update(files)


def _state(handle: int) -> FileState:
    found = os.fstat(handle)
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _computed(handle: int, size: int) -> str:
    def crc(start: int) -> bytes:
        return zlib.crc32(os.pread(handle, _BLOCK, start)).to_bytes(4, "little")

    starts = range(0, size, _BLOCK)
    if len(starts) < 2:
        crcs = [crc(start) for start in starts]
    else:
        with ThreadPoolExecutor(min(cores(), len(starts))) as threads:  # hashing releases the interpreter lock
            crcs = list(threads.map(crc, starts))
    return hashlib.sha256(b"%d " % size + b"".join(crcs)).hexdigest()[:_DIGITS]
