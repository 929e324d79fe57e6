"""SIGTERM as an exception, so that what Slurm, Docker and systemd stop still records how it ended."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self


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


class Interrupts:
    """Listens for both signals within its block; use it in the main thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.asked = False  # to stop after what is running

    def __enter__(self) -> Self:
        self._before = (
            signal.signal(signal.SIGINT, self._interrupt),
            signal.signal(signal.SIGTERM, self._terminate),
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), self._before, strict=True):
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        text = "Stopping: no new runs, those that are going on may finish. Ctrl-C again stops them now."
        # In a thread: the code that was interrupted may hold what saying it waits for.
        threading.Thread(target=self._say, args=(text,)).start()

    def _terminate(self, _number: int, _frame: FrameType | None) -> None:
        raise Terminated("SIGTERM")
