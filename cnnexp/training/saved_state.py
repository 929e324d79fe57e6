"""The state of a training as one file: numbers as JSON, then arrays, then a digest of both."""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.system.files import content_of, replacing, sync_file, sync_folder

_BEGINNING = b"cnnexp training state 1\n"
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True)
class SavedState:
    """What a training has come to."""

    numbers: Mapping[str, Any]  # as JSON has them; floats are kept to the last bit
    arrays: Sequence[NDArray[Any]]  # those that are read have plain bytes where NumPy lacks the type, such as bfloat16


def write_state(path: Path, state: SavedState) -> None:
    """Write a state: whoever reads it, even after a power cut, sees this one or the one before.

    Raises:
        OSError: it cannot be written; the one before is still there.

    """
    with replacing(path) as temporary:
        with temporary.open("wb") as file:
            _write(file, state)
        sync_file(temporary)
    sync_folder(path.parent)


def _write(file: IO[bytes], state: SavedState) -> None:
    digest = hashlib.sha256()
    described = [[_type_of(array), list(array.shape)] for array in state.arrays]
    header = json.dumps({"numbers": state.numbers, "arrays": described}).encode()
    beginning: list[bytes | memoryview] = [_BEGINNING, len(header).to_bytes(8, "little"), header]
    contents = (np.ascontiguousarray(array).reshape(-1).view(np.uint8).data for array in state.arrays)
    for part in itertools.chain(beginning, contents):
        digest.update(part)
        file.write(part)
    file.write(digest.digest())


def _type_of(array: NDArray[Any]) -> str:
    return array.dtype.str if array.dtype.isbuiltin == 1 else f"|V{array.dtype.itemsize}"


def read_state(path: Path) -> SavedState | None:
    """Return the state in a file; None: there is none, or it is damaged, or another version wrote it."""
    content = content_of(path)
    if content is None or not content.startswith(_BEGINNING):
        return None
    body = memoryview(content)[:-_DIGEST]
    if hashlib.sha256(body).digest() != content[-_DIGEST:]:
        return None
    start = len(_BEGINNING) + 8
    end = start + int.from_bytes(body[len(_BEGINNING) : start], "little")
    header = json.loads(bytes(body[start:end]))
    return SavedState(header["numbers"], list(_arrays(body[end:], header["arrays"])))


def _arrays(content: memoryview, described: Sequence[tuple[str, Sequence[int]]]) -> Iterator[NDArray[Any]]:
    start = 0
    for kind, shape in described:
        count = math.prod(shape)
        array = np.frombuffer(content, np.dtype(kind), count, offset=start).reshape(shape)
        start += array.nbytes
        yield array


State = Callable[[], SavedState]  # taken only when it is written
