"""The Python program that started this process with ``cnnexp.run`` or ``cnnexp.sweep``, and follows it.

It is told what it cannot know otherwise: what moves, where a run was recorded, and how all of it ended. A process that
was started from a command line has no caller, and tells nobody.
"""

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from cnnexp.errors import CnnexpError


@dataclass(frozen=True, slots=True)
class Ready:
    """The process takes interrupts from here on."""


@dataclass(frozen=True, slots=True)
class Moving:
    """What a terminal would show below its lasting lines now."""

    text: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run, or a sweep, has been recorded."""

    run_id: str | None  # None: the store was never asked
    uri: str  # of the store, file names absolute
    kept_folder: Path | None  # of a record that could not be delivered
    reason: str  # why; empty where it was


@dataclass(frozen=True, slots=True)
class Ended:
    """The process has nothing more to do."""

    error: CnnexpError | None
    interrupted: bool


Message = Ready | Moving | Recorded | Ended


class Caller:
    """The end of the connection that is in this process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()  # what moves is told by a thread
        threading.Thread(target=self._end_with_it, daemon=True).start()

    def tell(self, message: Message) -> None:
        """Send a message; where the caller is gone, nobody needs it."""
        with self._sending, suppress(OSError):
            self._connection.send(message)

    def _end_with_it(self) -> None:
        """Stop as by SIGTERM, which records how far it came, when the caller has ended."""
        with suppress(EOFError, OSError):
            self._connection.recv()
        os.kill(os.getpid(), signal.SIGTERM)


_callers: list[Caller] = []  # at most one


def connect(connection: Connection) -> Caller:
    """Have this process followed by the program at the other end."""
    _callers.append(Caller(connection))
    return _callers[0]


def is_there() -> bool:
    """Return whether a program follows this process."""
    return bool(_callers)


def tell(message: Message) -> None:
    """Send a message to the caller; without one, nothing happens."""
    for caller in _callers:
        caller.tell(message)
