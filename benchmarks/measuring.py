"""Time whole processes. Benchmarks alternate them, A B A B ..., so that a slower machine affects both sides."""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from cnnexp.system.resources import cores, processor_name


def seconds(command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None) -> tuple[float, str]:
    """Run `command` to its end; return its wall time in seconds and its output. A failed command raises."""
    start = time.perf_counter()
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, check=True, stdout=subprocess.PIPE, text=True
    )
    return time.perf_counter() - start, done.stdout


def spread(values: Sequence[float], unit: str = "") -> str:
    """Return the median and range, such as ``8.21 s (8.02 .. 8.77, n = 5)``."""
    return f"{statistics.median(values):.3g}{unit} ({min(values):.3g} .. {max(values):.3g}, n = {len(values)})"


def machine() -> str:
    """Return one line with processor and versions."""
    names = ("tensorflow", "keras", "mlflow", "hydra-core", "numpy")
    return f"{cores()} cores of {processor_name()}; " + ", ".join(f"{name} {version(name)}" for name in names)
