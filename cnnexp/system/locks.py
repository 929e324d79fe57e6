"""Locks between processes: on a folder, which leaves no file behind, or on a file.

The kernel releases them when their holder dies, however it dies.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_POLL = 0.05  # seconds between two attempts


class LocksUnsupportedError(OSError):
    """The file system has no locks, as some network drives."""


def try_lock(file: IO[str] | int) -> bool:
    """Lock an open file until it is closed or this process dies; return False where another process holds it.

    Raises:
        LocksUnsupportedError: the file system has no locks.

    """
    return _try(file, fcntl.LOCK_EX)


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds a file.

    Raises:
        OSError: there is no such file, or its file system has no locks.

    """
    with path.open() as file:
        return not _try(file, fcntl.LOCK_SH)


def _try(file: IO[str] | int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise LocksUnsupportedError(error.errno, error.strerror) from error
    return True


def lock(file: IO[str]) -> None:
    """Lock an open file until it is closed or this process dies; wait for another process that holds it.

    Raises:
        LocksUnsupportedError: the file system has no locks.

    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        raise LocksUnsupportedError(error.errno, error.strerror) from error


def require_locks(folder: Path) -> None:
    """Make sure that a folder can be locked, whoever holds it.

    Raises:
        LocksUnsupportedError: the file system has no locks.

    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        _try(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


@contextmanager
def locked_folder(folder: Path, *, patience: float) -> Iterator[None]:
    """Hold a folder alone within the block.

    Raises:
        TimeoutError: another process holds it for more than `patience` seconds.
        LocksUnsupportedError: its file system has no locks.

    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + patience
        while not try_lock(handle):
            if time.monotonic() > deadline:
                raise TimeoutError
            time.sleep(_POLL)
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_file(path: Path, *, while_waiting: Callable[[], None]) -> Iterator[None]:
    """Hold a file alone within the block; it is created with its folder, and may be deleted by whoever holds it.

    Args:
        path: The file.
        while_waiting: Called again and again while another process holds it.

    Raises:
        LocksUnsupportedError: its file system has no locks.

    """
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            if try_lock(file):
                if _is_still(path, file):
                    yield
                    return
                continue  # the last holder deleted it after it was opened here
        while_waiting()
        time.sleep(_POLL)


def _is_still(path: Path, file: IO[str]) -> bool:
    return path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno()))
