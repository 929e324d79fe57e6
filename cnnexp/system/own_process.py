"""A Python process of this program: no file of the current folder stands for a module of Python's or of a library."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SAFE_PATH = "PYTHONSAFEPATH"  # environment variable: as -P, also for what a process starts
_ROOT = Path(__file__).parents[2]  # where `cnnexp` is imported from


def command_of(module: str, *arguments: str) -> list[str]:
    """Return the command that executes a module."""
    return [sys.executable, "-P", "-m", module, *arguments]


def variables(**further: str) -> Mapping[str, str]:
    """Return the environment variables of a process that finds modules where this one finds them, with further ones.

    Those of the current folder it finds last.
    """
    current = {"", os.curdir}
    with suppress(OSError):  # it was removed
        current.add(str(Path.cwd()))
    first = [folder] if (folder := source_tree()) is not None else []
    others = [path for path in sys.path if path not in current]
    last = [path or os.curdir for path in sys.path if path in current]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys([*first, *others, *last])), **further}


def user_variables(**further: str) -> Mapping[str, str]:
    """Return those of a process whose own children may be the user's, such as another Python: his, and further ones.

    It finds this program, and else what any process of the user's finds.
    """
    return {**os.environ, **location(), **further}


def location() -> Mapping[str, str]:
    """Return the variable by which a process finds this program; none where it is installed."""
    tree = source_tree()
    paths = [tree, os.environ.get("PYTHONPATH")]
    return {} if tree is None else {"PYTHONPATH": os.pathsep.join(filter(None, paths))}


def source_tree() -> str | None:
    """Return the folder that `cnnexp` is imported from; None: it is installed, and found without help."""
    return None if _ROOT.name in ("site-packages", "dist-packages") else str(_ROOT)
