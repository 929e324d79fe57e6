"""The click group that imports a command when it is called."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import click

from cnnexp.cli import COMMANDS
from cnnexp.errors import ConfigError
from cnnexp.system.text import one_line


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
        message = one_line(error.format_message())
        raise ConfigError(f"{message} See cnnexp {words[0]} --help.") from error
    return int(code or 0)


_STORE = "tracking.uri="
CARD_FILE = "card.json"  # as `cnnexp.portable.card` has it, which imports NumPy


def without_store(words: Sequence[str]) -> tuple[list[str], str]:
    """Return the words, and the store: the last ``tracking.uri=...`` among them, or the configured one."""
    others = [word for word in words if not word.startswith(_STORE)]
    stores = [word.removeprefix(_STORE) for word in words if word.startswith(_STORE)]
    return others, stores[-1] if stores else _configured_uri()


def _configured_uri() -> str:
    import yaml  # composing takes half a second

    from cnnexp.compose.schemas import CONF

    settings = yaml.safe_load((CONF / "tracking" / "default.yaml").read_text(encoding="utf-8"))
    return str(settings["uri"])


@contextmanager
def model_folder(target: str, *, uri: str) -> Iterator[Path]:
    """Give the folder of the model that is meant: an exported folder, or one of a recorded run.

    Raises:
        TargetError: no run is meant, or several are.
        ModelError: the run has no model.

    """
    if (Path(target) / CARD_FILE).is_file():
        yield Path(target)
        return
    from cnnexp.tracking.recorded_model import recorded_model

    with recorded_model(target, uri=uri).folder() as folder:
        yield folder


def accept_any_letter() -> None:
    """Let standard output replace letters that its encoding lacks, instead of failing."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")
