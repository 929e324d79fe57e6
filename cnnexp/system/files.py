"""Paths as people write them, and files that are there whole or not at all, whenever their writer dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnnexp.errors import ConfigError


def at_home(path: str | Path) -> Path:
    """Return a path with ``~`` or ``~user`` at its beginning replaced by that home folder.

    What is called so itself, such as a folder ``~x`` where no user is called x, stays.

    Raises:
        ConfigError: there is no such user, or none whose home folder is known.

    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        if Path(path).exists():
            return Path(path)
        user = Path(path).parts[0]
        reason = "HOME is not set" if user == "~" else f"there is no user {user[1:]}"
        raise ConfigError(
            f"{user} at the beginning of a path stands for a home folder, and {reason}; got {str(path)!r}. Write the "
            "whole path, from / on."
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        OSError: it cannot be written; the old file is still there, and nothing else.

    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to, in the same folder, that becomes `path` when the block ends; removed if it fails.

    One process at a time may replace a file.
    """
    temporary = path.with_name(f"{path.name}.part")
    temporary.unlink(missing_ok=True)  # of a process that was killed
    try:
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
