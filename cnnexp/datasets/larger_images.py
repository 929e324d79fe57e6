"""The images of a data set decoded once more, larger than the network takes them: to crop from in training."""

import dataclasses

import numpy as np

from cnnexp.config import DataConfig
from cnnexp.datasets.loading import OnProgress, read_images
from cnnexp.datasets.splitting import Splits
from cnnexp.errors import DataError
from cnnexp.system.text import file_size

Size = tuple[int, int]  # (height, width)


def larger_size(splits: Splits, factor: float) -> Size:
    """Return `factor` times the size of the images, in whole pixels."""
    return round(splits.spec.height * factor), round(splits.spec.width * factor)


def about_larger(splits: Splits, factor: float) -> str:
    """Say what is read, and how much of the cache it takes: shown before it is read."""
    height, width = larger_size(splits, factor)
    count = len(splits.train.images) * height * width * splits.spec.shape[2]
    return f"reading images of {height} × {width} to crop from ({file_size(count)})"


def with_larger(splits: Splits, data: DataConfig, *, factor: float, on_progress: OnProgress) -> Splits:
    """Return the splits with larger training images, read by the same rule, from the cache or into it.

    Raises:
        DataError: the cache folder is full, or the files changed meanwhile.

    """
    if factor == 1:
        return splits
    spec = splits.spec
    size = list(larger_size(splits, factor))
    same = dataclasses.replace(data, size=size, color=spec.color, resize=spec.resize)
    _, decoded = read_images(same, on_progress=on_progress)
    train = splits.train
    files = decoded.manifest.files
    unchanged = len(decoded.images) == len(train.images) and all(
        files[row] == file for row, file in zip(train.rows.tolist(), train.files, strict=True)
    )
    if not unchanged or np.isin(train.rows, list(decoded.unreadable)).any():
        raise DataError("The images changed while they were read. Start the run again.")
    return dataclasses.replace(splits, train=dataclasses.replace(train, larger=decoded.images))
