"""CIFAR-10's own files are Python pickles; only what they need is allowed, so that nothing in them is executed."""

import codecs
import pickle
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import DataError

_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
    # Rebuilds an empty array that the pickle then fills; its home moved in NumPy 2.
    ("numpy.core.multiarray", "_reconstruct"): np.ndarray(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.ndarray(0).__reduce__()[0],
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no CIFAR-10 file needs")
        return _ALLOWED[module, name]


def read_cifar_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Read one batch of CIFAR-10 (Krizhevsky 2009).

    Returns:
        images (N, 32, 32, 3) and labels (N,)

    Raises:
        DataError: the file is damaged, or holds anything but arrays, lists, numbers and text.

    """
    try:
        with path.open("rb") as file:
            batch = _ArraysOnly(file, encoding="bytes").load()
        pixels = np.asarray(batch[b"data"])
        labels = np.asarray(batch[b"labels"], np.int64)
        images = pixels.reshape(len(labels), 3, 32, 32).transpose(0, 2, 3, 1)  # stored plane by plane
    except Exception as error:  # a damaged pickle raises whatever its bytes happen to mean
        raise DataError(f"{path} must be a batch file of CIFAR-10; it is not: {error}. Fetch it again.") from error
    if pixels.dtype != np.uint8:
        raise DataError(f"{path} must hold bytes; it holds {pixels.dtype}. Fetch it again.")
    return np.ascontiguousarray(images), labels
