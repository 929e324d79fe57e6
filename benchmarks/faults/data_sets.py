"""The clean data sets of the benchmark, as arrays with declared splits; three for development, three held out.

digits     scikit-learn's, 8×8 grey, ten classes             signs      hand signs, 32×32 colour, ten classes
cifar_a    CIFAR-10, airplane to deer, 32×32 colour          cifar_b    CIFAR-10, dog to truck
fashion_a  Fashion-MNIST, classes 0 to 4, 28×28 grey         fashion_b  Fashion-MNIST, classes 5 to 9
                                                             signs_224  hand signs, 224×224 colour, of images only

Images are uint8 (N, H, W, C), labels int64 (N,). Splits are stratified and fixed by `seed`, so that two runs of one
seed see the same images.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "val", "calibration", "test")
SHARES = (0.5, 0.125, 0.125, 0.25)
IMAGES = 2400  # of each data set, as far as it has so many
SIDE = 32  # pixels to which photographs of hands are reduced
LARGE_SIDE, LARGE_IMAGES = 224, 1200  # the same for a backbone: 180 MB


@dataclass(frozen=True, slots=True)
class Part:
    """Images (N, H, W, C), of any type that an archive may hold, and labels (N,)."""

    images: NDArray[np.generic]
    labels: NDArray[np.int64]

    def take(self, rows: NDArray[np.generic]) -> "Part":
        return Part(self.images[rows], self.labels[rows])

    def and_(self, other: "Part") -> "Part":
        return Part(np.concatenate([self.images, other.images]), np.concatenate([self.labels, other.labels]))


@dataclass(frozen=True, slots=True)
class DataSet:
    """A data set in its four splits."""

    class_names: tuple[str, ...]
    parts: Mapping[str, Part]

    def __getitem__(self, split: str) -> Part:
        return self.parts[split]

    def with_(self, **parts: Part) -> "DataSet":
        return replace(self, parts={**self.parts, **parts})

    @property
    def is_colour(self) -> bool:
        return self["train"].images.shape[-1] == 3

    def save(self, path: Path) -> None:
        """Write one NumPy archive with an array of images and one of labels a split."""
        arrays = {f"{what}_{split}": array for split, part in self.parts.items() for what, array in _arrays(part)}
        np.savez(path, class_names=np.array(self.class_names), **arrays)


def _arrays(part: Part) -> Iterator[tuple[str, NDArray[np.generic]]]:
    yield "x", part.images
    yield "y", part.labels


@dataclass(frozen=True, slots=True)
class Places:
    """Where data sets are that come neither with scikit-learn nor with the system; None: not there."""

    cifar10: str | None  # folder with train/CLASS/*.png and test/CLASS/*.png
    signs: str | None  # folder with CLASS/*


def load(name: str, places: Places, *, seed: int) -> DataSet:
    """Return a data set, split by `seed`.

    Raises:
        SystemExit: its files are not where they were said to be.

    """
    class_names, images, labels = _pool(name, places)
    random = np.random.default_rng([seed, 1])
    rows: dict[str, list[NDArray[np.int64]]] = {split: [] for split in SPLITS}
    for label in range(len(class_names)):
        own = random.permutation(np.flatnonzero(labels == label))[: IMAGES // len(class_names)]
        ends = np.rint(np.cumsum(SHARES) * len(own)).astype(int)
        for split, piece in zip(SPLITS, np.split(own, ends[:-1]), strict=True):
            rows[split].append(piece)
    pool = Part(images, labels)
    return DataSet(
        class_names, {split: pool.take(random.permutation(np.concatenate(own))) for split, own in rows.items()}
    )


@cache
def _pool(name: str, places: Places) -> tuple[tuple[str, ...], NDArray[np.uint8], NDArray[np.int64]]:
    if name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return tuple("0123456789"), np.rint(digits.images * 255 / 16).astype(np.uint8)[..., None], digits.target
    if name.startswith("fashion"):
        return _fashion(first=0 if name == "fashion_a" else 5)
    if name == "signs":
        return _folders(_required(places.signs, "--signs FOLDER"), slice(None))
    if name == "signs_224":
        return _folders(_required(places.signs, "--signs FOLDER"), slice(None), side=LARGE_SIDE, most=LARGE_IMAGES)
    wanted = slice(0, 5) if name == "cifar_a" else slice(5, 10)
    return _folders(_required(places.cifar10, "--cifar10 FOLDER") / "train", wanted)


def _fashion(*, first: int) -> tuple[tuple[str, ...], NDArray[np.uint8], NDArray[np.int64]]:
    from cnnexp.datasets.sources.arrays.binary_files import read_idx
    from cnnexp.datasets.sources.builtin import CLASS_NAMES, SYSTEM

    folder = SYSTEM / "fashion-mnist"
    if not folder.is_dir():
        raise SystemExit(f"Fashion-MNIST must be in {folder}; install the Debian package dataset-fashion-mnist.")
    images, labels = (read_idx(folder / f"train-{what}-ubyte.gz") for what in ("images-idx3", "labels-idx1"))
    kept = (labels >= first) & (labels < first + 5)
    return (
        CLASS_NAMES["fashion_mnist"][first : first + 5],
        images[kept][:12_000, ..., None],
        labels[kept][:12_000].astype(np.int64) - first,
    )


def _folders(
    folder: Path, wanted: slice, *, side: int = SIDE, most: int = IMAGES
) -> tuple[tuple[str, ...], NDArray[np.uint8], NDArray[np.int64]]:
    """Read a folder of class folders; as many files of each class as are needed, resized to side×side pixels."""
    from PIL import Image

    classes = sorted(path for path in folder.iterdir() if path.is_dir())[wanted]
    images, labels = [], []
    for label, path in enumerate(classes):
        for file in sorted(path.iterdir())[: most // len(classes)]:
            with Image.open(file) as image:
                images.append(np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BOX)))
            labels.append(label)
    return tuple(path.name for path in classes), np.stack(images), np.array(labels, np.int64)


def _required(place: str | None, option: str) -> Path:
    if place is None or not Path(place).is_dir():
        raise SystemExit(f"This part needs a data set that no package brings: {option}; got {place}.")
    return Path(place)
