"""Text that commands neither a terminal nor a page, as the name of a file, a class or a folder could."""

import shlex
import shutil
import sys
from pathlib import Path


def printable(text: str, *, keep: str = "") -> str:
    """Return the text with escapes for control characters and undecodable bytes, but for the letters to `keep`."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in text
    )


def as_yaml(value: str | float | bool | None) -> str:
    """Write a value as YAML does."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def program() -> str:
    """Return ``cnnexp`` where the shell finds the one of this environment, else ``.../python -m cnnexp``."""
    python = Path(sys.executable)
    found = shutil.which("cnnexp")
    if found is not None and Path(found).parent.samefile(python.parent):
        return "cnnexp"
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f"{shlex.quote(str(python))} -m cnnexp"
