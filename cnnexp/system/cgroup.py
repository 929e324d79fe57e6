"""How much of the processor a container may use, by Linux's control groups of version 1 and 2.

A container sees all cores of its machine, and is stopped again and again when it uses more than its share: threads that
wait for one another then wait for a core that they do not get.
"""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_MOUNTS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")  # of version 1, below /sys/fs/cgroup


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return how many cores' time the groups of this process allow together; None: no group limits it.

    `root` is where /proc and /sys are.
    """
    found = [quota for group in _groups(root) if (quota := _quota(group)) is not None]
    return min(found, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """Yield the folders of the groups that this process is in, and of those above them.

    Within a container the path of a group may be that of the machine, and the group be mounted as the root.
    """
    mounted = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        bases = [mounted] if not controllers else [mounted / name for name in _MOUNTS]
        if not controllers or "cpu" in controllers.split(","):
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
