"""The content of a file: never of a pipe or device, which might never end, and of limited size."""

import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

from .errors import UnreadableImageError

File = str | Path | bytes
LARGEST = 2**30  # bytes of a file that are read into memory


def read_content(source: File) -> bytes:
    """Return all bytes of a file.

    Raises:
        UnreadableImageError: it is a pipe, a device or a folder, too large, or empty.
        OSError: it cannot be opened or read.

    """
    if isinstance(source, bytes):
        return _not_empty(source)
    file = _open(source)  # half the time of Python's file objects, which matters for small images
    try:
        size = os.fstat(file).st_size
        if size > LARGEST:
            raise UnreadableImageError(f"it has {size:,} bytes; at most {LARGEST:,} are read.")
        return _not_empty(os.read(file, size))
    finally:
        os.close(file)


def read_head(source: File, size: int) -> bytes:
    """Return the first bytes of a file; errors are those of :func:`read_content`."""
    if isinstance(source, bytes):
        return _not_empty(source[:size])
    file = _open(source)
    try:
        return _not_empty(os.read(file, size))
    finally:
        os.close(file)


def open_file(source: File) -> BinaryIO:
    """Return a file to be read piece by piece, because it may hold many images after the first."""
    return io.BytesIO(source) if isinstance(source, bytes) else os.fdopen(_open(source), "rb")


def _open(path: str | Path) -> int:
    mode = os.stat(path).st_mode  # noqa: PTH116  a million files
    if not stat.S_ISREG(mode):
        raise UnreadableImageError("it is a directory." if stat.S_ISDIR(mode) else "it is a pipe or device, no file.")
    return os.open(path, os.O_RDONLY)


def _not_empty(content: bytes) -> bytes:
    if not content:
        raise UnreadableImageError("the file is empty.")
    return content
