"""Locks between processes that leave no file behind: on a folder, or on a file that is there anyway.

The kernel drops them when the holder dies, however it dies.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_POLL = 0.02  # seconds between attempts


@contextmanager
def locked(folder: Path, *, patience: float) -> Iterator[None]:
    """Hold `folder` alone; raise TimeoutError when another process holds it for more than `patience` seconds."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        _acquire(handle, deadline=time.monotonic() + patience)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, *, deadline: float) -> None:
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError from None
            time.sleep(_POLL)


def hold(file: IO[str]) -> None:
    """Hold an open file until it is closed or this process dies."""
    fcntl.flock(file, fcntl.LOCK_EX)


def is_held(path: Path) -> bool:
    """Tell whether a living process holds the file."""
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
