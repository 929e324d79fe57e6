"""What a sweep has to know of the data before its first run: read once, which also decodes it for all runs."""

import dataclasses
from collections.abc import Callable

from cnnexp.config import DataConfig
from cnnexp.sweeps.messages import DataFacts


def survey(data: DataConfig, on_progress: Callable[[int, int], None]) -> DataFacts:
    """Read a data set; `on_progress` gets (images decoded, images in all).

    Raises:
        DataError: it is missing, unreadable, or unfit.

    """
    import numpy as np  # no earlier than the data need it: the sweep's own process has none to read

    from cnnexp.datasets import load_splits

    splits = load_splits(data, seed=0, on_progress=on_progress)
    height, width, _ = splits.spec.shape
    counts = np.bincount(splits.train.labels, minlength=len(splits.class_names))
    return DataFacts(splits.digest, height, width, tuple(counts.tolist()))


def surveyed(data: DataConfig) -> DataConfig:
    """Return the settings without what thins the data: runs that differ only in that share one survey."""
    return dataclasses.replace(data, limit=None, imbalance=None, scaling="unit")


def key(data: DataConfig) -> str:
    """Return what tells two surveys apart."""
    return repr(surveyed(data))
