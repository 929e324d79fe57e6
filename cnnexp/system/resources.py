"""What TensorFlow computes on: threads and precision, chosen by rule and fixed before its runtime starts.

The numbers of a run depend on both, so `auto` follows shapes and processor flags only, never a timing and never
how busy the machine is: the same run is the same run, alone or in a sweep.
"""

import os
import platform
import random
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cnnexp.errors import ConfigError

# Values in the first feature map of one update: batch × height × width × filters. Below this, an operation is so
# short that a second thread costs more in waking than it saves, and so does converting to bfloat16 and back.
SMALL_WORK = 2**19

# Instruction sets with native bfloat16 multiply-add; without one it is emulated and slower than float32.
BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")


def resolve_threads(threads: int | str, *, work: int, cores: int) -> int:
    """Return the number of cores to compute on: the configured one, or for ``auto`` one core for small work, else all.

    `work` is batch × height × width × filters of the first block; `cores` are all there are for one run.
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


def configure(*, threads: int, seed: int) -> None:
    """Fix threads, determinism and every random seed; call before anything else of TensorFlow runs.

    Raises:
        ConfigError: if TensorFlow already runs in this process with another number of threads.

    """
    import numpy as np
    import tensorflow as tf

    current = tf.config.threading.get_intra_op_parallelism_threads()
    if current != threads:
        try:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(threads)
        except RuntimeError as error:
            raise ConfigError(
                f"TensorFlow fixes its threads at the start of a process: this one runs on {current or 'all'}, the run "
                f"asks for training.threads={threads}. Start it in a process of its own."
            ) from error
    _make_deterministic()
    random.seed(seed)  # where Keras takes the seeds of initial weights and of dropout from
    np.random.seed(seed)


@cache
def _make_deterministic() -> None:
    """Fix what is fixed once a process: TensorFlow's own seed must be there, though nothing here draws from it.

    Set again for every run, it would throw away all graphs that were made ready to run, and that takes as long as to
    trace them.
    """
    import tensorflow as tf

    tf.random.set_seed(0)
    tf.config.experimental.enable_op_determinism()


PACKAGES = ("cnnexp", "tensorflow", "keras", "numpy", "scikit-learn", "scipy", "mlflow", "hydra-core", "pillow")


def versions() -> dict[str, str]:
    """Return the installed version of Python and of each package that has a say in the numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def describe(*, threads: int, precision: str) -> dict[str, Any]:
    """Return the contents of ``environment.json``."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "cores": cores(),
        "threads": threads,
        "precision": precision,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "unset"),
    }
