"""From settings to splits: find, decode once, exclude unreadable images, split, subsample."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import BuiltinDataConfig, DataConfig, Extended, FolderDataConfig, NpzDataConfig, TableDataConfig
from cnnexp.datasets import requirements
from cnnexp.datasets.cache import fill
from cnnexp.datasets.cache.entry import DecodedDataset
from cnnexp.datasets.cache.folder import cache_folder
from cnnexp.datasets.decoding.image_request import ImageRequest
from cnnexp.datasets.sources.arrays.npz import npz_source
from cnnexp.datasets.sources.builtin import builtin_source
from cnnexp.datasets.sources.folders.image_folder import FolderSettings, folder_source
from cnnexp.datasets.sources.own import own_source
from cnnexp.datasets.sources.source import DataSource, ImageSource, Manifest
from cnnexp.datasets.sources.tables.columns import Columns
from cnnexp.datasets.sources.tables.table import hint_about_missing, table_source
from cnnexp.datasets.split_rows import fold_notes, split_rows
from cnnexp.datasets.splitting import Split, Splits
from cnnexp.errors import ConfigError
from cnnexp.images import ImageSpec
from cnnexp.records import SPLIT_NAMES, DatasetInfo

Rows = NDArray[np.int64]
OnProgress = Callable[[int, int], None]  # (images decoded, images in all), while they are decoded for the first time


@dataclass(frozen=True, slots=True)
class InspectedDataset:
    """A data set, decoded and split, whether or not it is fit to train on."""

    name: str
    origin: str  # a path, or the library that ships it
    decoded: DecodedDataset
    rows: Mapping[str, Rows]  # readable images of each split, in rising order
    digest: str  # sha256 (hex) of images, labels, files, class names, spec and split
    tolerance: float  # share of unreadable files that the settings accept, 0..1
    needed: tuple[str, ...]  # splits, beside training, that must hold an image
    notes: tuple[str, ...]  # what was left out, and how the data were read, one sentence each


def load_splits(data: DataConfig, *, seed: int, on_progress: OnProgress) -> Splits:
    """Load a data set, decoded and split.

    Args:
        data: where it is, and how it is read and split
        seed: chooses the images that `data.limit` and `data.imbalance` keep; the split follows `data.split_seed` alone
        on_progress: called with (images decoded, images in all) while images are decoded for the first time

    Raises:
        DataError: the data set is missing, unreadable, or too small for its splits.
        ConfigError: the settings contradict each other on this data.

    """
    return trainable_splits(inspect_dataset(data, seed=seed, on_progress=on_progress, strict=True), data)


def dataset_info(data: DataConfig, on_progress: OnProgress) -> DatasetInfo:
    """Read a data set and return what a sweep needs to know about it.

    Raises:
        DataError: it is missing, unreadable, or unfit.

    """
    splits = load_splits(data, seed=0, on_progress=on_progress)
    height, width, _ = splits.spec.shape
    counts = np.bincount(splits.train.labels, minlength=len(splits.class_names))
    return DatasetInfo(splits.digest, height, width, tuple(counts.tolist()), splits.notes)


def inspect_dataset(data: DataConfig, *, seed: int, on_progress: OnProgress, strict: bool) -> InspectedDataset:
    """Decode and split a data set without judging it; `strict` refuses empty class folders before the work.

    Raises:
        DataError: the data set is missing, or no image of it can be read.
        ConfigError: the settings contradict each other on this data.

    """
    source = find_source(data)
    decoded = _decode_once(_without_empty_classes(source) if strict else source, data, on_progress)
    rows = split_rows(decoded, data, seed=seed)
    return InspectedDataset(
        name=source.name,
        origin=source.origin,
        decoded=decoded,
        rows=rows,
        digest=_digest(decoded, rows),
        tolerance=requirements.tolerance(data) or 0.0,
        needed=requirements.needed_splits(data),
        notes=(*source.notes, *decoded.manifest.notes, *fold_notes(rows, data)),
    )


def trainable_splits(inspected: InspectedDataset, data: DataConfig) -> Splits:
    """Return the splits of a data set that is fit to train on.

    Raises:
        DataError: something makes a run on it meaningless.

    """
    decoded, rows = inspected.decoded, inspected.rows
    requirements.refuse_empty_classes(decoded.manifest, inspected.origin)
    _, notes = requirements.exclude_unreadable(
        decoded, inspected.origin, tolerance=requirements.tolerance(data), hint=partial(_hint, data)
    )
    requirements.refuse_unusable_splits(decoded, rows, needed=inspected.needed)
    return Splits(
        name=inspected.name,
        class_names=decoded.manifest.class_names,
        spec=decoded.spec,
        **{name: _split(decoded, rows[name]) for name in SPLIT_NAMES},
        digest=inspected.digest,
        content_digest=content_digest(decoded),
        source=inspected.origin,
        notes=(*inspected.notes, *notes),
    )


def _hint(data: DataConfig, file: str) -> str:
    """Return a sentence about a file of a table that does not exist; empty for any other."""
    if not isinstance(data, TableDataConfig):
        return ""
    return hint_about_missing(Path(str(data.path)), file, root=data.root)


def read_images(data: DataConfig, *, on_progress: OnProgress) -> tuple[DataSource, DecodedDataset]:
    """Find a data set and decode all its images, without splitting it.

    Raises:
        DataError: the data set is missing, or no image of it can be read.

    """
    source = find_source(data)
    return source, _decode_once(source, data, on_progress)


def cached_spec(data: DataConfig) -> ImageSpec | None:
    """Return the spec by which the cache holds a data set under these settings; None: it is not in the cache."""
    return fill.cached_spec(find_source(data), ImageRequest.of(data), folder=cache_folder(data.cache))


def find_source(data: DataConfig) -> DataSource:
    """Find the data set that the settings name.

    Raises:
        DataError: it is not where it should be.

    """
    match data:
        case TableDataConfig(path=str(path)):
            columns = Columns(image=data.image, label=data.label, split=data.split, group=data.group)
            return table_source(Path(path), name=data.name, root=data.root, columns=columns)
        case NpzDataConfig(path=str(path)):
            return npz_source(Path(path), name=data.name, narrow=data.value_range is None)
        case FolderDataConfig(path=str(path)):
            settings = FolderSettings(
                exclude=tuple(data.exclude or ()),
                splits=data.split_folders(),
                label=data.label,
                group=data.group,
                follow_links=None if data.follow_links is None else Path(data.follow_links),
            )
            return folder_source(Path(path), name=data.name, settings=settings)
        case BuiltinDataConfig():
            return builtin_source(data.name, data.path)
        case Extended():
            return own_source(data)
    raise ConfigError(f"data must be of a kind that cnnexp knows, with its path; got {data}.")


def _without_empty_classes(source: DataSource) -> DataSource:
    """Return the same source, which refuses empty class folders when it is opened."""

    def open_() -> tuple[Manifest, ImageSource]:
        manifest, images = source.open()
        requirements.refuse_empty_classes(manifest, source.origin)
        return manifest, images

    return dataclasses.replace(source, open=open_)


def _decode_once(source: DataSource, data: DataConfig, on_progress: OnProgress) -> DecodedDataset:
    folder = cache_folder(data.cache)
    return fill.decode_once(source, ImageRequest.of(data), folder=folder, on_progress=on_progress)


def _split(decoded: DecodedDataset, rows: Rows) -> Split:
    manifest = decoded.manifest
    files = tuple(manifest.files[row] for row in rows.tolist())
    return Split(decoded.images, rows, manifest.labels[rows], files, decoded.properties)


def content_digest(decoded: DecodedDataset) -> str:
    """Return the sha256 (hex) of images, labels, files, class names and spec of a data set, however it is split."""
    return _hashed(decoded).hexdigest()


def _digest(decoded: DecodedDataset, rows: dict[str, Rows]) -> str:
    digest = _hashed(decoded)
    for name in SPLIT_NAMES:
        digest.update(f"\0{name}".encode() + rows[name].astype("<i8").tobytes())
    return digest.hexdigest()


def _hashed(decoded: DecodedDataset) -> "hashlib._Hash":
    manifest = decoded.manifest
    head = [decoded.pixel_digest, manifest.class_names, decoded.spec.as_dict()]
    digest = hashlib.sha256(json.dumps(head).encode())
    digest.update(manifest.labels.astype("<i8").tobytes())
    digest.update("\0".join(manifest.files).encode())
    return digest
