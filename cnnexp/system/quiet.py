"""Large imports without noise: what libraries print about themselves is dropped, what concerns the run stays."""

import gc
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import LogRecord

# Set before any of these libraries is imported; what the user has set stays.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "1",  # TensorFlow's C++: warnings and errors, no information
    "KERAS_BACKEND": "tensorflow",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # a bar for each small file that a server keeps
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing leaves the machine unasked
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",  # memory of a GPU as it is needed, instead of all of it at once
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # GPUs have the numbers that nvidia-smi gives them
    "GIT_PYTHON_REFRESH": "quiet",  # a missing git is no reason for a warning
}

# TensorFlow prints these before it reads TF_CPP_MIN_LOG_LEVEL, or at any level: announcements and, on a machine
# without a GPU, complaints that it has none. What is said about GPUs is kept for `devices`, which says it where there
# is one.
_ABOUT_GPUS = re.compile(
    r"^([WE]\d{4} |\d{4}-\d\d-\d\d [\d:.]+: [IWE] ).*(cuda|CUDA|cuInit|cuDNN|cuBLAS|cuFFT|GPU|TensorRT)"
    r"|^Skipping registering GPU devices"
)
_ANNOUNCEMENT = re.compile(
    r"^(I\d{4} |WARNING: All log messages before absl::InitializeLog|To enable the following instructions:)"
)
_said_about_gpus: list[str] = []


def set_environment() -> None:
    """Set the variables by which libraries can be asked to keep quiet about themselves."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Keep the garbage collector from scanning what is imported within the block, then and later.

    A large package creates some hundred thousand objects that are never freed. Scanning them repeatedly takes a fifth
    of the time of importing TensorFlow or MLflow, and 0.2 s of every full collection afterwards.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


@contextmanager
def without_announcements() -> Iterator[None]:
    """Drop TensorFlow's announcements from standard error within the block; all other lines are printed at its end.

    They come from C++ and go to the file descriptor, past `sys.stderr`.
    """
    import tempfile

    sys.stderr.flush()
    with tempfile.TemporaryFile() as captured:
        stderr = os.dup(2)
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            captured.seek(0)
            for line in captured.read().decode(errors="replace").splitlines():
                if _ABOUT_GPUS.match(line):
                    _said_about_gpus.append(line.partition("] ")[2])
                elif not _ANNOUNCEMENT.match(line):
                    print(line, file=sys.stderr)


def messages_about_gpus() -> Sequence[str]:
    """Return what TensorFlow has said about GPUs in this process, without time and place."""
    return _said_about_gpus


@cache
def import_tensorflow() -> None:
    """Import TensorFlow and list devices, which is when it prints; once per process, because all objects are frozen."""
    with without_announcements(), heavy_imports():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # In float32 a model gives the same answers on every device; a training that wants TF32 asks for it.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    tf.get_logger().addFilter(_is_not_about_retracing)


def _is_not_about_retracing(record: "LogRecord") -> bool:
    """Drop the advice that one function is traced too often: it counts the graphs of all networks together."""
    return "triggered tf.function retracing" not in record.getMessage()
