"""``--extend FILE`` and ``--trust-code``, which every command takes, anywhere in its line."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from cnnexp.errors import ConfigError
from cnnexp.system.environment import environment

EXTEND, TRUST = "--extend", "--trust-code"
_TRUST_VARIABLE = "CNNEXP_TRUST_CODE"  # as `cnnexp.portable.user_code` has it, which is read where a model is loaded


@dataclass(frozen=True, slots=True)
class CodeFlags:
    """A command line without these flags, and what they say."""

    others: tuple[str, ...]
    files: tuple[str, ...]  # or entry points
    trusts: bool


def separate(arguments: Sequence[str]) -> CodeFlags:
    """Take the flags out of a command line.

    Raises:
        ConfigError: ``--extend`` stands without a file.

    """
    others, files, trusts = [], [], False
    rest = iter(arguments)
    for argument in rest:
        flag, equals, value = argument.partition("=")
        if argument == TRUST:
            trusts = True
        elif flag == EXTEND:
            files.append(value if equals else next(rest, ""))
            if not files[-1] or files[-1].startswith("-"):
                got = files[-1] or "none"
                raise ConfigError(f"{EXTEND} takes a file of Python; got {got}. Write {EXTEND} my_things.py.")
        else:
            others.append(argument)
    return CodeFlags(tuple(others), tuple(files), trusts)


def flags_given() -> list[str]:
    """Return the flags of the code that is loaded, for a command line that is printed."""
    from cnnexp.config.extended import all_added

    return [f"{EXTEND}={file}" for file in dict.fromkeys(one.code.argument for one in all_added())]


@contextmanager
def with_code(arguments: Sequence[str]) -> Iterator[Sequence[str]]:
    """Yield the other arguments; within the block there is the code that the flags name, and what is trusted is known.

    Raises:
        ConfigError: a file is not there, fails, or adds what cannot be added.

    """
    flags = separate(arguments)
    with ExitStack() as stack:
        if flags.trusts:
            stack.enter_context(environment({_TRUST_VARIABLE: "1"}))
        if flags.files:
            from cnnexp.extensions.load import loaded  # a command without code starts without it

            stack.enter_context(loaded(flags.files))
        yield flags.others
