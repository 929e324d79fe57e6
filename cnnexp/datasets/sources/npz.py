"""Images in one NumPy archive (.npz); nothing in it is ever unpickled."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.image_folder import file_state
from cnnexp.datasets.sources.out_of_scope import refuse_label_arrays
from cnnexp.datasets.sources.source import (
    UNDECLARED,
    ArraySource,
    DataSource,
    ImageSource,
    Manifest,
    class_name,
    natural_order,
)
from cnnexp.errors import DataError, DataPathError
from cnnexp.records import Labels
from cnnexp.system.files import at_home


def npz_source(path: Path, *, name: str) -> DataSource:
    """Find a data set of arrays `images` (N, H, W) or (N, H, W, C), `labels` (N,) and, if wanted, `class_names` (K,).

    Images are uint8, uint16, floating point in 0..1 or bool. Labels are text, or whole numbers: positions in
    `class_names` where there is one, else the class names themselves.

    Raises:
        DataPathError: there is no such file.

    """
    file = at_home(path)
    if not file.is_file():
        raise DataPathError(f"data.path must be a NumPy archive (.npz); there is no file {file}.")

    def read() -> tuple[Manifest, ImageSource]:
        arrays = read_arrays(file, needed=("images", "labels"), optional=("class_names",))
        return _manifest(arrays, file), ArraySource(arrays["images"])

    return DataSource(name=name, origin=str(file), state=file_state(file), open=read, cached=True)


def read_arrays(path: Path, *, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> Mapping[str, NDArray[Any]]:
    """Read the named arrays of an archive.

    Raises:
        DataError: the file is damaged, lacks an array that is needed, or holds Python objects.

    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            present = tuple(archive.files)
            arrays = {name: archive[name] for name in (*needed, *optional) if name in present}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be read as a NumPy archive of plain arrays: {error}.") from error
    if missing := [name for name in needed if name not in arrays]:
        raise DataError(
            f"{path} must hold arrays called {', '.join(needed)}; {', '.join(missing)} is missing. "
            f"It holds {', '.join(present) or 'none'}."
        )
    return arrays


def _manifest(arrays: Mapping[str, NDArray[Any]], path: Path) -> Manifest:
    images, labels = arrays["images"], arrays["labels"]
    refuse_label_arrays(images, labels, origin=path)
    if images.ndim not in (3, 4) or labels.shape != images.shape[:1]:
        raise DataError(
            f"{path}: images must be (N, H, W) or (N, H, W, C) and labels (N,) of the same N; "
            f"got {images.shape} and {labels.shape}."
        )
    class_names, numbers = _classes(labels, arrays.get("class_names"), path)
    return Manifest(
        class_names=class_names,
        labels=numbers,
        files=tuple(f"index-{number}" for number in range(len(labels))),
        declared_splits=np.full(len(labels), UNDECLARED, np.int8),
        groups=None,
        empty_classes=(),
        notes=(),
    )


def _classes(labels: NDArray[Any], names: NDArray[Any] | None, path: Path) -> tuple[tuple[str, ...], Labels]:
    """Turn labels of any kind into class names and positions among them."""
    if labels.dtype.kind not in "iuU":
        raise DataError(f"{path}: labels must be whole numbers or text; got {labels.dtype}.")
    given = None if names is None else tuple(class_name(str(name)) for name in names.ravel())
    if given is not None and len(set(given)) < len(given):
        raise DataError(f"{path}: class_names must differ from each other; got {', '.join(given)}.")
    if given is not None and labels.dtype.kind in "iu":
        if labels.size and not (labels.min() >= 0 and labels.max() < len(given)):
            raise DataError(
                f"{path}: labels must be positions in class_names, 0..{len(given) - 1}; "
                f"got {labels.min()}..{labels.max()}."
            )
        return given, labels.astype(np.int64)
    values, inverse = np.unique(labels, return_inverse=True)
    found = [class_name(str(value)) for value in values]
    class_names = given or natural_order(found)
    if unknown := [name for name in found if name not in class_names]:
        raise DataError(f"{path}: every label must be one of class_names; {', '.join(unknown[:5])} is not.")
    return class_names, np.array([class_names.index(name) for name in found], np.int64)[inverse]
