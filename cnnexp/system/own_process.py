"""A module of this program in a process of its own."""

import os
import sys
from collections.abc import Mapping


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that executes a module; files of the current folder stand for no module of a library."""
    return [sys.executable, "-P", "-m", module, *arguments]


def variables(**further: str) -> Mapping[str, str]:
    """Return its environment variables, with further ones: it finds modules where this process finds them."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path), **further}
