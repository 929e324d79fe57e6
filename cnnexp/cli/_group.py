"""The click group that imports a command when it is called."""

from collections.abc import Sequence
from importlib import import_module

import click

from cnnexp.cli import COMMANDS
from cnnexp.errors import ConfigError


class _Commands(click.Group):
    """Every module of `cnnexp.cli` as a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = import_module(f"cnnexp.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)
        return command


def run_command(words: Sequence[str]) -> int:
    """Run the command that the first word names, with the others as its arguments; return its exit code.

    A command returns its exit code, or None for 0.

    Raises:
        ConfigError: an argument or an option is wrong.

    """
    try:
        code = _Commands(name="cnnexp").main(list(words), prog_name="cnnexp", standalone_mode=False)
    except click.Abort as abort:
        # click's word for Ctrl-C; a SIGTERM among them keeps its exit code
        raise abort.__cause__ if isinstance(abort.__cause__, KeyboardInterrupt) else KeyboardInterrupt from None
    except click.ClickException as error:
        message = " ".join(error.format_message().split())
        raise ConfigError(f"{message} See cnnexp {words[0]} --help.") from error
    return int(code or 0)
