"""The files that images are decoded into, at their full size from the beginning."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cnnexp.datasets.decoding.decode import HEADER, LENGTH
from cnnexp.datasets.decoding.worker import DecodeJob
from cnnexp.datasets.sources.source import ImageSource
from cnnexp.images import ImageSpec
from cnnexp.system.files import opened_regular, remove

JOURNAL = "journal.jsonl"


def reserve(entry: Path, source: ImageSource, spec: ImageSpec) -> DecodeJob:
    """Create the files at full size, so that a full disk is reported before the work and not halfway through it."""
    images, prints, headers = (entry / name for name in ("images.part.npy", "fingerprints.part", "headers.part"))
    shape, count = (len(source), *spec.shape), len(source)
    beginning = io.BytesIO()
    np.lib.format.write_array_header_1_0(beginning, {"descr": "|u1", "fortran_order": False, "shape": shape})
    sizes = {
        headers: count * HEADER.itemsize,
        prints: count * LENGTH,
        images: beginning.tell() + int(np.prod(shape)),
    }
    if not _is_reserved(sizes, images, beginning.getvalue()):
        remove(entry / JOURNAL)  # first: it is about the files that were there
        for path, size in sizes.items():
            remove(path)
            with path.open("wb") as file:
                file.write(beginning.getvalue() if path == images else b"")
                file.flush()
                allocate(file.fileno(), size)
    return DecodeJob(source, spec, images, beginning.tell(), prints, headers)


def _is_reserved(sizes: Mapping[Path, int], images: Path, beginning: bytes) -> bool:
    """Return whether the files of interrupted work are there, at their size and for arrays of this shape."""
    try:
        for path, size in sizes.items():
            with opened_regular(path) as handle:
                if os.fstat(handle).st_size != size or (
                    path == images and os.read(handle, len(beginning)) != beginning
                ):
                    return False
    except OSError:
        return False
    return True


def allocate(file: int, size: int) -> None:
    """Give an open file its full size on disk.

    Raises:
        OSError: there is no room.

    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS: the disk may fill up later, which is noticed then
        os.truncate(file, size)
