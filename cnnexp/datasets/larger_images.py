"""The images of a data set decoded once more at another size: larger ones to crop from, or those of a test size."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from cnnexp.config import DataConfig
from cnnexp.datasets.loading import OnProgress, read_images
from cnnexp.datasets.splitting import Split, Splits
from cnnexp.errors import DataError
from cnnexp.records import SPLIT_NAMES, Images
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
    size = larger_size(splits, factor)
    images = _read_at(size, splits, data, names=("train",), on_progress=on_progress)
    return dataclasses.replace(splits, train=dataclasses.replace(splits.train, larger=images))


def at_size(splits: Splits, data: DataConfig, size: Size, *, on_progress: OnProgress) -> Splits:
    """Return the same splits of the same images, read at another size; digests stay those of the original images.

    Raises:
        DataError: the cache folder is full, or the files changed meanwhile.

    """
    images = _read_at(size, splits, data, names=SPLIT_NAMES, on_progress=on_progress)
    spec = dataclasses.replace(splits.spec, height=size[0], width=size[1])

    def read(split: Split) -> Split:
        return dataclasses.replace(split, images=images)

    return dataclasses.replace(
        splits,
        spec=spec,
        train=read(splits.train),
        validation=read(splits.validation),
        calibration=read(splits.calibration),
        test=read(splits.test),
    )


def _read_at(size: Size, splits: Splits, data: DataConfig, *, names: Sequence[str], on_progress: OnProgress) -> Images:
    spec = splits.spec
    same = dataclasses.replace(data, size=list(size), color=spec.color, resize=spec.resize)
    _, decoded = read_images(same, on_progress=on_progress)
    files = decoded.manifest.files
    for name in names:
        rows, count = splits[name].rows, len(splits[name].images)
        unchanged = len(decoded.images) == count and all(
            files[row] == file for row, file in zip(rows.tolist(), splits[name].files, strict=True)
        )
        if not unchanged or np.isin(rows, list(decoded.unreadable)).any():
            raise DataError("The images changed while they were read. Start the run again.")
    return decoded.images
