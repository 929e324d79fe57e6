"""Reads the weights in a file that ``torch.save`` wrote before PyTorch 1.6, without PyTorch and without executing it.

Such a file is five pickles (magic number, version, facts about the machine, the objects, the names of the storages)
and then the numbers of each storage. A pickle calls whatever it names, so only what a dictionary of tensors needs may
be named. A tensor is a view of a storage: offset, sizes and strides, all counted in values. The strides matter: the
kernels of a network that was converted from TensorFlow lie in the order of TensorFlow.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import ModelError

_MAGIC = 0x1950A86A20F9469CFC6C
_DTYPES = {"FloatStorage": "<f4", "LongStorage": "<i8"}  # class of `torch` -> NumPy's name, little endian

Tensors = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Storage:
    """Numbers that stand further down in the file."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True, slots=True)
class _View:
    """A tensor, before the numbers of its storage are read."""

    storage: _Storage
    offset: int
    sizes: tuple[int, ...]
    strides: tuple[int, ...]

    def of(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the tensor as a contiguous array; `values` are all of its storage.

        Raises:
            ValueError: it reaches beyond them.

        """
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.sizes, self.strides, strict=True))
        if min((self.offset, *self.sizes, *self.strides)) < 0 or (0 not in self.sizes and last >= len(values)):
            raise ValueError("a tensor reaches beyond its storage")
        strides = [stride * values.itemsize for stride in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.offset :], self.sizes, strides, writeable=False)
        return np.ascontiguousarray(view).reshape(self.sizes)


def read_tensors(path: Path) -> Tensors:
    """Return the tensors of a file by name, float32 or int64, in PyTorch's order of axes.

    Raises:
        ModelError: the file cannot be read, is of another kind, or names anything but tensors.

    """
    try:
        with path.open("rb") as file:
            return _tensors(file, path.stat().st_size)
    except _REFUSED as error:
        raise ModelError(
            f"A file of PyTorch weights must be a dictionary of tensors in the format of torch.save before PyTorch 1.6 "
            f"(_use_new_zipfile_serialization=False); {path} is not: {error}."
        ) from error


# What pickle and NumPy raise for a file that is damaged, cut off, or of another kind.
_REFUSED = (OSError, pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError)


def _tensors(file: BinaryIO, size: int) -> Tensors:
    if _Tensors(file).load() != _MAGIC:
        raise ValueError("its magic number is another")
    for _ in ("version", "machine"):
        _Tensors(file).load()
    named = _Tensors(file).load()
    if not isinstance(named, OrderedDict) or not all(isinstance(view, _View) for view in named.values()):
        raise ValueError("it holds other objects than tensors")
    storages = {view.storage.key: view.storage for view in named.values()}
    values = {}
    for key in _Tensors(file).load():
        storage = storages[key]
        count = int(np.frombuffer(file.read(8), "<i8")[0])
        if count != storage.count or not 0 <= count * np.dtype(storage.dtype).itemsize <= size:
            raise ValueError("a storage has another length than its tensors say")
        values[key] = np.frombuffer(file.read(count * np.dtype(storage.dtype).itemsize), storage.dtype)
        if len(values[key]) != count:
            raise EOFError("it ends too early")
    return {str(name): view.of(values[view.storage.key]) for name, view in named.items()}


class _Tensors(pickle.Unpickler):
    """Makes tensors and dictionaries; whatever else a pickle names is refused before it is called."""

    def find_class(self, module: str, name: str) -> Callable[..., Any] | str:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        raise pickle.UnpicklingError(f"it names {module}.{name}, which no weights need")

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 - whatever the file says
        kind, dtype, key, _device, count, view = pid
        if kind != "storage" or dtype not in _DTYPES.values() or view is not None:
            raise pickle.UnpicklingError("it refers to something that is no storage")
        return _Storage(str(key), str(dtype), int(count))


def _rebuild_tensor(
    storage: _Storage, offset: int, sizes: tuple[int, ...], strides: tuple[int, ...], *_gradient: object
) -> _View:
    if not isinstance(storage, _Storage):
        raise pickle.UnpicklingError("a tensor has no storage")
    return _View(storage, int(offset), tuple(map(int, sizes)), tuple(map(int, strides)))
