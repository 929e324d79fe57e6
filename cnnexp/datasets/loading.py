"""From settings to splits: find, decode once, set the unreadable aside, split, thin."""

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import BuiltinDataConfig, DataConfig, FolderDataConfig, NpzDataConfig, TableDataConfig
from cnnexp.datasets import cache, checks
from cnnexp.datasets.builtin import builtin_source
from cnnexp.datasets.entry import Decoded
from cnnexp.datasets.folder import folder_source
from cnnexp.datasets.geometry import Request
from cnnexp.datasets.npz import npz_source
from cnnexp.datasets.partition import partition, same_side
from cnnexp.datasets.sources import Source
from cnnexp.datasets.splits import Split, Splits
from cnnexp.datasets.store import decoded
from cnnexp.datasets.table import Columns, table_source
from cnnexp.datasets.thinning import thin
from cnnexp.errors import ConfigError
from cnnexp.records import SPLIT_NAMES, Labels

Rows = NDArray[np.int64]


def load_splits(data: DataConfig, *, seed: int, on_progress: Callable[[int, int], None]) -> Splits:
    """Load a data set, decoded and split.

    Args:
        data: where it is, and how it is read and split
        seed: chooses the images that `data.limit` and `data.imbalance` keep; the split follows `data.split_seed` alone
        on_progress: called with (images decoded, images in all) while images are decoded for the first time

    Raises:
        DataError: the data set is missing, unreadable, or too small for its splits.
        ConfigError: the settings contradict each other on this data.

    """
    source = find(data)
    read = decoded(source, Request.of(data), folder=cache.folder(data.cache), on_progress=on_progress)
    readable, bad_notes = checks.set_unreadable_aside(
        read, source.origin, skip=_skips(data), largest_share=_largest_bad_share(data)
    )
    rows = _assign(read, readable, data)
    split_notes = checks.check_splits(read, rows, declared=read.catalogue.declared)
    rows = _thinned(rows, read.catalogue.labels, data, seed=seed)
    return Splits(
        name=source.name,
        class_names=read.catalogue.class_names,
        spec=read.spec,
        **{name: _split(read, rows[name]) for name in SPLIT_NAMES},
        digest=_digest(read, rows),
        source=source.origin,
        notes=(*read.catalogue.notes, *bad_notes, *split_notes),
    )


def find(data: DataConfig) -> Source:
    """Find the data set that the settings name.

    Raises:
        DataError: it is not where it should be.

    """
    match data:
        case TableDataConfig(path=str(path)):
            columns = Columns(image=data.image, label=data.label, split=data.split, group=data.group)
            return table_source(Path(path), name=data.name, root=data.root, columns=columns)
        case NpzDataConfig(path=str(path)):
            return npz_source(Path(path), name=data.name)
        case FolderDataConfig(path=str(path)):
            return folder_source(Path(path), name=data.name)
        case BuiltinDataConfig():
            return builtin_source(data.name, data.path)
    raise ConfigError(f"data must be of a kind that cnnexp knows, with its path; got {data}.")


def _skips(data: DataConfig) -> bool:
    return isinstance(data, FolderDataConfig) and data.on_bad_file == "skip"


def _largest_bad_share(data: DataConfig) -> float:
    return data.max_bad_files if isinstance(data, FolderDataConfig) else 0.0


def _assign(read: Decoded, readable: Rows, data: DataConfig) -> dict[str, Rows]:
    """Give each split its rows, in rising order, which is the fixed order of evaluation."""
    known = read.catalogue
    units = same_side(read.copies, known.groups)[readable]
    assignment = partition(
        known.labels[readable],
        shares={"validation": data.validation, "calibration": data.calibration, "test": data.test},
        declared=known.declared[readable],
        units=units,
        seed=data.split_seed,
    )
    return {name: readable[assignment == number] for number, name in enumerate(SPLIT_NAMES)}


def _thinned(rows: dict[str, Rows], labels: Labels, data: DataConfig, *, seed: int) -> dict[str, Rows]:
    """Thin the training split, and with it the others where they are to be as unequal, the same ones for every seed."""
    ranks = np.bincount(labels[rows["train"]])
    kept = dict(rows)
    if data.imbalance_of == "all":
        for name in (name for name in SPLIT_NAMES[1:] if len(rows[name])):
            kept[name] = rows[name][
                thin(labels[rows[name]], limit=None, imbalance=data.imbalance, ranks=ranks, seed=data.split_seed)
            ]
    kept["train"] = rows["train"][
        thin(labels[rows["train"]], limit=data.limit, imbalance=data.imbalance, ranks=ranks, seed=seed)
    ]
    return kept


def _split(read: Decoded, rows: Rows) -> Split:
    known = read.catalogue
    return Split(
        images=read.images, rows=rows, labels=known.labels[rows], files=tuple(known.files[row] for row in rows.tolist())
    )


def _digest(read: Decoded, rows: dict[str, Rows]) -> str:
    known = read.catalogue
    facts = [read.content, known.class_names, dataclasses.asdict(read.spec)]
    digest = hashlib.sha256(json.dumps(facts).encode())
    digest.update(known.labels.astype("<i8").tobytes())
    digest.update("\0".join(known.files).encode())
    for name in SPLIT_NAMES:
        digest.update(f"\0{name}".encode() + rows[name].astype("<i8").tobytes())
    return digest.hexdigest()
