"""What this machine offers a run: cores and processor, and the threads and precision that follow from them.

The numbers of a run depend on threads and precision, so `auto` follows from shapes and processor flags only, never from
a timing or from how busy the machine is: the same run gives the same numbers, alone or in a sweep. TensorFlow is not
imported here; `training.runtime` configures it.
"""

import os
import platform
from pathlib import Path
from typing import Any

# Values in the first feature map of one step: batch × height × width × filters. Below this, an operation is so short
# that waking a second thread costs more than it saves, and so does converting to bfloat16 and back.
SMALL_WORK = 2**19

# Instruction sets with native bfloat16 multiply-add; without one it is emulated and slower than float32.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")

# What has a say in the numbers of a run.
PACKAGES = ("cnnexp", "tensorflow", "keras", "numpy", "scikit-learn", "scipy", "mlflow", "hydra-core", "pillow")


def resolve_threads(threads: int | str, *, work: int, cores: int) -> int:
    """Return the number of threads to compute with: as configured, or for ``auto`` one for small work, else `cores`.

    `work` is batch × height × width × filters of the first block; `cores` are all that one run may use.
    """
    if isinstance(threads, int):
        return threads
    return 1 if work < SMALL_WORK else cores


def resolve_precision(precision: str, *, work: int) -> str:
    """Return ``float32`` or ``bfloat16``; ``auto`` is bfloat16 for large work on a processor that has it natively."""
    if precision != "auto":
        return precision
    native = any(flag in processor_flags() for flag in BFLOAT16_FLAGS)
    return "bfloat16" if native and work >= SMALL_WORK else "float32"


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def environment(*, threads: int, precision: str) -> dict[str, Any]:
    """Return the contents of ``environment.json``: what a run was computed with."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": cores(),
        "threads": threads,
        "precision": precision,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "unset"),
    }
