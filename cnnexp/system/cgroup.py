"""How much of the processor and of memory a container may use, by Linux's control groups of version 1 and 2.

A container sees all cores of its machine, and is stopped again and again when it uses more than its share: threads that
wait for one another then wait for a core that they do not get.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_MOUNTS = {"cpu": ("cpu", "cpu,cpuacct", "cpuacct,cpu"), "memory": ("memory",)}  # of version 1, below /sys/fs/cgroup
_UNLIMITED = 2**60  # bytes; version 1 writes a number above it for no limit


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return how many bytes the groups of this process may use; None: no group limits it."""
    texts = (
        _text(group / name) for group in _groups(root, "memory") for name in ("memory.max", "memory.limit_in_bytes")
    )
    limits = [int(text) for text in texts if text.isdigit() and int(text) < _UNLIMITED]
    return min(limits, default=None)


def available_memory(root: Path = Path("/")) -> int | None:
    """Return how many bytes the machine has left, as Linux estimates them; None: it does not say."""
    lines = (line.split() for line in _text(root / "proc/meminfo").splitlines())
    return next((int(words[1]) * 1024 for words in lines if words[:1] == ["MemAvailable:"]), None)


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return how many cores' time the groups of this process allow together; None: no group limits it.

    `root` is where /proc and /sys are.
    """
    found = [quota for group in _groups(root, "cpu") if (quota := _quota(group)) is not None]
    return min(found, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the groups of a controller that this process is in, and of those above them.

    Within a container the path of a group may be that of the machine, and the group be mounted as the root.
    """
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        bases = [mounted] if not controllers else [mounted / name for name in _MOUNTS[controller]]
        if not controllers or controller in controllers.split(","):
            group = PurePosixPath("/", path)
            yield from (base / str(one).lstrip("/") for base in bases for one in (group, *group.parents))


def _quota(group: Path) -> float | None:
    quota, _, period = _text(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us")
    try:
        allowed = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or there is no such file
        return None
    return allowed if allowed > 0 else None  # version 1 writes -1 for no limit


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
