"""Ctrl-C once: nothing new begins and what runs may finish; twice, or SIGTERM: stop now."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from cnnexp.tracking.signals import Terminated


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
