"""Memory that is used again: asking the system for new memory costs more time than computing in it."""

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_kept = threading.local()


def scratch(name: str, shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return an array with any values, which lasts until this thread asks for the same name again."""
    size = int(np.prod(shape))
    kept: NDArray[Any] | None = getattr(_kept, name, None)
    if kept is None or kept.size < size:
        kept = np.empty(size, dtype)
        setattr(_kept, name, kept)
    return kept[:size].reshape(shape)
