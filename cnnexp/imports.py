"""Imports of large packages."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
