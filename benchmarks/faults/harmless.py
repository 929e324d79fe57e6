"""What healthy data sets look like that a careless check accuses: each function returns a data set without a fault."""

import numpy as np

from benchmarks.faults.data_sets import SPLITS, DataSet, Part
from benchmarks.faults.image_changes import Random


def two_easy_classes(data: DataSet, random: Random) -> DataSet:
    """Keep the two classes whose mean images differ most."""
    means = np.stack(
        [data["train"].images[data["train"].labels == label].mean(axis=0) for label in range(len(data.class_names))]
    )
    distances = np.linalg.norm((means[:, None] - means[None]).reshape(len(means), len(means), -1), axis=2)
    return _only(data, np.unravel_index(distances.argmax(), distances.shape), data.class_names)


def two_classes(data: DataSet, random: Random) -> DataSet:
    return _only(data, random.permutation(len(data.class_names))[:2], None)


def three_to_one(data: DataSet, random: Random) -> DataSet:
    """Keep a third of every second class, in every split."""

    def thin(part: Part) -> Part:
        rare, kept = part.labels % 2 == 1, np.zeros(len(part.labels), bool)
        kept[np.flatnonzero(rare)[::3]] = True
        return part.take(np.flatnonzero(kept | ~rare))

    return data.with_(**{split: thin(data[split]) for split in SPLITS})


def sixty_to_validate(data: DataSet, random: Random) -> DataSet:
    return data.with_(val=data["val"].take(random.permutation(len(data["val"].labels))[:60]))


def dark_field(data: DataSet, random: Random) -> DataSet:
    """Darken everything but the brightest third of each image, in every split."""

    def darken(part: Part) -> Part:
        images = part.images.astype(np.float64)
        limits = np.quantile(images.mean(axis=3), 0.66, axis=(1, 2))[:, None, None, None]
        dark = np.where(images.mean(axis=3, keepdims=True) >= limits, images, images * 0.1)
        return Part(np.rint(dark).astype(np.uint8), part.labels)

    return data.with_(**{split: darken(data[split]) for split in SPLITS})


def oversampled(data: DataSet, random: Random) -> DataSet:
    """Repeat the training images of every second class, and leave as many of the others."""
    train = data["train"]
    return data.with_(train=train.and_(train.take(np.flatnonzero(train.labels % 2 == 1))))


def dimmed_test(data: DataSet, random: Random) -> DataSet:
    """Dim the test images by 15 %; training changes the brightness of its images by up to 30 %."""
    return data.with_(test=Part(np.rint(data["test"].images * 0.85).astype(np.uint8), data["test"].labels))


def _only(data: DataSet, classes: "np.typing.ArrayLike", names: tuple[str, ...] | None) -> DataSet:
    first, second = (int(label) for label in np.asarray(classes))

    def select(part: Part) -> Part:
        rows = np.flatnonzero((part.labels == first) | (part.labels == second))
        return Part(part.images[rows], (part.labels[rows] == second).astype(np.int64))

    kept = ("no", "yes") if names is None else (names[first], names[second])
    return DataSet(kept, {split: select(data[split]) for split in SPLITS})
