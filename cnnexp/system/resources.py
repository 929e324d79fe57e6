"""What this machine and its installation are: cores, processor and versions. TensorFlow is not imported here."""

import os
import platform
import resource
from functools import cache
from pathlib import Path

from cnnexp.system.cgroup import cpu_quota

# Packages that the numbers of a run depend on.
PACKAGES = ("cnnexp", "tensorflow", "keras", "numpy", "scikit-learn", "scipy", "mlflow", "hydra-core", "pillow")


@cache
def cores() -> int:
    """Return how many cores this process may use.

    By its affinity, by the share of its container, rounded down, and by what Slurm has given to its task, which a
    cluster need not enforce.
    """
    by_affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, given = cpu_quota(), os.environ.get("SLURM_CPUS_PER_TASK", "")
    limits = [*([int(quota)] if quota is not None else []), *([int(given)] if given.isdecimal() else [])]
    return max(1, min([by_affinity, *limits]))


def allow_open_files(*, most: int = 1024) -> int:
    """Raise this process's own limit of open files up to `most`, as far as the system lets it; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = most if hard == resource.RLIM_INFINITY else min(most, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return most if soft == resource.RLIM_INFINITY else soft


def processor_flags() -> frozenset[str]:
    """Return the processor's instruction-set flags as Linux names them; empty where they cannot be read."""
    return frozenset(_processor_field("flags").split())


def processor_name() -> str:
    """Return the processor's model name."""
    return _processor_field("model name") or platform.processor() or platform.machine()


def _processor_field(field: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(field)), "")


def versions() -> dict[str, str]:
    """Return the installed version of Python and of each of ``PACKAGES``."""
    from importlib.metadata import version  # only a run needs it

    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
