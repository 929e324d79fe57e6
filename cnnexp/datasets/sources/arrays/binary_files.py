"""Binary files of built-in data sets: IDX (LeCun, Cortes & Burges), gzipped or not, and CIFAR-10's batches."""

import codecs
import gzip
import math
import pickle
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import DataError

_UINT8 = 8  # the one element type these data sets use
_LIMIT = 2**31  # bytes; the header is checked before anything is unpacked


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one IDX file of bytes.

    Returns:
        array with the dimensions the file declares: (N, H, W) for images, (N,) for labels

    Raises:
        DataError: the file is damaged, or of another format.

    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            zero, kind, dimensions = int.from_bytes(file.read(2)), *file.read(2)
            shape = np.frombuffer(file.read(4 * dimensions), ">u4").tolist()
            size = math.prod(shape)
            content = file.read(size + 1) if zero == 0 and kind == _UINT8 and size < _LIMIT else b""
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Download the file again.") from error
    if not content or len(content) != size:
        raise DataError(
            f"{path} must be a complete IDX file of bytes with nothing after it; it is not. Download it again."
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


_ALLOWED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
    # Creates an empty array that the pickle then fills; its module was renamed in NumPy 2.
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
        raise DataError(f"{path} must be a batch file of CIFAR-10; it is not: {error}. Download it again.") from error
    if pixels.dtype != np.uint8:
        raise DataError(f"{path} must hold bytes; it holds {pixels.dtype}. Download it again.")
    return np.ascontiguousarray(images), labels
