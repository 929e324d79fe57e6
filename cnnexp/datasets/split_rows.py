"""Which images are in which split: declared splits and folds, then shares, then fewer on purpose."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import DataConfig
from cnnexp.datasets import folds, requirements
from cnnexp.datasets.cache.entry import DecodedDataset
from cnnexp.datasets.sources.source import Manifest
from cnnexp.datasets.splitting import assign_splits, indivisible_groups
from cnnexp.datasets.subsampling import subsample
from cnnexp.records import SPLIT_NAMES, Labels
from cnnexp.system.text import plural

Rows = NDArray[np.int64]


def split_rows(decoded: DecodedDataset, data: DataConfig, *, seed: int) -> dict[str, Rows]:
    """Return the readable rows of each split, in rising order, which is the fixed order of evaluation.

    With `data.folds` alone everything but declared splits is training: each fold, in a run of its own, has its splits.
    `seed` chooses the images that `data.limit` and `data.imbalance` keep.

    Raises:
        DataError: a class has too few images for the folds, the limit or the imbalance.

    """
    return _subsampled(_assigned(decoded, data), decoded.manifest, data, seed=seed)


def fold_notes(rows: Mapping[str, Rows], data: DataConfig) -> tuple[str, ...]:
    """Return what a reader of a single fold's results should know."""
    if data.fold is None:
        return ()
    return (
        f"This is fold {data.fold} of {data.folds}: its test split is the {plural(len(rows['test']), 'image')} that "
        "this fold judges, and all other splits are of the other images.",
    )


def _assigned(decoded: DecodedDataset, data: DataConfig) -> dict[str, Rows]:
    """Assign the readable rows to splits, in rising order, which is the fixed order of evaluation."""
    manifest = decoded.manifest
    readable = np.setdiff1d(np.arange(len(manifest.labels)), np.fromiter(decoded.unreadable, np.int64))
    labels, declared = manifest.labels, manifest.declared_splits
    groups = indivisible_groups(decoded.duplicate_of, manifest.groups)
    shares = {"validation": data.validation, "calibration": data.calibration, "test": data.test}
    if data.folds is not None:
        judged_in = _fold_of_each(decoded, data, readable)
        if data.fold is None:  # everything is trained on; each fold has its own splits
            shares = {}
        else:
            readable = readable[declared[readable] != folds.TEST]
            declared = folds.declared_for(data.fold, judged_in, declared)
    assignment = assign_splits(
        labels[readable], shares=shares, declared=declared[readable], groups=groups[readable], seed=data.split_seed
    )
    return {name: readable[assignment == number] for number, name in enumerate(SPLIT_NAMES)}


def _fold_of_each(decoded: DecodedDataset, data: DataConfig, readable: Rows) -> Rows:
    """Return, for every image of a data set, the fold that judges it; `folds.NO_FOLD`: none.

    Raises:
        DataError: a class has too few images to be judged in every fold.

    """
    assert data.folds is not None
    manifest = decoded.manifest
    labels, declared = manifest.labels[readable], manifest.declared_splits[readable]
    groups = indivisible_groups(decoded.duplicate_of, manifest.groups)[readable]
    pool = folds.is_judged(declared)
    requirements.refuse_tiny_classes(labels[pool], groups[pool], manifest.class_names, folds=data.folds)
    found = np.full(len(manifest.labels), folds.NO_FOLD, np.int64)
    found[readable] = folds.assign_folds(
        labels, folds=data.folds, declared=declared, groups=groups, seed=data.split_seed
    )
    return found


def _subsampled(rows: dict[str, Rows], manifest: Manifest, data: DataConfig, *, seed: int) -> dict[str, Rows]:
    """Apply `data.limit` and `data.imbalance` to training; imbalance, where asked, to the others, alike for all seeds.

    A data set that lacks training images of a class is returned as it is; it is refused later, whatever remains.
    """
    labels = manifest.labels
    ranks = np.bincount(labels[rows["train"]], minlength=len(manifest.class_names))
    if not ranks.all():
        return rows

    def kept(name: str, *, limit: int | None, seed: int) -> Rows:
        own: Labels = labels[rows[name]]
        return rows[name][subsample(own, limit=limit, imbalance=data.imbalance, ranks=ranks, seed=seed)]

    others = [name for name in SPLIT_NAMES[1:] if data.imbalance_of == "all" and len(rows[name])]
    return {
        **rows,
        **{name: kept(name, limit=None, seed=data.split_seed) for name in others},
        "train": kept("train", limit=data.limit, seed=seed),
    }
