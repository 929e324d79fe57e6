"""A data source of a user's own: what its function returned, checked, as a manifest and images."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import Extended
from cnnexp.datasets.sources.arrays.pixel_arrays import as_images
from cnnexp.datasets.sources.folders.image_folder import file_state
from cnnexp.datasets.sources.source import (
    UNDECLARED,
    ArraySource,
    DataSource,
    ImageSource,
    Manifest,
    class_name,
    natural_order,
)
from cnnexp.extend import Dataset
from cnnexp.images import ImageInput
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.files import is_file
from cnnexp.system.text import listed, printable


@dataclass(frozen=True, slots=True)
class ListedSource:
    """Images that are listed one by one: paths, contents of files, or arrays."""

    images: tuple[ImageInput, ...]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> ImageInput:
        return self.images[row]


def own_source(data: Extended) -> DataSource:
    """Call the user's function and return what it found.

    Raises:
        ExtensionError: it failed, or returned something else than a `Dataset` of images with their labels.

    """
    given = data.call()
    if not isinstance(given, Dataset):
        raise data.refusal(f"its function must return a cnnexp.extend.Dataset; got {type(given).__name__}.")
    labels = [class_name(str(label)) for label in given.labels]
    _require_equal_lengths(data, given, len(labels))
    if isinstance(given.images, np.ndarray) and given.images.ndim > 1:
        pixels, notes = as_images(given.images, narrow=True, origin=str(data.extension))
        return _source(data, given, labels, ArraySource(pixels), notes, state=_state_of([pixels]))
    images = tuple(str(image) if isinstance(image, Path) else image for image in given.images)
    if other := [image for image in images if not isinstance(image, str | bytes | np.ndarray)]:
        raise data.refusal(
            "images of its Dataset must be an array, or paths, contents of files, and arrays, one by one; got "
            f"{type(other[0]).__name__}. Of another object, hand over numpy.asarray(image)."
        )
    if paths := [image for image in images if isinstance(image, str)]:
        return _of_paths(data, given, labels, images, paths)
    return _source(data, given, labels, ListedSource(images), (), state=_state_of(images))


def _require_equal_lengths(data: Extended, given: Dataset, count: int) -> None:
    """Refuse labels, splits and groups that are not as many as the images, or name no split."""
    parts = {"images": given.images, "splits": given.splits, "groups": given.groups}
    others = {name: len(part) for name, part in parts.items() if part is not None and len(part) != count}
    if others or not count:
        found = ", ".join(f"{number} {name}" for name, number in others.items()) or "no images"
        raise data.refusal(f"its Dataset must have a label for each image, and as many splits and groups, if any; "
                           f"it has {count} labels and {found}.")  # fmt: skip
    splits = () if given.splits is None else given.splits
    if unknown := sorted({str(split) for split in splits if not (_is_missing(split) or split in SPLIT_NAMES)}):
        raise data.refusal(
            f"the splits of its Dataset must be {', '.join(SPLIT_NAMES)}, or None; got "
            f"{listed(map(printable, unknown))}."
        )


def _of_paths(
    data: Extended, given: Dataset, labels: Sequence[str], images: tuple[ImageInput, ...], paths: Sequence[str]
) -> DataSource:
    """Return a source of files, which are decoded once and cached while none of them changes."""
    if missing := [path for path in paths if not is_file(path)]:
        raise data.refusal(f"images of its Dataset must be files that exist; missing: {listed(missing)}.")
    folder = os.path.commonpath([Path(path).absolute().parent for path in paths])
    names = tuple(
        os.path.relpath(Path(image).absolute(), folder) if isinstance(image, str) else f"index-{row}"
        for row, image in enumerate(images)
    )
    others = [image for image in images if not isinstance(image, str)]
    state = hashlib.sha256(os.fsencode(file_state(*map(Path, paths)))).hexdigest() + (
        _state_of(others) if others else ""
    )
    return _source(data, given, labels, ListedSource(images), (), state=state, names=names, origin=folder, cached=True)


def _source(
    data: Extended,
    given: Dataset,
    labels: Sequence[str],
    images: ImageSource,
    notes: tuple[str, ...],
    *,
    state: str,
    names: tuple[str, ...] | None = None,
    origin: str | None = None,
    cached: bool = False,
) -> DataSource:
    class_names = natural_order(labels)
    numbers = {name: number for number, name in enumerate(class_names)}
    manifest = Manifest(
        class_names=class_names,
        labels=np.array([numbers[label] for label in labels], np.int64),
        files=tuple(map(printable, names)) if names else tuple(f"index-{row}" for row in range(len(labels))),
        declared_splits=_declared(given.splits, len(labels)),
        groups=None if given.groups is None else _numbered(given.groups),
        empty_classes=(),
        notes=notes,
    )
    parts = [None if part is None else list(part) for part in (given.splits, given.groups)]
    about = f"{data.extension.code.digest} {labels} {parts[0]} {parts[1]}"
    return DataSource(
        name=data.extension.name,
        origin=origin or str(data.extension),
        state=f"{state} {hashlib.sha256(about.encode(errors='surrogatepass')).hexdigest()}",
        open=partial(_opened, manifest, images),
        cached=cached,
    )


def _opened(manifest: Manifest, images: ImageSource) -> tuple[Manifest, ImageSource]:
    return manifest, images


def _declared(splits: Sequence[str | None] | None, count: int) -> NDArray[np.int8]:
    if splits is None:
        return np.full(count, UNDECLARED, np.int8)
    return np.array([UNDECLARED if _is_missing(split) else SPLIT_NAMES.index(str(split)) for split in splits], np.int8)


def _numbered(groups: Sequence[object]) -> NDArray[np.int64]:
    """Number the groups; an image without one is a group of its own, as in a table."""
    first: dict[str, int] = {}
    return np.array(
        [row if _is_missing(group) else first.setdefault(str(group), row) for row, group in enumerate(groups)], np.int64
    )


def _is_missing(value: object) -> bool:
    """Tell whether a value is what programs put where there is none: None, NaN, or what pandas has for it."""
    return value is None or (not isinstance(value, str) and str(value) in ("nan", "NaT", "<NA>"))


def _state_of(images: Sequence[Any]) -> str:
    """Return the sha256 (hex) of arrays, with their shapes and types, and of contents of files."""
    digest = hashlib.sha256()
    for image in images:
        if isinstance(image, np.ndarray):
            digest.update(f"{image.shape} {image.dtype.str}".encode())
            digest.update(np.ascontiguousarray(image).data)
        else:
            digest.update(f"{len(image)} ".encode() + image)
    return digest.hexdigest()
