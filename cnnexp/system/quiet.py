"""A start without noise: what libraries print about themselves is held back, what concerns the run stays."""

import gc
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Keep the garbage collector from what is imported within the block, there and ever after.

    A large package makes some hundred thousand objects that stay for good. Looking through them again and again is a
    fifth of the time that importing TensorFlow or MLflow takes, and 0.2 s of every full collection afterwards.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


# Set before any of these libraries is imported; what the user set stays as it is.
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "1",  # TensorFlow's C++: no information, warnings and errors
    "KERAS_BACKEND": "tensorflow",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing leaves the machine unasked
    "GIT_PYTHON_REFRESH": "quiet",  # no git is no reason for a warning
}

# TensorFlow prints these before it reads TF_CPP_MIN_LOG_LEVEL, and whatever the level: announcements and, where there
# is no GPU, that there is none.
_ANNOUNCEMENT = re.compile(
    r"^(I\d{4} |WARNING: All log messages before absl::InitializeLog|To enable the following instructions:"
    r"|[WE]\d{4} .*(cuda|CUDA|cuInit|cuDNN|cuBLAS|cuFFT|GPU|TensorRT))"
)


def set_environment() -> None:
    """Ask the libraries that can be asked to keep quiet about themselves."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextmanager
def without_announcements() -> Iterator[None]:
    """Drop TensorFlow's announcements from standard error within the block; every other line follows at its end.

    They come from C++ and go to the file descriptor, past `sys.stderr`.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        before = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if not _ANNOUNCEMENT.match(line):
                    print(line, file=sys.stderr)


@cache
def import_tensorflow() -> None:
    """Import TensorFlow and look for devices, which is when it announces itself; once, as it freezes all there is."""
    with without_announcements(), heavy_imports():
        import tensorflow as tf

        tf.config.list_physical_devices()
    tf.get_logger().addFilter(_is_no_count_of_traces)


def _is_no_count_of_traces(record: logging.LogRecord) -> bool:
    """Drop advice about one function traced again and again: it counts the graphs of all networks as one's."""
    return "triggered tf.function retracing" not in record.getMessage()
