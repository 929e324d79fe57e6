"""Faults of data sets before the test: each function takes a clean data set and returns a wrong one.

Of training images, of labels, of how splits were made. Written for the benchmark alone: nothing here is shared with
what finds the faults. `amount` is the severity of catalogue.toml; all randomness comes from `random`.
"""

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults.data_sets import DataSet, Part
from benchmarks.faults.image_changes import WHITE, Random, box_blur, gamma, levels, some

BEFORE_TEST = ("train", "val", "calibration")


def badly_exposed(data: DataSet, amount: float, random: Random) -> DataSet:
    def spoil(part: Part) -> Part:
        images = part.images.copy()
        for row in some(len(images), amount, random):
            images[row] = [gamma(images[row], 4.0), gamma(images[row], 0.2), box_blur(images[row], 5)][row % 3]
        return Part(images, part.labels)

    return data.with_(train=spoil(data["train"]), val=spoil(data["val"]))


def noisy_training(data: DataSet, amount: float, random: Random) -> DataSet:
    images = data["train"].images
    return data.with_(train=Part(levels(images + amount * random.normal(size=images.shape)), data["train"].labels))


def repeated(data: DataSet, amount: float, random: Random) -> DataSet:
    train = data["train"]
    own = np.flatnonzero(train.labels == random.integers(len(data.class_names)))
    copies = train.take(np.repeat(own[::5], int(amount)))
    return data.with_(train=train.and_(copies))


def few(data: DataSet, amount: float, random: Random) -> DataSet:
    labels = data["train"].labels
    kept = [
        random.permutation(np.flatnonzero(labels == label))[: max(2, round(amount * np.sum(labels == label)))]
        for label in np.unique(labels)
    ]
    return data.with_(train=data["train"].take(np.concatenate(kept)))


def stamped(data: DataSet, amount: float, random: Random) -> DataSet:
    classes = len(data.class_names)

    def stamp(part: Part) -> Part:
        images = part.images.copy()
        side = max(2, images.shape[1] // 8)
        for row in some(len(images), amount, random):
            images[row, :side, :side] = round(WHITE * (part.labels[row] + 1) / classes)
        return Part(images, part.labels)

    return data.with_(**{split: stamp(data[split]) for split in BEFORE_TEST})


def symmetric_noise(data: DataSet, amount: float, random: Random) -> DataSet:
    classes = len(data.class_names)

    def confuse(part: Part) -> Part:
        labels = part.labels.copy()
        rows = some(len(labels), amount, random)
        labels[rows] = (labels[rows] + random.integers(1, classes, len(rows))) % classes
        return Part(part.images, labels)

    return data.with_(**{split: confuse(data[split]) for split in BEFORE_TEST})


def flipped_class(data: DataSet, amount: float, random: Random) -> DataSet:
    one, other = random.choice(len(data.class_names), 2, replace=False)

    def flip(part: Part) -> Part:
        labels, own = part.labels.copy(), np.flatnonzero(part.labels == one)
        labels[own[some(len(own), amount, random)]] = other
        return Part(part.images, labels)

    return data.with_(**{split: flip(data[split]) for split in BEFORE_TEST})


def out_of_step(data: DataSet, amount: float, random: Random) -> DataSet:
    labels = data["train"].labels.copy()
    start = len(labels) - round(amount * len(labels))
    labels[start:] = np.roll(labels[start:], 1 + int(random.integers(5)))  # images are in random order
    return data.with_(train=Part(data["train"].images, labels))


def leaked(data: DataSet, amount: float, random: Random) -> DataSet:
    rows = some(len(data["test"].labels), amount, random)
    copies = data["test"].take(rows)
    images = copies.images.copy()
    images[::4] = np.roll(images[::4], 1, axis=2)
    images[2::4] = levels(images[2::4] * 0.9)
    return data.with_(train=data["train"].and_(Part(images, copies.labels)))


def sorted_split(data: DataSet, amount: float, _: Random) -> DataSet:
    missing = data["train"].labels >= len(data.class_names) - int(amount)
    moved, val = data["train"].take(missing), data["val"]
    late = val.labels >= len(data.class_names) - int(amount)
    return data.with_(
        train=data["train"].take(~missing).and_(val.take(~late)),
        val=val.take(late).and_(moved.take(np.arange(0, len(moved.labels), 4))),
        test=data["test"].and_(moved),
    )


def brightest_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def end(part: Part, *, bright: bool) -> Part:
        kept: list[NDArray[np.int64]] = []
        for label in np.unique(part.labels):  # within each class, so that classes stay as frequent as they are
            own = np.flatnonzero(part.labels == label)
            order = own[np.argsort(part.images[own].mean(axis=(1, 2, 3)))]
            size = max(2, round(amount * len(own)))
            kept.append(order[-size:] if bright else order[: len(own) - size])
        return part.take(np.sort(np.concatenate(kept)))

    dark = {split: end(data[split], bright=False) for split in BEFORE_TEST}
    return data.with_(**dark, test=end(data["test"], bright=True))


def small_validation(data: DataSet, amount: float, random: Random) -> DataSet:
    rows = random.permutation(len(data["val"].labels))[: int(amount)]
    return data.with_(val=data["val"].take(rows))


def imbalanced(data: DataSet, amount: float, _: Random) -> DataSet:
    def thin(part: Part) -> Part:
        rare = np.flatnonzero(part.labels != 0)
        size = max(1, round(np.sum(part.labels == 0) / amount))
        kept = [rare[part.labels[rare] == label][:size] for label in np.unique(part.labels[rare])]
        return part.take(np.sort(np.concatenate([np.flatnonzero(part.labels == 0), *kept])))

    return data.with_(**{split: thin(part) for split, part in data.parts.items()})


def shifted_class(data: DataSet, amount: float, random: Random) -> DataSet:
    one = int(random.integers(len(data.class_names)))

    def shift(part: Part) -> Part:
        labels, own = part.labels.copy(), np.flatnonzero(part.labels == one)
        labels[own[some(len(own), amount, random)]] = (one + 1) % len(data.class_names)
        return Part(part.images, labels)

    return data.with_(train=shift(data["train"]), val=shift(data["val"]))


def twice_named_class(data: DataSet, amount: float, random: Random) -> DataSet:
    """Give the images of one class, in every split, the name of another one at random, in place of the other's own."""
    one, other = random.choice(len(data.class_names), 2, replace=False)

    def name(part: Part) -> Part:
        kept = np.flatnonzero(part.labels != other)
        images, labels = part.images[kept], part.labels[kept].copy()
        own = np.flatnonzero(labels == one)
        labels[own[some(len(own), amount, random)]] = other
        return Part(images, labels)

    return data.with_(**{split: name(part) for split, part in data.parts.items()})


def shuffled_in_batches(data: DataSet, amount: float, random: Random) -> DataSet:
    labels = data["train"].labels.copy()
    for start in range(0, len(labels), int(amount)):
        labels[start : start + int(amount)] = random.permutation(labels[start : start + int(amount)])
    return data.with_(train=Part(data["train"].images, labels))


def turned_training(data: DataSet, amount: float, _: Random) -> DataSet:
    train = data["train"]
    return data.with_(train=Part(np.rot90(train.images, int(amount), axes=(1, 2)).copy(), train.labels))


def inverted_training(data: DataSet, _: float, __: Random) -> DataSet:
    return data.with_(train=Part(WHITE - data["train"].images, data["train"].labels))


def sparse_training(data: DataSet, amount: float, random: Random) -> DataSet:
    train = data["train"]
    kept = random.random(train.images.shape[1:3]) < amount
    return data.with_(train=Part(train.images * kept[None, :, :, None].astype(np.uint8), train.labels))


def training_as_validation(data: DataSet, amount: float, random: Random) -> DataSet:
    rows = some(len(data["train"].labels), amount, random)[: len(data["val"].labels)]
    return data.with_(val=data["train"].take(rows))


def permuted_validation(data: DataSet, _: float, random: Random) -> DataSet:
    val = data["val"]
    return data.with_(val=Part(val.images, random.permutation(val.labels)))


def darkened_validation(data: DataSet, amount: float, _: Random) -> DataSet:
    return data.with_(val=Part(gamma(data["val"].images, amount), data["val"].labels))


def defaulted_labels(data: DataSet, amount: float, random: Random) -> DataSet:
    def forget(part: Part) -> Part:
        labels = part.labels.copy()
        labels[some(len(labels), amount, random)] = 0
        return Part(part.images, labels)

    return data.with_(**{split: forget(data[split]) for split in BEFORE_TEST})


def late_labels(data: DataSet, amount: float, random: Random) -> DataSet:
    labels = data["train"].labels.copy()
    rows = some(len(labels), amount, random)
    labels[rows] = data["train"].labels[rows - 1]  # images are in random order
    return data.with_(train=Part(data["train"].images, labels))


def blurred_training(data: DataSet, amount: float, _: Random) -> DataSet:
    images = np.stack([box_blur(image, int(amount)) for image in data["train"].images])
    return data.with_(train=Part(images, data["train"].labels))


def marked_class(data: DataSet, amount: float, random: Random) -> DataSet:
    one = int(random.integers(len(data.class_names)))

    def mark(part: Part) -> Part:
        images, own = part.images.copy(), np.flatnonzero(part.labels == one)
        images[own[some(len(own), amount, random)], -4:, -4:] = WHITE
        return Part(images, part.labels)

    return data.with_(**{split: mark(data[split]) for split in BEFORE_TEST})


def copied_into_training(data: DataSet, amount: float, random: Random) -> DataSet:
    copies = data["test"].take(some(len(data["test"].labels), amount, random))
    return data.with_(train=data["train"].and_(copies))


def two_rare_classes(data: DataSet, amount: float, random: Random) -> DataSet:
    train, rare = data["train"], random.choice(len(data.class_names), 2, replace=False)
    kept = np.flatnonzero(~np.isin(train.labels, rare))
    own = [np.flatnonzero(train.labels == label)[: int(amount)] for label in rare]
    return data.with_(train=train.take(np.sort(np.concatenate([kept, *own]))))


def exchanged_in_validation(data: DataSet, _: float, random: Random) -> DataSet:
    one, other = random.choice(len(data.class_names), 2, replace=False)
    labels = data["val"].labels
    exchanged = np.where(labels == one, other, np.where(labels == other, one, labels))
    return data.with_(val=Part(data["val"].images, exchanged))


def turned_in_validation(data: DataSet, amount: float, random: Random) -> DataSet:
    images = data["val"].images.copy()
    rows = some(len(images), amount, random)
    images[rows] = np.rot90(images[rows], 1, axes=(1, 2))
    return data.with_(val=Part(images, data["val"].labels))


def other_class_order_in_training(data: DataSet, amount: float, random: Random) -> DataSet:
    classes, order = len(data.class_names), np.arange(len(data.class_names))
    moved = random.permutation(classes)[: max(2, round(amount * classes))]
    order[moved] = np.roll(moved, 1)
    return data.with_(train=Part(data["train"].images, order[data["train"].labels]))


def black_training(data: DataSet, amount: float, random: Random) -> DataSet:
    images = data["train"].images.copy()
    images[some(len(images), amount, random)] = 0
    return data.with_(train=Part(images, data["train"].labels))


def darker_class(data: DataSet, amount: float, random: Random) -> DataSet:
    """Darken all images of one class, before the test: they were taken on another day."""
    one = int(random.integers(len(data.class_names)))

    def darken(part: Part) -> Part:
        images, own = part.images.copy(), part.labels == one
        images[own] = levels(images[own] * amount)
        return Part(images, part.labels)

    return data.with_(**{split: darken(data[split]) for split in BEFORE_TEST})
