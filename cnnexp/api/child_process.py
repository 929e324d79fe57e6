"""The process of a run or a sweep, as the program sees it: what it tells, how it is interrupted, how it ended."""

import queue
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import IO, Self

from cnnexp.errors import CnnexpError
from cnnexp.system import own_process
from cnnexp.system.caller import Ended, Message, Moving, Ready, Recorded
from cnnexp.system.signals import instead_of_interrupting, name_of

_MOST_INTERRUPTS = 2  # that are passed on: the second one stops the running runs of a sweep
_COLUMNS = "100"  # of what it prints, where that is captured


@dataclass(frozen=True, slots=True)
class Printed:
    """A line that the process has printed."""

    text: str
    is_warning: bool  # it was printed on standard error


Show = Callable[[Moving | Printed], None]


class ChildProcess:
    """One process that executes a command line of cnnexp."""

    def __init__(self, process: "subprocess.Popen[str]", connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._interrupts = self._passed_on = 0
        self._is_ready = False
        self._messages: queue.SimpleQueue[Message | Printed | None] = queue.SimpleQueue()
        self._readers = [threading.Thread(target=self._receive, daemon=True)]
        for output in (process.stdout, process.stderr):
            if output is not None:
                is_warning = output is process.stderr
                self._readers.append(threading.Thread(target=self._read, args=(output, is_warning), daemon=True))
        for reader in self._readers:
            reader.start()

    @classmethod
    def start(cls, arguments: Sequence[str], *, captured: bool) -> Self:
        """Start it: in the current folder, with the variables of this program.

        Args:
            arguments: of ``cnnexp``.
            captured: what it prints is told, line by line; else it goes where this program's own output goes.

        """
        ours, theirs = Pipe()
        output = subprocess.PIPE if captured else None
        process = subprocess.Popen(
            own_process.command_of("cnnexp.api.child", str(theirs.fileno())),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=_environment(captured=captured),
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # a Ctrl-C reaches it once: through this program
        )
        theirs.close()
        ours.send(list(arguments))
        return cls(process, ours)

    def follow(self, show: Show) -> Recorded | None:
        """Show what it tells until it ends; return what it has recorded, None: nothing.

        Ctrl-C is passed on, and the process still ends as it should: with a complete record.

        Raises:
            KeyboardInterrupt: it was interrupted.
            CnnexpError: what it failed with, or that it was killed.

        """
        recorded, ended = None, None
        with instead_of_interrupting(self._interrupt):
            while (message := self._messages.get()) is not None:
                match message:
                    case Ready():
                        self._is_ready = True
                        self._pass_on()
                    case Recorded():
                        recorded = message
                    case Ended():
                        ended = message
                    case Moving() | Printed():
                        show(message)
            code = self._process.wait()
        self._connection.close()
        self._raise(ended, code)
        return recorded

    def _interrupt(self) -> None:
        self._interrupts = min(self._interrupts + 1, _MOST_INTERRUPTS)
        self._pass_on()

    def _pass_on(self) -> None:
        """Pass interrupts on, once the process records what they stop."""
        while self._is_ready and self._passed_on < self._interrupts and self._process.poll() is None:
            self._passed_on += 1
            self._process.send_signal(signal.SIGINT)

    def _raise(self, ended: Ended | None, code: int) -> None:
        if ended is None and not self._interrupts:
            raise CnnexpError(
                f"The process of the run must end by itself; it ended with {_meaning(code)}. What it had recorded by "
                "then is in MLflow. Was it out of memory? Try training.accumulate=auto, or a smaller data.size."
            )
        if ended is None or ended.interrupted:
            raise KeyboardInterrupt
        if ended.error is not None:
            raise ended.error

    def _receive(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                self._messages.put(self._connection.recv())
        for reader in self._readers[1:]:
            reader.join()
        self._messages.put(None)

    def _read(self, output: IO[str], is_warning: bool) -> None:
        with output:
            for line in output:
                self._messages.put(Printed(line.rstrip("\n"), is_warning))


def _environment(*, captured: bool) -> Mapping[str, str]:
    return own_process.user_variables(**({"COLUMNS": _COLUMNS, "PYTHONIOENCODING": "utf-8"} if captured else {}))


def _meaning(code: int) -> str:
    return f"signal {name_of(-code)}" if code < 0 else f"exit code {code}"
