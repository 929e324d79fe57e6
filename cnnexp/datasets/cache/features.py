"""Features of images on disk, computed once and used by every later run of the same backbone on the same images.

An entry of the cache folder like that of a data set, and with its name, so that they are cleared together; its file is
``features.npy``. It is written whole or not at all: `entry.json` comes last, an interrupted computation begins anew.
"""

import errno
import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.cache.checksums import checksum
from cnnexp.datasets.cache.entry import is_whole
from cnnexp.datasets.cache.reserve import allocate
from cnnexp.errors import DataError
from cnnexp.system.files import reason_of, remove, sync_file, sync_folder

FORMAT = 1  # raise it when the file or what it is computed by changes
_FILE = "features.npy"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

Features = NDArray[np.float32]  # (N, F)
Compute = Callable[[Features], None]  # fills the array that it is given


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureRequest:
    """Which features are wanted."""

    name: str  # of the data set
    origin: str  # what they are, for a person
    key: Mapping[str, Any]  # all that they depend on, plain values
    shape: tuple[int, int]


def features_once(request: FeatureRequest, *, folder: Path, compute: Compute) -> Features:
    """Return features (N, F) as a memory map from the cache folder, where they are computed if they are not there yet.

    While another process computes them, this one waits.

    Raises:
        DataError: the cache folder is full or cannot be written.

    """
    digest = hashlib.sha256(json.dumps([FORMAT, request.key, request.shape], sort_keys=True).encode()).hexdigest()
    entry = folder / f"{request.name}-{digest[:16]}"
    try:
        if not is_whole(entry):
            with cache.locked(entry, while_waiting=lambda: None):
                if not is_whole(entry):
                    _fill(entry, request, compute)
        with suppress(OSError):  # of a folder that can only be read
            os.utime(entry / cache.READY)
        return np.load(entry / _FILE, mmap_mode="r")  # type: ignore[no-any-return]
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _fill(entry: Path, request: FeatureRequest, compute: Compute) -> None:
    for name in (cache.READY, _FILE):
        remove(entry / name)
    temporary = entry / f"{_FILE}.part"
    try:
        features = _reserved(temporary, request.shape)
        compute(features)
        features.flush()
        temporary.rename(entry / _FILE)
    finally:
        remove(temporary)
    sync_file(entry / _FILE)
    sync_folder(entry)
    description = {"name": request.name, "origin": request.origin, "images": request.shape[0]}
    cache.write_description(entry, {**description, "checksums": {_FILE: checksum(entry / _FILE)}})


def _reserved(path: Path, shape: tuple[int, int]) -> np.memmap[Any, np.dtype[np.float32]]:
    """Return an array in a file that has its full size on disk, so that a full disk is noticed before the work."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    remove(path)
    with path.open("wb") as file:
        file.write(header.getvalue())
        file.flush()
        allocate(file.fileno(), header.tell() + 4 * shape[0] * shape[1])
    return np.memmap(path, np.float32, "r+", offset=header.tell(), shape=shape)


def _cannot_write(folder: Path, error: OSError) -> DataError:
    reason = "has no room for the features of the images" if error.errno in _FULL else "cannot be used"
    return DataError(
        f"The cache folder {folder} {reason}: {reason_of(error)}. Free some space, or set data.cache "
        "to a folder that can be written and has room."
    )
