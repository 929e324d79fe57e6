"""Where a run's code came from: the user, the program, the git commit and what was not committed."""

import getpass
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 10.0  # a git that takes longer is given up
_DIFF_LIMIT = 2_000_000  # bytes of uncommitted changes that are kept


@dataclass(frozen=True, slots=True)
class Commit:
    """The state of the repository the user runs in."""

    sha: str
    diff: bytes  # against the commit; empty: nothing uncommitted


def source_tags() -> Mapping[str, str]:
    """Return the tags MLflow itself sets on a run, so that its UI shows who started what."""
    return {
        "mlflow.user": _user(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": sys.argv[0] or "python",
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        return str(os.getuid())


def read_commit(folder: Path) -> Commit | None:
    """Return commit and uncommitted changes; None outside a repository, before its first commit, or without git."""
    sha = _git(folder, "rev-parse", "HEAD")
    if sha is None:
        return None
    diff = _git(folder, "diff", "HEAD", "--no-color", "--no-ext-diff") or b""
    if len(diff) > _DIFF_LIMIT:
        diff = diff[:_DIFF_LIMIT] + f"\n# cut: {len(diff)} bytes in all\n".encode()
    return Commit(sha.decode().strip(), diff)


def _git(folder: Path, *arguments: str) -> bytes | None:
    # without optional locks: git must not write to the repository of somebody who only trains
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


class CommitReader(threading.Thread):
    """Reads the commit while the run begins, so that a large repository holds nothing up."""

    def __init__(self, folder: Path) -> None:
        super().__init__(name="cnnexp-git", daemon=True)
        self._folder = folder
        self._commit: Commit | None = None
        self.start()

    def run(self) -> None:
        """Ask git."""
        self._commit = read_commit(self._folder)

    def result(self) -> Commit | None:
        """Return what git said, once it has."""
        self.join()
        return self._commit
