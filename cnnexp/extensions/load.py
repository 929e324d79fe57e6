"""Executes what ``--extend`` names and fills the table of options with what is marked in it."""

import dataclasses
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

from cnnexp.config import VARIANTS, ExperimentConfig
from cnnexp.config.defaults import shipped_options
from cnnexp.config.extended import TABLE, Code, Extended, Extension, added
from cnnexp.errors import ConfigError
from cnnexp.extend import MARK, Option
from cnnexp.extensions.config_class import config_class
from cnnexp.extensions.find_code import find_code
from cnnexp.portable import user_code
from cnnexp.system import quiet
from cnnexp.system.text import one_line

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@contextmanager
def loaded(arguments: Sequence[str]) -> Iterator[None]:
    """Have the options of files and packages in the table within the block.

    Raises:
        ConfigError: one is not there, fails, adds nothing, or adds what cannot be added.

    """
    before = {group: dict(options) for group, options in TABLE.items()}
    try:
        codes = [find_code(argument) for argument in dict.fromkeys(arguments)]
        _refuse_same_names(codes)
        for code in codes:
            _add(code)
        yield
    finally:
        TABLE.clear()
        TABLE.update(before)


def _refuse_same_names(codes: Sequence[Code]) -> None:
    places: dict[str, Code] = {}
    for code in codes:
        for name, text in code.files.items():
            other = places.setdefault(name, code)
            if other.root != code.root and other.files[name] != text:
                raise ConfigError(
                    f"Files of --extend have different names; {name} stands in {other.root} and in {code.root}, with "
                    "another text. Rename one."
                )


def _add(code: Code) -> None:
    module = _executed(code)
    marked = {id(value): value for value in vars(module).values() if isinstance(getattr(value, MARK, None), Option)}
    if not marked:
        raise ConfigError(
            f"--extend {code.argument} adds nothing; write a decorator of cnnexp.extend above a function, such as "
            '@model("tiny"), see docs/extending.md.'
        )
    for function in marked.values():
        option: Option = getattr(function, MARK)
        extension = Extension(
            group=option.group, name=option.name, settings=option.settings, function=function, code=code
        )
        _refuse_taken(extension)
        TABLE.setdefault(option.group, {})[option.name] = config_class(extension, reduce=_reduced)


def _executed(code: Code) -> ModuleType:
    try:
        # It may import TensorFlow; and what it prints is no part of what a command prints.
        with quiet.without_announcements(), redirect_stdout(sys.stderr):
            (module,) = user_code.execute(code.files, modules=[code.main], root=Path(code.root))
    except (Exception, SystemExit) as error:  # whatever the user's code raises
        raise ConfigError(
            f"--extend {code.argument} could not be imported; {code.place_of(error)}: "
            f"{type(error).__name__}: {one_line(error)}"
        ) from error
    return module


def _refuse_taken(extension: Extension) -> None:
    """Refuse a name that another option has, or that cannot be typed."""
    group, name = extension.group, extension.name
    groups = list(ExperimentConfig.__annotations__)
    if group not in groups:
        raise ConfigError(f"{extension} of {extension.code.argument}: there is no group {group} in this version.")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"Options are named like small_net; got {name!r} in {extension.code.argument}. Rename it.")
    if name in shipped_options(group) or name in VARIANTS.get(group, {}):
        raise ConfigError(f"{extension} comes with cnnexp; give the one of {extension.code.argument} another name.")
    if name in added(group):
        other = added(group)[name].extension.code.argument
        raise ConfigError(f"{extension} is added by {other} and by {extension.code.argument}; rename one of them.")


def _reduced(owner: Extended) -> tuple[Any, ...]:
    """Return how an object is pickled: with its code, because whoever unpickles it may be on another machine."""
    extension = owner.extension
    values = {field.name: getattr(owner, field.name) for field in dataclasses.fields(owner)}  # type: ignore[arg-type]
    return restore, (extension.code, extension.group, extension.name, values)


def restore(code: Code, group: str, name: str, values: Mapping[str, Any]) -> Extended:
    """Make an object of an option's settings again, in a process that has not loaded its code or another text of it.

    Raises:
        ConfigError: the code fails here, such as where it imports what is not installed.

    """
    known = added(group).get(name)
    if known is None or known.extension.code.digest != code.digest:
        for options in TABLE.values():
            for other in [one for one, owner in options.items() if owner.extension.code.main == code.main]:
                del options[other]
        _add(code)
    made: Extended = TABLE[group][name](**values)
    return made
