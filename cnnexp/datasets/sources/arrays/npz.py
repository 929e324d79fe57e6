"""Images in one NumPy archive (.npz); nothing in it is ever unpickled."""

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from cnnexp.datasets.sources.arrays.npz_names import Part, find_class_names, find_parts
from cnnexp.datasets.sources.arrays.pixel_arrays import as_images
from cnnexp.datasets.sources.folders.image_folder import file_state
from cnnexp.datasets.sources.out_of_scope.refusal import refuse_label_arrays
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
from cnnexp.records import SPLIT_NAMES, Labels
from cnnexp.system.files import at_home, is_file
from cnnexp.system.text import printable


def npz_source(path: Path, *, name: str, narrow: bool) -> DataSource:
    """Find a data set of arrays `images` (N, H, W) or (N, H, W, C), `labels` (N,) and, if wanted, `class_names` (K,).

    `npz_names` lists other names that are understood, and `pixel_arrays` other forms. Labels are text, or whole
    numbers: positions in `class_names` where there is one, else the class names themselves.

    `narrow`: read whole numbers in 0..255 as uint8, whatever their type; False where a setting says what is white.

    Raises:
        DataPathError: there is no such file.

    """
    file = at_home(path)
    if not is_file(file):
        raise DataPathError(f"data.path must be a NumPy archive (.npz); there is no file {file}.")

    def read() -> tuple[Manifest, ImageSource]:
        with _opened(file) as archive:
            parts, class_names = _parts(archive, file), find_class_names(archive.files)
            images, notes = as_images(_joined(archive, [part.images for part in parts]), narrow=narrow, origin=file)
            labels = _joined(archive, [part.labels for part in parts])
            names = None if class_names is None else archive[class_names]
            declared = [_declared(part.split, len(archive[part.labels])) for part in parts]
        refuse_label_arrays(images, labels, origin=file)
        labels, about_labels = _one_a_row(labels)
        manifest = _manifest(images, labels, names, np.concatenate(declared), file)
        return replace(manifest, notes=(*notes, *about_labels)), ArraySource(images)

    return DataSource(name=name, origin=str(file), state=file_state(file), open=read, cached=True)


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, NpzFile):
                raise DataError(f"{path} must be a NumPy archive of several arrays; it holds a single one. {_SAVE}")
            with archive:
                yield archive
    except _UNREADABLE as error:
        raise DataError(f"{path} cannot be read as a NumPy archive of plain arrays: {error}.") from error


# What NumPy and zipfile raise for damaged, encrypted, strangely compressed and made-up archives.
_UNREADABLE = (OSError, ValueError, EOFError, TypeError, RuntimeError, MemoryError, zipfile.BadZipFile, zlib.error)
_SAVE = "Save numpy.savez(FILE, images=..., labels=...)."


def _parts(archive: NpzFile, path: Path) -> tuple[Part, ...]:
    parts = find_parts(archive.files)
    if not parts:
        lacking = [name for name in ("images", "labels") if name not in archive.files]
        missing = f"{' and '.join(lacking)} {'is' if len(lacking) == 1 else 'are'}"
        raise DataError(
            f"{path} must hold arrays called images, labels; {missing} missing. "
            f"It holds {', '.join(map(printable, archive.files)) or 'none'}. {_SAVE}"
        )
    return parts


def _joined(archive: NpzFile, names: Sequence[str]) -> NDArray[Any]:
    arrays = [archive[name] for name in names]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _declared(split: str | None, count: int) -> NDArray[np.int8]:
    return np.full(count, UNDECLARED if split is None else SPLIT_NAMES.index(split), np.int8)


def read_arrays(path: Path, *, needed: tuple[str, ...]) -> Mapping[str, NDArray[Any]]:
    """Read the named arrays of an archive.

    Raises:
        DataError: the file is damaged, lacks an array that is needed, or holds Python objects.

    """
    with _opened(path) as archive:
        present = tuple(archive.files)
        arrays = {name: archive[name] for name in needed if name in present}
    if missing := [name for name in needed if name not in arrays]:
        raise DataError(
            f"{path} must hold arrays called {', '.join(needed)}; {', '.join(missing)} is missing. "
            f"It holds {', '.join(present) or 'none'}."
        )
    return arrays


def _one_a_row(labels: NDArray[Any]) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return labels (N,) of labels (N, 1) or one-hot labels (N, K), and a note about the latter."""
    if labels.ndim != 2 or not labels.size or labels.dtype.kind not in "biufUS":
        return labels, ()
    if labels.shape[1] == 1:
        return labels[:, 0], ()
    if labels.dtype.kind in "US" or not np.isin(labels, (0, 1)).all() or (np.count_nonzero(labels, axis=1) != 1).any():
        return labels, ()
    return labels.argmax(axis=1), (
        f"Labels are one-hot, {labels.shape}, and are read as the numbers of their columns.",
    )


def _manifest(
    images: NDArray[Any],
    labels: NDArray[Any],
    names: NDArray[Any] | None,
    declared: NDArray[np.int8],
    path: Path,
) -> Manifest:
    if labels.shape != images.shape[:1]:
        raise DataError(
            f"{path}: images must be (N, H, W) or (N, H, W, C) and labels (N,) of the same N; "
            f"got {images.shape} and {labels.shape}."
        )
    class_names, numbers = _classes(labels, names, path)
    return Manifest(
        class_names=class_names,
        labels=numbers,
        files=tuple(f"index-{number}" for number in range(len(labels))),
        declared_splits=declared,
        groups=None,
        empty_classes=(),
        notes=(),
    )


def _classes(labels: NDArray[Any], names: NDArray[Any] | None, path: Path) -> tuple[tuple[str, ...], Labels]:
    """Turn labels of any kind into class names and positions among them."""
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind not in "iuU":
        raise DataError(
            f"{path}: labels must be whole numbers or text; got {labels.dtype}. Save labels.astype(int), or names."
        )
    given = None if names is None else tuple(class_name(_text(name)) for name in names.ravel())
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


def _text(name: object) -> str:
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
