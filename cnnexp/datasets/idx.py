"""The IDX files of MNIST and its kin (LeCun, Cortes & Burges), gzipped or not."""

import gzip
import math
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
        DataError: the file is damaged, or of another kind.

    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            zero, kind, dimensions = int.from_bytes(file.read(2)), *file.read(2)
            shape = np.frombuffer(file.read(4 * dimensions), ">u4").tolist()
            size = math.prod(shape)
            content = file.read(size + 1) if zero == 0 and kind == _UINT8 and size < _LIMIT else b""
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch the file again.") from error
    if not content or len(content) != size:
        raise DataError(f"{path} must be an IDX file of bytes, whole and nothing after it; it is not. Fetch it again.")
    return np.frombuffer(content, np.uint8).reshape(shape)
