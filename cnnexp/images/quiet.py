"""Warnings of libraries while an image is read: what is wrong with a file is said by the error, once."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _WithoutWarnings:
    """Ignores warnings as long as any thread is within.

    ``warnings.catch_warnings`` alone restores what it found, which may be what another thread has set for a moment: so
    the first thread that enters sets the filter, and the last one that leaves restores it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(None, None, None)


without_warnings = _WithoutWarnings()

_stderr = threading.Lock()


@contextmanager
def without_stderr() -> Iterator[None]:
    """Drop what C libraries write to standard error within the block, past Python: one thread at a time."""
    with _stderr:
        try:
            kept = os.dup(2)
        except OSError:  # closed, as in a daemon: nothing is printed anyway
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(nowhere)
            os.close(kept)
