"""What a run ran on: versions and machine, for whoever wants the same numbers again."""

import os
import platform
from importlib.metadata import version
from typing import Any

from cnnexp import runtime

PACKAGES = ("cnnexp", "tensorflow", "keras", "numpy", "scikit-learn", "scipy", "mlflow", "hydra-core", "pillow")


def versions() -> dict[str, str]:
    """Return the installed version of Python and of each package that has a say in the numbers."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def describe(*, threads: int, precision: str) -> dict[str, Any]:
    """Return the contents of ``environment.json``."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "processor": runtime.processor_name(),
        "cores": runtime.cores(),
        "threads": threads,
        "precision": precision,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "unset"),
    }
