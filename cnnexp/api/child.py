"""The process of a run or a sweep that a Python program asked for: the command line's code, followed by the program."""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from types import FrameType
from typing import NoReturn

from cnnexp.errors import CnnexpError
from cnnexp.system import caller, quiet, streams
from cnnexp.system.caller import Ended, Ready
from cnnexp.system.secrets import masked
from cnnexp.system.text import one_line, printable


def main() -> None:
    """Take a command line from the connection whose number is the argument, execute it, and tell how it ended."""
    connection = Connection(int(sys.argv[1]))
    os.set_inheritable(connection.fileno(), False)
    arguments: list[str] = connection.recv()
    sys.argv = ["cnnexp", *arguments]  # commands that are printed or recorded name these words
    program = caller.connect(connection)
    signal.signal(signal.SIGINT, _interrupt_once)
    program.tell(Ready())
    ended = _execute(arguments)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    program.tell(ended)


def _interrupt_once(_number: int, _frame: FrameType | None) -> NoReturn:
    """Raise KeyboardInterrupt, and let nothing interrupt what is recorded then; a sweep has its own rule meanwhile."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _execute(arguments: Sequence[str]) -> Ended:
    """Execute as ``cnnexp`` does; an error keeps its class and its line, and nothing else."""
    streams.open_missing()
    quiet.set_environment()
    try:
        from cnnexp.cli.code_flags import with_code
        from cnnexp.train import launch

        with with_code(arguments) as plain:
            launch(plain)
    except CnnexpError as error:
        return Ended(type(error)(printable(masked(str(error)), keep="\n")), interrupted=False)
    except KeyboardInterrupt:
        return Ended(None, interrupted=True)
    except Exception as error:  # whatever it is, the program gets one line; the record has its traceback
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            traceback.print_exc()
        reason = one_line(f"{type(error).__name__}: {error}")
        text = f"The process of the run failed: {masked(reason)}. traceback.txt of the run has the traceback."
        return Ended(CnnexpError(text), interrupted=False)
    return Ended(None, interrupted=False)


if __name__ == "__main__":
    main()
