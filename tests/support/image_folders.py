"""Small image data sets, made on the fly, for tests of what reads them."""

import zlib

import numpy as np
from PIL import Image

from cnnexp.config import BuiltinDataConfig, FolderDataConfig, NpzDataConfig, TableDataConfig
from cnnexp.datasets import load_splits

_KINDS = {
    BuiltinDataConfig: {"name": "digits"},
    FolderDataConfig: {
        "name": "folder", "on_bad_file": "error", "max_bad_files": 0.01, "group": None, "exclude": None,
        "splits": None, "label": None, "follow_links": None,
    },
    NpzDataConfig: {"name": "npz"},
    TableDataConfig: {
        "name": "table", "on_bad_file": "error", "max_bad_files": 0.01, "root": None, "image": "path",
        "label": "label", "split": "auto", "group": "auto",
    },
}  # fmt: skip


def data_settings(kind, *, cache, **changes):
    """Settings of a data set as ``conf/data`` has them, with some changed."""
    shared = {
        "path": None, "validation": 0.15, "calibration": 0.1, "test": 0.2, "split_seed": 0, "limit": None,
        "imbalance": None, "imbalance_of": "train", "scaling": "unit", "size": None, "color": "auto", "resize": "auto",
        "kernel": "bilinear", "antialias": True, "background": 0,
        "value_range": None, "max_pixels": None, "folds": None, "fold": None, "final": "refit", "mirror": False,
        "jitter": 0.1, "few_images": 20, "uneven": 10,
    }  # fmt: skip
    path = {} if "path" not in changes or changes["path"] is None else {"path": str(changes.pop("path"))}
    return kind(**{**shared, **_KINDS[kind], "cache": str(cache), **changes, **path})


def load(kind, *, cache, seed=0, on_progress=lambda done, total: None, **changes):
    """The splits of a data set with those settings."""
    return load_splits(data_settings(kind, cache=cache, **changes), seed=seed, on_progress=on_progress)


def noise(name, *, size=(12, 12), color=True):
    """Pixels that are a function of `name` alone, and differ from those of any other."""
    random = np.random.RandomState(zlib.crc32(name.encode("utf-8", "surrogateescape")))
    return random.randint(0, 256, (*size, 3) if color else size).astype(np.uint8)


def write_image(path, **options):
    """A PNG of noise at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        Image.fromarray(noise(str(path), **options)).save(file, "PNG")
    return path


def write_classes(folder, counts, **options):
    """A folder a class with so many PNG images each."""
    for name, count in counts.items():
        for number in range(count):
            write_image(folder / name / f"{number:04d}.png", **options)
    return folder
