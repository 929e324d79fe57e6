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
def raising_on_sigterm(*others: signal.Signals) -> Iterator[None]:
    """Raise :class:`Terminated` in the main thread when SIGTERM arrives within the block; elsewhere do nothing.

    `others` are treated alike, unless they are ignored, as nohup has it for SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    heeded = [number for number in others if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, _raise) for number in (signal.SIGTERM, *heeded)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
