"""``python -m cnnexp``, and the command ``cnnexp``: a command by its name, everything else goes to Hydra."""

import os
import sys

# `python -m` has put the current folder before Python's own modules, where a user's random.py would stand for one.
if (
    __name__ == "__main__"
    and not sys.flags.safe_path
    and not __file__.startswith(f"{sys.path[0]}{os.sep}cnnexp{os.sep}")
):
    sys.path.append(sys.path.pop(0))

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cnnexp import __version__
from cnnexp.cli import COMMANDS
from cnnexp.cli.code_flags import with_code
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.system import quiet, streams
from cnnexp.system.secrets import masked
from cnnexp.system.text import did_you_mean, printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what `arguments` (default: those of the command line) ask for and return the exit code.

    0: done · 1: it failed · 2: the command line or a setting is wrong, nothing was started · 130: Ctrl-C ·
    143: SIGTERM. An expected failure is one line on standard error; ``HYDRA_FULL_ERROR=1`` shows the traceback.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    streams.open_missing()
    quiet.set_environment()
    show_all = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        return _dispatch_and_print(arguments)
    except CnnexpError as error:
        if show_all:
            raise
        streams.print_error("cnnexp: " + printable(masked(str(error)), keep="\n"))
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has left, as in ``--help | head``
        streams.abandon_output()
        return 1
    except KeyboardInterrupt as interrupt:
        streams.print_error("cnnexp: stopped.")
        return getattr(interrupt, "exit_code", 130)  # SIGTERM arrives as a kind of KeyboardInterrupt with its own


def _dispatch_and_print(arguments: Sequence[str]) -> int:
    with with_code(arguments) as plain, _quiet(plain) as others:
        code = _dispatch(others)
    streams.finish_output()
    return code


@contextmanager
def _quiet(arguments: Sequence[str]) -> Iterator[Sequence[str]]:
    """Take ``--quiet`` out of the arguments of what prints while it records, and have its reports keep quiet."""
    recording = not arguments or arguments[0] not in COMMANDS or arguments[0] in ("evaluate", "resume")
    others = [argument for argument in arguments if argument not in ("--quiet", "-q")]
    if not recording or len(others) == len(arguments):
        yield arguments
        return
    with streams.quiet_reports():
        yield others


def _dispatch(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in COMMANDS:
        from cnnexp.cli.command_line import run_command

        return run_command(arguments)
    if arguments and arguments[0].replace("-", "").isalpha() and not arguments[0].startswith("-"):
        hint = did_you_mean(arguments[0], COMMANDS, similarity=0.5) or " A setting is written key=value."
        raise ConfigError(f"{arguments[0]!r} is no command; choose from {', '.join(COMMANDS)}.{hint}")
    if "--version" in arguments:
        streams.print_required(f"cnnexp {__version__}")
        return 0
    if not {"--help", "-h"}.isdisjoint(arguments):
        from cnnexp.cli.help import print_help

        print_help()
        return 0
    if list(arguments)[:1] in (["-sc"], ["--shell-completion"]):
        from cnnexp.cli import completion

        if completion.is_query(arguments):
            completion.answer(arguments[1].removeprefix("query="))
            return 0
    from cnnexp.train import launch

    return launch(arguments)


if __name__ == "__main__":
    sys.exit(main())
