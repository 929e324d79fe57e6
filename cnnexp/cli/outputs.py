"""Where a command writes what it found: ``--json`` alone and ``--json=-`` print it, ``--json=FILE`` writes a file."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from cnnexp.errors import ConfigError
from cnnexp.system.streams import print_document

STDOUT = Path("-")

FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


def with_values(arguments: Sequence[str], values: Mapping[str, str]) -> list[str]:
    """Write an option that stands alone with the value it means then: the argument after it is never its value."""
    return [f"{argument}={values[argument]}" if argument in values else argument for argument in arguments]


def refuse_to_mix(outputs: Mapping[str, Path | None]) -> None:
    """Refuse several documents on standard output, or in one file.

    Raises:
        ConfigError: two of the options mean the same.

    """
    printed = [f"--{name}" for name, path in outputs.items() if path == STDOUT]
    if len(printed) > 1:
        raise ConfigError(f"Only one document can be printed; got {' and '.join(printed)}. Write {printed[0]}=FILE.")
    written: dict[str, str] = {}
    for name, path in outputs.items():
        if path is not None and (other := written.setdefault(os.path.realpath(path), name)) != name:
            raise ConfigError(f"Each document needs a file of its own; --{other} and --{name} are both {path}.")


def write_document(text: str, path: Path, *, option: str) -> None:
    """Write a document to a file in UTF-8, or print it.

    Raises:
        ConfigError: the file cannot be written.
        OutputError: it cannot be printed.

    """
    if path == STDOUT:
        print_document(text)
        return
    try:
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise ConfigError(f"{option} must be a file that can be written; {path}: {error.strerror}.") from error
