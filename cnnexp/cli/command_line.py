"""Runs the command that a command line names, and makes of click's errors ours."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import click

from cnnexp.cli.commands import commands
from cnnexp.cli.outputs import with_values
from cnnexp.errors import ConfigError
from cnnexp.system.streams import printed_at_once
from cnnexp.system.text import one_line

# Options that may stand alone, and what they mean then; the argument after them has never been their value.
_ALONE: Mapping[str, Mapping[str, str]] = {
    "check-data": {"--json": "-"},
    "compare": {"--json": "-"},
    "diagnose": {"--json": "-"},
    "export": {"--tflite": "float32"},
}


def run_command(arguments: Sequence[str]) -> int:
    """Run the command that the first argument names, with the others as its arguments; return its exit code.

    A command returns its exit code, or None for 0.

    Raises:
        ConfigError: an argument or an option is wrong.

    """
    try:
        with printed_at_once() if "--help" in arguments else nullcontext():
            code = commands.main(_unambiguous(arguments), prog_name="cnnexp", standalone_mode=False)
    except click.Abort as abort:
        # what click makes of Ctrl-C; a SIGTERM, which arrives as the same, keeps its exit code
        raise abort.__cause__ if isinstance(abort.__cause__, KeyboardInterrupt) else KeyboardInterrupt from None
    except click.ClickException as error:
        message = one_line(error.format_message())
        raise ConfigError(f"{message} See cnnexp {arguments[0]} --help.") from error
    return int(code or 0)


def _unambiguous(arguments: Sequence[str]) -> list[str]:
    return with_values(arguments, _ALONE.get(arguments[0], {}))
