"""What an image looks like in numbers, by which a model's mistakes are sorted, such as its brightness."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.splitting import Split
from cnnexp.records import Images

_BATCH = 1024  # images measured together


def measured(split: Split) -> dict[str, NDArray[Any]]:
    """Return the properties of a split's images, (N,) each; the names are those of `records.IMAGE_PROPERTIES`."""
    known: dict[str, NDArray[Any]] = {name: values[split.rows] for name, values in split.properties.items()}
    return appearance(split.images, split.rows) | known


def appearance(images: Images, rows: NDArray[np.int64] | None = None) -> dict[str, NDArray[Any]]:
    """Return brightness, contrast and sharpness of images (M, H, W, C), or of some rows of them, in grey levels.

    Brightness is the mean grey level, 0..255, contrast its standard deviation, sharpness the mean absolute difference
    between neighbouring pixels.
    """
    rows = np.arange(len(images)) if rows is None else rows
    values = np.zeros((3, len(rows)), np.float32)
    for start in range(0, len(rows), _BATCH):
        batch = slice(start, start + _BATCH)
        grey = images[rows[batch]].mean(axis=3, dtype=np.float32)
        across, down = (np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (2, 1))
        values[:, batch] = grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)), (across + down) / 2
    return dict(zip(("brightness", "contrast", "sharpness"), np.nan_to_num(values), strict=True))
