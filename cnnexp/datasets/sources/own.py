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
    if isinstance(given.images, np.ndarray):
        pixels, notes = as_images(given.images, narrow=True, origin=str(data.extension))
        return _source(data, given, labels, ArraySource(pixels), notes, state=_digest(np.ascontiguousarray(pixels)))
    images = tuple(str(image) if isinstance(image, Path) else image for image in given.images)
    if paths := [image for image in images if isinstance(image, str)]:
        return _of_paths(data, given, labels, images, paths)
    return _source(data, given, labels, ListedSource(images), (), state=_digest(*map(_bytes_of, images)))


def _require_equal_lengths(data: Extended, given: Dataset, count: int) -> None:
    """Refuse labels, splits and groups that are not as many as the images, or name no split."""
    parts = {"images": given.images, "splits": given.splits, "groups": given.groups}
    others = {name: len(part) for name, part in parts.items() if part is not None and len(part) != count}
    if others or not count:
        found = ", ".join(f"{number} {name}" for name, number in others.items()) or "no images"
        raise data.refusal(f"its Dataset must have a label for each image, and as many splits and groups, if any; "
                           f"it has {count} labels and {found}.")  # fmt: skip
    if unknown := sorted(set(given.splits or ()) - set(SPLIT_NAMES)):
        raise data.refusal(f"the splits of its Dataset must be {', '.join(SPLIT_NAMES)}; got {listed(unknown)}.")


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
    state = hashlib.sha256(os.fsencode(file_state(*map(Path, paths)))).hexdigest()
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
    about = f"{data.extension.code.digest} {labels} {given.splits} {given.groups}"
    return DataSource(
        name=data.extension.name,
        origin=origin or str(data.extension),
        state=f"{state} {_digest(about.encode(errors='surrogatepass'))}",
        open=partial(_opened, manifest, images),
        cached=cached,
    )


def _opened(manifest: Manifest, images: ImageSource) -> tuple[Manifest, ImageSource]:
    return manifest, images


def _declared(splits: Sequence[str] | None, count: int) -> NDArray[np.int8]:
    if splits is None:
        return np.full(count, UNDECLARED, np.int8)
    return np.array([SPLIT_NAMES.index(split) for split in splits], np.int8)


def _numbered(groups: Sequence[object]) -> NDArray[np.int64]:
    numbers: NDArray[np.int64] = np.unique([str(group) for group in groups], return_inverse=True)[1].astype(np.int64)
    return numbers


def _bytes_of(image: Any) -> bytes:  # noqa: ANN401 - an array, or the content of a file
    return image.tobytes() if isinstance(image, np.ndarray) else bytes(image)


def _digest(*parts: Any) -> str:  # noqa: ANN401 - whatever hashlib takes
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
