"""What the shell offers after a Tab: commands, their options, settings with their values, and files.

Hydra's completion knows settings alone, takes seconds, and types its errors where a word belongs. It is installed as
Hydra's (``cnnexp -sc install=bash``), which asks ``cnnexp -sc query=bash`` for words; the answer is given here.
"""

import os
from collections.abc import Iterable, Iterator, Sequence

import click

from cnnexp.cli import COMMANDS
from cnnexp.cli.code_flags import EXTEND, with_code
from cnnexp.cli.commands import commands
from cnnexp.config import PATHS, Override, all_settings, names_affecting
from cnnexp.config.backbones import BACKBONES
from cnnexp.config.defaults import CONF, options
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.system.files import at_home, is_folder
from cnnexp.system.streams import print_required

_FLAGS = (
    *("--cfg", "--config-dir", "--extend", "--help", "--info", "--multirun", "--quiet", "--trust-code", "--version"),
)
_QUERY = "query="


def is_query(arguments: Sequence[str]) -> bool:
    """Tell whether a shell asks for words."""
    return len(arguments) == 2 and arguments[0] in ("-sc", "--shell-completion") and arguments[1].startswith(_QUERY)


def answer(shell: str) -> None:
    """Print the words that may stand at the end of the line in ``COMP_LINE``, as the shell's function reads them."""
    words = [word for word in offered(os.environ["COMP_LINE"]) if shell == "fish" or not _has_blank(word)]
    print_required(("\n" if shell == "fish" else " ").join(words))


def offered(line: str) -> list[str]:
    """Return the words that may stand where the last word of a command line begins; the first is the program."""
    *before, last = line.split() + ([""] if line[-1:].isspace() else [])
    if before[-1:] == [EXTEND]:
        return sorted(word for word in _files(last) if word.endswith((".py", "/")))
    try:
        with with_code(before[1:]) as words:
            return sorted({word for word in _words(words, last) if word.startswith(last)}) if before else []
    except CnnexpError:  # code that cannot be loaded offers nothing; the command itself says why
        return []


def _words(before: Sequence[str], last: str) -> Iterator[str]:
    command = commands.commands.get(before[0]) if before else None
    if command is not None:
        yield from _of_command(command, last)
        return
    if last.startswith("-"):
        yield from _FLAGS
        return
    if not before:
        yield from COMMANDS
    yield from _settings(last)


def _of_command(command: click.Command, last: str) -> Iterator[str]:
    if last.startswith("-"):
        yield "--help"
        yield from (name for parameter in command.params for name in parameter.opts if name.startswith("-"))
        return
    names = [parameter.name for parameter in command.params]
    if "=" in last or "settings" in names:
        yield from _settings(last)
    if "target" in names or "targets" in names or "sweep" in names:
        yield "latest"
    if not {"images", "target", "folder"}.isdisjoint(names):
        yield from _files(last)


def _settings(last: str) -> Iterator[str]:
    override = Override.parse(last)
    if override.value is None:
        yield from (f"{override.prefix}{name}" for name in _names(override.key))
        return
    beginning = last[: len(last) - len(override.value)]
    yield from (f"{beginning}{value}" for value in _values(override))


def _names(typed: str) -> Iterator[str]:
    """Offer groups, and the settings of a group once its name and the dot are there."""
    for group in sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name not in ("hydra", "shared")):
        yield f"{group}="
    for name in all_settings():
        if "." not in name or name.startswith(f"{typed.partition('.')[0]}."):
            yield f"{name}="


def _values(override: Override) -> Iterable[str]:
    if override.key in names_affecting(*PATHS):
        return _files(override.value or "")
    return tuple(BACKBONES) if override.key == "model.backbone" else options(override.key)


def _files(typed: str) -> Iterator[str]:
    """Offer what is in the folder that a path has come to, folders with a slash."""
    folder, _, beginning = typed.rpartition("/")
    try:
        found = list(at_home(folder or ("/" if typed.startswith("/") else ".")).iterdir())
    except (ConfigError, OSError):  # there is no such user, no such folder, or it may not be listed
        return
    prefix = typed[: len(typed) - len(beginning)]
    for path in found:
        if path.name.startswith(beginning) and (beginning or not path.name.startswith(".")):
            yield f"{prefix}{path.name}{'/' if is_folder(path) else ''}"


def _has_blank(word: str) -> bool:
    return any(letter.isspace() for letter in word)
