"""A Python process of this program: no file of the user's stands for a module of Python's or of a library there."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_ROOT = Path(__file__).parents[2]  # where `cnnexp` is imported from


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that executes a module; it is started with `variables`."""
    return [sys.executable, "-P", "-m", module, *arguments]


def variables(**further: str) -> Mapping[str, str]:
    """Return the environment variables of such a process, with further ones; what it starts has them, too.

    It finds modules where this process finds them, and those of the current folder last.
    """
    return {**os.environ, **search_path(), **further}


def search_path() -> Mapping[str, str]:
    """Return those of its variables that say where modules are found."""
    current = {"", os.curdir}
    with suppress(OSError):  # it was removed
        current.add(str(Path.cwd()))
    first = [folder] if (folder := source_tree()) is not None else []
    others = [path for path in sys.path if path not in current]
    last = [path or os.curdir for path in sys.path if path in current]
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(dict.fromkeys([*first, *others, *last]))}


def source_tree() -> str | None:
    """Return the folder that `cnnexp` is imported from; None: it is installed, and found without help."""
    return None if _ROOT.name in ("site-packages", "dist-packages") else str(_ROOT)
