"""Files as ``torch.save`` wrote them before PyTorch 1.6, made without PyTorch: five pickles, then the numbers."""

import pickle
import struct
from pathlib import Path

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C


def save_tensors(path: Path, tensors: dict[str, np.ndarray]) -> Path:
    """Write float32 arrays; an array that is a transposed view is written as one, with its own strides."""
    whole = {name: array if array.base is None else array.base for name, array in tensors.items()}
    views = b"".join(_text(name) + _tensor(name, array, whole[name].size) for name, array in tensors.items())
    objects = b"\x80\x02ccollections\nOrderedDict\n)R(" + views + b"u."
    return _write(path, objects, {name: array.astype("<f4") for name, array in whole.items()})


def save_objects(path: Path, objects: bytes) -> Path:
    """Write a file whose fourth pickle is `objects`."""
    return _write(path, objects, {})


def _write(path: Path, objects: bytes, storages: dict[str, np.ndarray]) -> Path:
    head = [pickle.dumps(value, 2) for value in (_MAGIC, 1001, {"little_endian": True})]
    numbers = b"".join(struct.pack("<q", array.size) + array.ravel(order="K").tobytes() for array in storages.values())
    path.write_bytes(b"".join(head) + objects + pickle.dumps(list(storages), 2) + numbers)
    return path


def _tensor(name: str, array: np.ndarray, count: int) -> bytes:
    storage = _tuple(_text("storage"), b"ctorch\nFloatStorage\n", _text(name), _text("cpu"), _whole(count), b"N") + b"Q"
    strides = _tuple(*(_whole(stride // array.itemsize) for stride in array.strides))
    arguments = _tuple(storage, _whole(0), _tuple(*map(_whole, array.shape)), strides, b"\x89", b"N")
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def _tuple(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def _text(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text.encode())) + text.encode()


def _whole(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)
