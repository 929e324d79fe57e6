"""SIGTERM as an exception, so that what Slurm, Docker and systemd stop still records how it ended."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A kind of KeyboardInterrupt: what lets Ctrl-C through lets this through."""

    exit_code = 128 + signal.SIGTERM


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise Terminated("SIGTERM")


@contextmanager
def raising_on_sigterm() -> Iterator[None]:
    """Raise :class:`Terminated` in the main thread when SIGTERM arrives within the block; elsewhere do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)
