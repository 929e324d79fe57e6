"""A command line as Hydra will read it: its overrides, and the flags that matter before Hydra does.

Hydra has no public way to ask. A test compares the flags listed here with those of the installed Hydra.
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra.conf import ConfigSourceInfo

from cnnexp.errors import ConfigError
from cnnexp.system.text import did_you_mean

INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")

_PRINTING = ("help", "hydra_help", "version", "shell_completion", "cfg", "info")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What is known of a run or a sweep before anything is composed."""

    arguments: tuple[str, ...]  # flags first: Hydra refuses them between overrides
    overrides: tuple[str, ...]
    multirun: bool
    only_prints: bool  # a flag asks for help, the configuration or the like
    config_dir: Path | None  # of further YAML files


def read_command_line(arguments: Sequence[str]) -> CommandLine:
    """Tell flags from overrides.

    Raises:
        ConfigError: a flag is unknown, or has a wrong value.

    """
    read = flags().parse_intermixed_args(list(arguments))
    of_flags = list(arguments)
    for override in read.overrides:
        of_flags.remove(override)
    config_dir = None if read.config_dir is None else Path(read.config_dir)
    return CommandLine(
        arguments=(*of_flags, *read.overrides),
        overrides=tuple(read.overrides),
        multirun=read.multirun,
        only_prints=any(getattr(read, name) for name in _PRINTING),
        config_dir=config_dir,
    )


def flags() -> argparse.ArgumentParser:
    """Return a parser of Hydra's flags."""
    parser = _Parser(add_help=False, allow_abbrev=False)  # --versio is a mistake, and no version of Hydra's
    parser.add_argument("overrides", nargs="*")
    for switch in ("--help -h", "--hydra-help", "--version", "--resolve", "--run -r", "--multirun -m"):
        parser.add_argument(*switch.split(), action="store_true")
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    for taking_a_value in ("--package -p", "--config-path -cp", "--config-name -cn", "--config-dir -cd"):
        parser.add_argument(*taking_a_value.split())
    parser.add_argument("--experimental-rerun")
    parser.add_argument("--cfg", "-c", choices=("job", "hydra", "all"))
    parser.add_argument("--info", "-i", nargs="?", const="all", choices=INFO)
    return parser


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, where argparse prints its usage and ends the process."""

    def error(self, message: str) -> NoReturn:
        wrong = re.search(r"--?[\w-]+", message)
        hint = did_you_mean(wrong[0], self._option_string_actions) if wrong else ""
        raise ConfigError(f"{message}; a setting is written key=value without dashes, --help shows all.{hint}")


def config_dir_of(sources: Sequence[ConfigSourceInfo]) -> str | None:
    """Return the folder of ``--config-dir`` among Hydra's sources of YAML files; None: there is none."""
    return next((one.path for one in sources if one.provider == "command-line"), None)
