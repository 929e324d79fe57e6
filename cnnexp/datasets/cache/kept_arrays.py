"""Arrays that were computed from a data set, kept beside it so that later runs need not compute them again."""

import hashlib
import io
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.cache import folder
from cnnexp.system.files import content_of, remove, write_durably

_DIGEST = 32  # bytes at the end of a file: sha256 of the entry's checksum and of everything before

Arrays = Mapping[str, NDArray[Any]]


class KeepArrays(Protocol):
    """Keeps arrays that were computed from a data set."""

    def __call__(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return the arrays that are kept under `name`; the first time, compute and keep them."""


def keep_in_entry(entry: Path, checksum: str, name: str, compute: Callable[[], Arrays]) -> Arrays:
    """Keep arrays in a file of the entry that has this checksum; computed again if the file is damaged or another's."""
    file = entry / f"{name}.npz"
    if (kept := _read(file, checksum)) is not None:
        return kept
    with ExitStack() as held:
        with suppress(OSError):  # a folder that cannot be written: computed again next time
            held.enter_context(folder.locked(entry, while_waiting=lambda: None))
        if (kept := _read(file, checksum)) is not None:  # another process computed them while this one waited
            return kept
        arrays = compute()
        with suppress(OSError):  # a full disk: computed again next time
            _write(file, checksum, arrays)
        return arrays


def _read(file: Path, checksum: str) -> Arrays | None:
    content = content_of(file)
    if content is None or content[-_DIGEST:] != _digest(checksum, content[:-_DIGEST]):
        return None
    with np.load(io.BytesIO(content[:-_DIGEST]), allow_pickle=False) as arrays:
        return dict(arrays)


def _write(file: Path, checksum: str, arrays: Arrays) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    if file.is_symlink() or not file.is_file():
        remove(file)
    write_durably(file, buffer.getvalue() + _digest(checksum, buffer.getvalue()))


def _digest(checksum: str, content: bytes) -> bytes:
    return hashlib.sha256(checksum.encode() + content).digest()


def keep_in_memory() -> KeepArrays:
    """Return what keeps arrays as long as the data set itself is in memory."""
    kept: dict[str, Arrays] = {}

    def keep(name: str, compute: Callable[[], Arrays]) -> Arrays:
        if name not in kept:
            kept[name] = compute()
        return kept[name]

    return keep
