"""From settings to splits: find, decode once, set the unreadable aside, split, thin."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import BuiltinDataConfig, DataConfig, FolderDataConfig, NpzDataConfig, TableDataConfig
from cnnexp.datasets import requirements
from cnnexp.datasets.cache import folder
from cnnexp.datasets.cache.entry import Decoded
from cnnexp.datasets.cache.fill import decoded
from cnnexp.datasets.decoding.auto_spec import Request
from cnnexp.datasets.sources.builtin import builtin_source
from cnnexp.datasets.sources.folder import folder_source
from cnnexp.datasets.sources.npz import npz_source
from cnnexp.datasets.sources.source import Catalogue, Pictures, Source
from cnnexp.datasets.sources.table import Columns, table_source
from cnnexp.datasets.splitting import Split, Splits, partition, same_side
from cnnexp.datasets.subsampling import thin
from cnnexp.errors import ConfigError
from cnnexp.records import SPLIT_NAMES, DataFacts, Labels

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Survey:
    """A data set as it is, decoded and split, whether or not it is fit to train on."""

    name: str
    source: str
    read: Decoded
    rows: Mapping[str, Rows]  # readable images of each split, in rising order
    digest: str  # of images, labels, files, class names, spec and split
    tolerated: float  # share of unreadable files that the settings accept, 0..1


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
    return accept(survey(data, seed=seed, on_progress=on_progress, strict=True), data)


def read_facts(data: DataConfig, on_progress: Callable[[int, int], None]) -> DataFacts:
    """Read a data set and return what a sweep has to know of it; `on_progress` gets (images decoded, images in all).

    Raises:
        DataError: it is missing, unreadable, or unfit.

    """
    splits = load_splits(data, seed=0, on_progress=on_progress)
    height, width, _ = splits.spec.shape
    counts = np.bincount(splits.train.labels, minlength=len(splits.class_names))
    return DataFacts(splits.digest, height, width, tuple(counts.tolist()))


def survey(data: DataConfig, *, seed: int, on_progress: Callable[[int, int], None], strict: bool) -> Survey:
    """Decode and split a data set, and judge nothing; `strict` refuses empty class folders before the work.

    Raises:
        DataError: the data set is missing, or nothing of it can be read.
        ConfigError: the settings contradict each other on this data.

    """
    source = find(data)
    opened = dataclasses.replace(source, open=partial(_without_empty, source)) if strict else source
    read = decoded(opened, Request.of(data), folder=folder.folder(data.cache), on_progress=on_progress)
    rows = _assign(read, data)
    labels = read.catalogue.labels[rows["train"]]
    if np.bincount(labels, minlength=len(read.catalogue.class_names)).all():  # else refused later, whatever is left
        rows = _thinned(rows, read.catalogue.labels, data, seed=seed)
    return Survey(
        name=source.name,
        source=source.origin,
        read=read,
        rows=rows,
        digest=_digest(read, rows),
        tolerated=requirements.tolerance(data) or 0.0,
    )


def accept(surveyed: Survey, data: DataConfig) -> Splits:
    """Hand over the splits of a data set that is fit to train on.

    Raises:
        DataError: something makes a run on it meaningless.

    """
    read, rows = surveyed.read, surveyed.rows
    requirements.refuse_empty(read.catalogue, surveyed.source)
    _, notes = requirements.set_unreadable_aside(read, surveyed.source, tolerated=requirements.tolerance(data))
    requirements.refuse_splits(read, rows)
    return Splits(
        name=surveyed.name,
        class_names=read.catalogue.class_names,
        spec=read.spec,
        **{name: _split(read, rows[name]) for name in SPLIT_NAMES},
        digest=surveyed.digest,
        source=surveyed.source,
        notes=(*read.catalogue.notes, *notes),
    )


def _without_empty(source: Source) -> tuple[Catalogue, Pictures]:
    catalogue, pictures = source.open()
    requirements.refuse_empty(catalogue, source.origin)
    return catalogue, pictures


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


def _assign(read: Decoded, data: DataConfig) -> dict[str, Rows]:
    """Give each split its readable rows, in rising order, which is the fixed order of evaluation."""
    known = read.catalogue
    readable = np.setdiff1d(np.arange(len(known.labels)), np.fromiter(read.unreadable, np.int64))
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
