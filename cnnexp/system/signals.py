"""SIGTERM as an exception, so that a process that Slurm, Docker or systemd stops still records how it ended."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, Self

_Handlers = dict[signal.Signals, Any]


def name_of(number: int) -> str:
    """Return the name of a signal, such as SIGKILL; of a real-time one, as Python has none, such as SIGRTMIN+1."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived. A kind of KeyboardInterrupt: what lets Ctrl-C through lets this through."""

    exit_code = 128 + signal.SIGTERM


def _raise_terminated(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated("SIGTERM")


def _install(handlers: _Handlers) -> _Handlers:
    """Set handlers and return the previous ones."""
    return {number: signal.signal(number, handler) for number, handler in handlers.items()}


def _restore(previous: _Handlers) -> None:
    for number, handler in previous.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: a handler that is not of Python


@contextmanager
def raising_on_sigterm(*others: signal.Signals) -> Iterator[None]:
    """Raise :class:`Terminated` in the main thread when SIGTERM arrives within the block; no effect in other threads.

    `others` are treated alike, unless they are ignored, as nohup does with SIGHUP.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers
        return
    numbers = (signal.SIGTERM, *(number for number in others if signal.getsignal(number) is not signal.SIG_IGN))
    previous = _install(dict.fromkeys(numbers, _raise_terminated))
    try:
        yield
    finally:
        _restore(previous)


@contextmanager
def instead_of_interrupting(act: Callable[[], None]) -> Iterator[None]:
    """Call `act` for each Ctrl-C within the block; no effect in other threads than the main one, which gets none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = _install({signal.SIGINT: lambda _number, _frame: act()})
    try:
        yield
    finally:
        _restore(previous)


class StopRequest:
    """Notes the first Ctrl-C or SIGTERM within its block, for who asks; a second one raises at once.

    The block raises at its end what was asked for and not raised by then. No effect in other threads than the main one.
    """

    def __init__(self, report: Callable[[str], None], *, text: str, patient: bool = False) -> None:
        """Report `text` when an end is asked for; one that is `patient` is not hurried by being asked again."""
        self._report = report
        self._text = text
        self._patient = patient
        self.requested: KeyboardInterrupt | None = None  # what is to be raised

    def __enter__(self) -> Self:
        in_main = threading.current_thread() is threading.main_thread()
        handlers: _Handlers = {signal.SIGINT: self._note, signal.SIGTERM: self._note} if in_main else {}
        self._previous = _install(handlers)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        _restore(self._previous)
        if kind is None and self.requested is not None:
            raise self.requested

    def _note(self, number: int, _frame: FrameType | None) -> None:
        asked = Terminated("SIGTERM") if number == signal.SIGTERM else KeyboardInterrupt()
        if self.requested is not None:
            if self._patient:
                return
            raise asked
        self.requested = asked
        # In a thread: the interrupted code may hold a lock that reporting needs.
        threading.Thread(target=self._report, args=(self._text,)).start()


class Interrupts:
    """Handles Ctrl-C and SIGTERM within its block, in the main thread.

    The first Ctrl-C asks for an end after the current work, the second raises KeyboardInterrupt; SIGTERM raises
    :class:`Terminated` at once.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self.stop_requested = False  # after the work that is running

    def __enter__(self) -> Self:
        self._previous = _install({signal.SIGINT: self._interrupt, signal.SIGTERM: _raise_terminated})
        return self

    def __exit__(self, *_: object) -> None:
        _restore(self._previous)

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        if self.stop_requested:
            raise KeyboardInterrupt
        self.stop_requested = True
        text = "Stopping: no new runs start, running ones may finish. Press Ctrl-C again to stop them now."
        # In a thread: the interrupted code may hold a lock that reporting needs.
        threading.Thread(target=self._report, args=(text,)).start()
