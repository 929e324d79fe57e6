"""How a user starts this program again."""

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """Return ``cnnexp`` where the shell finds the one of this environment, else ``.../python -m cnnexp``."""
    python = Path(sys.executable)
    found = shutil.which("cnnexp")
    if found is not None and Path(found).parent.samefile(python.parent):
        return "cnnexp"
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f"{shlex.quote(str(python))} -m cnnexp"
