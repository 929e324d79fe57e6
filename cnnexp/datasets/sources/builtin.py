"""The built-in data sets, and the places where they are searched.

data.path                          a folder of IDX files, Keras's .npz, CIFAR-10's batches, or train/<class>/x.jpg
/usr/share/datasets/<name>         where Debian's packages put them (dataset-fashion-mnist)
~/.keras/datasets, or $KERAS_HOME  what Keras downloaded; if nothing is there, Keras is asked to download it
"""

import gzip
import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.sources.arrays.binary_files import read_cifar_batch, read_idx
from cnnexp.datasets.sources.arrays.npz import read_arrays
from cnnexp.datasets.sources.folders.image_folder import FolderSettings, file_state, folder_source
from cnnexp.datasets.sources.source import UNDECLARED, ArraySource, DataSource, ImageSource, Manifest
from cnnexp.errors import ConfigError, DataError, DataPathError
from cnnexp.records import SPLIT_NAMES
from cnnexp.system.files import at_home, is_there
from cnnexp.system.text import first_line

_FILE = Path("datasets", "data", "digits.csv.gz")  # per line, 64 grey levels 0..16 and the digit
_LEVELS = 16


def digits_source() -> DataSource:
    """Find the 1,797 digits of 8 × 8 pixels (Alpaydin & Kaynak 1998)."""
    return DataSource(name="digits", origin="sklearn.datasets.load_digits", state="", open=_read, cached=False)


def _read() -> tuple[Manifest, ImageSource]:
    with gzip.open(_path()) as file:
        # parsed as integers at once: 2 ms, where numpy.loadtxt takes 30
        table = np.fromstring(file.read().decode().replace("\n", ","), np.int64, sep=",").reshape(-1, 65)
    manifest = Manifest(
        class_names=tuple("0123456789"),
        labels=table[:, 64].copy(),
        files=tuple(f"index-{number}" for number in range(len(table))),
        declared_splits=np.full(len(table), UNDECLARED, np.int8),
        groups=None,
        empty_classes=(),
        notes=(),
    )
    # Their levels run from 0 to 16, not to 255.
    pixels = np.rint(table[:, :64] * (255 / _LEVELS)).astype(np.uint8)
    return manifest, ArraySource(pixels.reshape(-1, 8, 8))


def _path() -> Path:
    found = find_spec("sklearn")
    for place in (found and found.submodule_search_locations) or ():
        if (Path(place) / _FILE).exists():
            return Path(place) / _FILE
    raise DataError(
        f"data=digits reads {_FILE} of scikit-learn, which is not there. "
        "Install scikit-learn again, or choose another data set."
    )


SYSTEM = Path("/usr/share/datasets")

_TRAIN, _TEST = SPLIT_NAMES.index("train"), SPLIT_NAMES.index("test")
_CLOTHES = "T-shirt/top Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag Ankle_boot"
_OBJECTS = "airplane automobile bird cat deer dog frog horse ship truck"
CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": tuple(name.replace("_", " ") for name in _CLOTHES.split()),
    "cifar10": tuple(_OBJECTS.split()),
}
_IDX = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")
_BATCH_FOLDERS = ("", "cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py")
_KERAS_ARRAYS = ("x_train", "y_train", "x_test", "y_test")

Bytes = NDArray[np.uint8]
Arrays = tuple[Bytes, NDArray[Any], Bytes, NDArray[Any]]  # train images, train labels, test images, test labels


def builtin_source(name: str, path: str | None) -> DataSource:
    """Find a data set by its name.

    Raises:
        ConfigError: no data set has this name.
        DataError: it is in none of the places; the message names them.

    """
    if name == "digits":
        return digits_source()
    if name not in CLASS_NAMES:
        raise ConfigError(f"data.name must be one of digits, {', '.join(CLASS_NAMES)}; got {name!r}.")
    if path is not None:
        return _given(name, at_home(path))
    system, keras_cache = SYSTEM / name.replace("_", "-"), _keras_home() / "datasets"
    for place in (system, keras_cache, keras_cache / name.replace("_", "-")):
        if found := _in_folder(name, place):
            return found
    problem = _download(name)
    if found := _in_folder(name, keras_cache) or _in_folder(name, keras_cache / name.replace("_", "-")):
        return found
    raise DataError(
        f"{name} must be in one of its places and is in none: data.path is not set, {system} has no such files, "
        f"{keras_cache} neither, and Keras could not download it ({problem}). Copy its files to this machine and set "
        "data.path=FOLDER, or connect to the network once, or use another data set, such as data=digits."
    )


def _given(name: str, path: Path) -> DataSource:
    """Find it at `data.path`, and nowhere else, because the path was given on purpose."""
    if not is_there(path):
        raise DataPathError(f"data.path must exist; there is nothing at {path}.")
    if path.suffix == ".npz":
        return _arrays_source(name, (path,), partial(_read_keras_npz, path))
    return (path.is_dir() and _in_folder(name, path)) or folder_source(path, name=name, settings=FolderSettings())


def _in_folder(name: str, folder: Path) -> DataSource | None:
    """Find the files of a data set in a folder, in any of the forms they are published in."""
    if name == "cifar10":
        for below in _BATCH_FOLDERS:
            batches = tuple(folder / below / batch for batch in _BATCHES)
            if all(batch.is_file() for batch in batches):
                return _arrays_source(name, batches, partial(_read_batches, batches))
        return None
    for ending in (".gz", ""):
        idx = tuple(folder / f"{file}{ending}" for file in _IDX)
        if all(path.is_file() for path in idx):
            return _arrays_source(name, idx, partial(_read_idx_files, idx))
    npz = folder / f"{name}.npz"
    return _arrays_source(name, (npz,), partial(_read_keras_npz, npz)) if npz.is_file() else None


def _arrays_source(name: str, files: tuple[Path, ...], read: Callable[[], Arrays]) -> DataSource:
    def open_() -> tuple[Manifest, ImageSource]:
        train_images, train_labels, test_images, test_labels = read()
        labels = np.concatenate([train_labels, test_labels]).astype(np.int64).ravel()
        images = np.concatenate([train_images, test_images])
        if len(labels) != len(images) or labels.min() < 0 or labels.max() >= len(CLASS_NAMES[name]):
            raise DataError(f"{files[0].parent} does not hold {name}: images and labels do not fit. Download it again.")
        return Manifest(
            class_names=CLASS_NAMES[name],
            labels=labels,
            files=tuple(f"index-{number}" for number in range(len(labels))),
            declared_splits=np.repeat(np.array([_TRAIN, _TEST], np.int8), [len(train_labels), len(test_labels)]),
            groups=None,
            empty_classes=(),
            notes=(),
        ), ArraySource(images)

    origin = files[0] if len(files) == 1 else files[0].parent
    return DataSource(name=name, origin=str(origin), state=file_state(*files), open=open_, cached=True)


def _read_idx_files(paths: tuple[Path, ...]) -> Arrays:
    train_images, train_labels, test_images, test_labels = map(read_idx, paths)
    return train_images, train_labels, test_images, test_labels


def _read_keras_npz(path: Path) -> Arrays:
    arrays = read_arrays(path, needed=_KERAS_ARRAYS)
    train_images, train_labels, test_images, test_labels = (arrays[key] for key in _KERAS_ARRAYS)
    return train_images, train_labels, test_images, test_labels


def _read_batches(paths: tuple[Path, ...]) -> Arrays:
    *train, (test_images, test_labels) = map(read_cifar_batch, paths)
    images, labels = zip(*train, strict=True)
    return np.concatenate(images), np.concatenate(labels), test_images, test_labels


def _keras_home() -> Path:
    return Path(os.environ["KERAS_HOME"]) if "KERAS_HOME" in os.environ else at_home("~/.keras")


def _download(name: str) -> str:
    """Let Keras download a data set into its cache; return why that was not enough."""
    from importlib import import_module  # importing Keras takes two seconds, and is needed once per data set

    try:
        import_module(f"keras.datasets.{name}").load_data()
    except Exception as error:  # keras raises a plain Exception when it cannot download
        return first_line(error)
    return "the download is not where it was expected"
