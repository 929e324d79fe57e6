"""Where a run's code came from: the user, the program, the git commit and what was not committed."""

import getpass
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cnnexp.system.secrets import is_secret_file, without_secrets

_SECONDS = 10.0  # a git that takes longer is given up
_DIFF_LIMIT = 2_000_000  # bytes of uncommitted changes that are kept
_NEW_FILES = 200  # at most so many files that git does not know yet: each is a process
_PLAIN = ("--no-color", "--no-ext-diff")
# New files that are kept: what a run is made of, and nothing else, because people keep passwords beside their code.
# Those whose name says so are kept by their name alone.
_CODE = (".py", ".yaml", ".yml", ".toml")
_PROGRAMS = (".py", ".ipynb", ".c", ".cpp", ".h", ".js", ".ts", ".rs", ".go", ".java")
# What runs leave behind, and hidden files.
_NO_CODE = ("mlartifacts/", "mlruns/", "multirun/", "outbox/", "outputs/", ".*")


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
    """Return commit and uncommitted changes; None outside a repository, before its first commit, or without git.

    Files that are called secrets are only named, and values that are called so are masked.
    """
    sha = _git(folder, "rev-parse", "HEAD")
    if sha is None:
        return None
    whole = (_git(folder, "diff", "HEAD", *_PLAIN) or b"") + _new_files(folder)
    is_cut = len(whole) > _DIFF_LIMIT
    # between two lines: of half a line nobody knows that it is a secret
    diff = _without_secrets(whole[:_DIFF_LIMIT].rpartition(b"\n")[0] if is_cut else whole)
    if is_cut:
        diff += f"\n# cut: {len(whole)} bytes in all\n".encode()
    return Commit(sha.decode().strip(), diff)


def _without_secrets(diff: bytes) -> bytes:
    """Return a diff, file by file, without what should not leave the machine."""
    files = re.split(r"^(?=diff --git )", diff.decode("utf-8", "surrogateescape"), flags=re.MULTILINE)
    return "".join(map(_shareable, files)).encode("utf-8", "surrogateescape")


def _shareable(changes: str) -> str:
    """Return the changes of one file with secrets masked; a line about them where the file is called a secret."""
    names = re.findall(r"^(?:---|\+\+\+|rename from|rename to|diff --git) (.*)$", changes, flags=re.MULTILINE)
    paths = [path for name in names for path in name.split(" ")]
    if any(map(is_secret_file, paths)):
        return _not_kept(names[0].split(" ")[-1].removeprefix("b/"))
    return without_secrets(changes, code=any(path.endswith(_PROGRAMS) for path in paths))


def _not_kept(name: str) -> str:
    return f"# not kept, because it may hold secrets: {name}\n"


def _new_files(folder: Path) -> bytes:
    """Return as a diff the code and settings of the repository that git neither knows nor ignores."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if top is None:
        return b""
    root = Path(os.fsdecode(top.rstrip(b"\n")))
    listed = _git(root, "ls-files", "--others", "--exclude-standard", "-z", *(f"--exclude={name}" for name in _NO_CODE))
    names = [os.fsdecode(name) for name in (listed or b"").split(b"\0") if name]
    texts = [name for name in names if name.endswith(_CODE) and _is_text(root / name)]
    secret = [name for name in texts if is_secret_file(name)]
    texts = [name for name in texts if name not in secret]
    size, diffs = 0, [os.fsencode(_not_kept(name)) for name in secret[:_NEW_FILES]]
    for number, name in enumerate(texts[:_NEW_FILES], start=1):
        diffs.append(_git(root, "diff", "--no-index", *_PLAIN, "--", os.devnull, name, differ=1) or b"")
        size += len(diffs[-1])
        if number < len(texts) and (size > _DIFF_LIMIT or number == _NEW_FILES):
            diffs.append(f"# cut: {number} of {len(texts)} new files\n".encode())
            break
    return b"".join(diffs)


def _is_text(file: Path) -> bool:
    """Tell text from images as git does, by a zero byte; what is too large for the diff is none either."""
    try:
        if not file.is_file() or file.is_symlink() or file.stat().st_size > _DIFF_LIMIT:
            return False
        with file.open("rb") as content:
            return b"\0" not in content.read(8000)
    except OSError:  # it may be gone by now
        return False


def _git(folder: Path, *arguments: str, differ: int = 0) -> bytes | None:
    """Return what git prints; None where it fails. `differ` is a further exit code that is no failure."""
    # without optional locks: git must not write to the repository of somebody who only trains
    command = ["git", "--no-optional-locks", *arguments]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode in (0, differ) else None


class CommitReader:
    """Reads the commit while the run begins, so that a large repository delays nothing."""

    def __init__(self, folder: Path) -> None:
        self._commit: Commit | None = None
        self._taken = False
        self._thread = threading.Thread(target=self._read, args=(folder,), name="cnnexp-git", daemon=True)

    @classmethod
    def start(cls, folder: Path) -> Self:
        """Begin to read."""
        reader = cls(folder)
        reader._thread.start()
        return reader

    def _read(self, folder: Path) -> None:
        self._commit = read_commit(folder)

    def result(self) -> Commit | None:
        """Wait for git and return the commit; None where there is none."""
        self._thread.join()
        return self._commit

    def take(self, *, wait: bool) -> Commit | None:
        """Return the commit the first time it is known, to be recorded; None before, afterwards, and without one."""
        if self._taken or (self._thread.is_alive() and not wait):
            return None
        self._taken = True
        return self.result()
