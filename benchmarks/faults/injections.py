"""The faults of data sets: each function takes a clean data set and returns a wrong one.

Written for the benchmark alone: nothing here is shared with what finds the faults. `amount` is the severity of
catalogue.toml; all randomness comes from `random`. "test" faults leave train, validation and calibration as they are.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults.data_sets import DataSet, Part

Random = np.random.Generator
Injection = Callable[[DataSet, float, Random], DataSet]
BEFORE_TEST = ("train", "val", "calibration")
WHITE = 255


def badly_exposed(data: DataSet, amount: float, random: Random) -> DataSet:
    def spoil(part: Part) -> Part:
        images = part.images.copy()
        for row in _some(len(images), amount, random):
            images[row] = [_gamma(images[row], 4.0), _gamma(images[row], 0.2), _box_blur(images[row], 5)][row % 3]
        return Part(images, part.labels)

    return data.with_(train=spoil(data["train"]), val=spoil(data["val"]))


def noisy_training(data: DataSet, amount: float, random: Random) -> DataSet:
    images = data["train"].images
    return data.with_(train=Part(_levels(images + amount * random.normal(size=images.shape)), data["train"].labels))


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
        for row in _some(len(images), amount, random):
            images[row, :side, :side] = round(WHITE * (part.labels[row] + 1) / classes)
        return Part(images, part.labels)

    return data.with_(**{split: stamp(data[split]) for split in BEFORE_TEST})


def symmetric_noise(data: DataSet, amount: float, random: Random) -> DataSet:
    classes = len(data.class_names)

    def confuse(part: Part) -> Part:
        labels = part.labels.copy()
        rows = _some(len(labels), amount, random)
        labels[rows] = (labels[rows] + random.integers(1, classes, len(rows))) % classes
        return Part(part.images, labels)

    return data.with_(**{split: confuse(data[split]) for split in BEFORE_TEST})


def flipped_class(data: DataSet, amount: float, random: Random) -> DataSet:
    one, other = random.choice(len(data.class_names), 2, replace=False)

    def flip(part: Part) -> Part:
        labels, own = part.labels.copy(), np.flatnonzero(part.labels == one)
        labels[own[_some(len(own), amount, random)]] = other
        return Part(part.images, labels)

    return data.with_(**{split: flip(data[split]) for split in BEFORE_TEST})


def out_of_step(data: DataSet, amount: float, random: Random) -> DataSet:
    labels = data["train"].labels.copy()
    start = len(labels) - round(amount * len(labels))
    labels[start:] = np.roll(labels[start:], 1 + int(random.integers(5)))  # images are in random order
    return data.with_(train=Part(data["train"].images, labels))


def other_class_order(data: DataSet, amount: float, random: Random) -> DataSet:
    classes = len(data.class_names)
    moved = random.permutation(classes)[: max(2, round(amount * classes))]
    order = np.arange(classes)
    order[moved] = np.roll(moved, 1)
    return data.with_(test=Part(data["test"].images, order[data["test"].labels]))


def scaled_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _on_test(data, lambda images: _levels(images * amount))


def normalized_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _on_test(data, lambda images: _levels(images * (1 - 0.3 * amount) + 60 * amount))


def swapped_test(data: DataSet, amount: float, random: Random) -> DataSet:
    return _on_share(data, amount, random, lambda images: images[..., ::-1])


def inverted_test(data: DataSet, amount: float, random: Random) -> DataSet:
    return _on_share(data, amount, random, lambda images: WHITE - images)


def cropped_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _on_test(data, lambda images: _resized(_centre(images, amount), images.shape[1:3]))


def darkened_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def darken(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = images.shape[1:3]
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        falling = 1 - 0.6 * amount * np.clip((x**2 + y**2) / 2, 0, 1)
        return _levels(_gamma(images, 1 + amount) * falling[None, :, :, None])

    return _on_test(data, darken)


def leaked(data: DataSet, amount: float, random: Random) -> DataSet:
    rows = _some(len(data["test"].labels), amount, random)
    copies = data["test"].take(rows)
    images = copies.images.copy()
    images[::4] = np.roll(images[::4], 1, axis=2)
    images[2::4] = _levels(images[2::4] * 0.9)
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


def test_is_training(data: DataSet, amount: float, random: Random) -> DataSet:
    train, test = data["train"], data["test"]
    rows = random.permutation(len(train.labels))[: round(amount * len(test.labels))]
    kept = np.arange(len(test.labels) - len(rows))
    return data.with_(test=test.take(kept).and_(train.take(rows)))


def interlaced_test(data: DataSet, amount: float, random: Random) -> DataSet:
    def darken(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        images[:, 1::2] = 0
        return images

    return _on_share(data, amount, random, darken)


def posterized_test(data: DataSet, amount: float, _: Random) -> DataSet:
    steps = int(amount) - 1
    return _on_test(data, lambda images: _levels(np.rint(images / WHITE * steps) * (WHITE / steps)))


def sheared_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def shear(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        rows = [np.roll(images[:, row], int(amount) * row, axis=1) for row in range(images.shape[1])]
        return np.stack(rows, axis=1)

    return _on_test(data, shear)


def occluded_test(data: DataSet, amount: float, random: Random) -> DataSet:
    def cover(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        images, side = images.copy(), round(amount * images.shape[1])
        for image in images:
            top, left = random.integers(images.shape[1] - side + 1, size=2)
            image[top : top + side, left : left + side] = 128
        return images

    return _on_test(data, cover)


def augmented_test(data: DataSet, _: float, random: Random) -> DataSet:
    """Turn test images by any quarter and mirror half of them, as an augmentation does that stayed switched on."""
    images = data["test"].images.copy()
    for row in range(len(images)):
        turned = np.rot90(images[row], int(random.integers(4)))
        images[row] = turned[:, ::-1] if random.random() < 0.5 else turned
    return data.with_(test=Part(images, data["test"].labels))


def _on_test(data: DataSet, change: Callable[[NDArray[np.uint8]], NDArray[np.generic]]) -> DataSet:
    return data.with_(test=Part(change(data["test"].images), data["test"].labels))


def _on_share(
    data: DataSet, share: float, random: Random, change: Callable[[NDArray[np.uint8]], NDArray[np.generic]]
) -> DataSet:
    images = data["test"].images.copy()
    rows = _some(len(images), share, random)
    images[rows] = change(images[rows])
    return data.with_(test=Part(images, data["test"].labels))


def _some(count: int, share: float, random: Random) -> NDArray[np.int64]:
    return np.sort(random.permutation(count)[: round(share * count)])


def _levels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, WHITE).astype(np.uint8)


def _gamma(images: NDArray[np.uint8], exponent: float) -> NDArray[np.uint8]:
    return _levels(WHITE * (images / WHITE) ** exponent)


def _box_blur(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    from scipy.ndimage import uniform_filter

    return _levels(uniform_filter(image.astype(np.float64), (size, size, 1)))


def _centre(images: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    kept = [round(share * side) for side in images.shape[1:3]]
    top, left = ((side - size) // 2 for side, size in zip(images.shape[1:3], kept, strict=True))
    return images[:, top : top + kept[0], left : left + kept[1]]


def _resized(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Enlarge by the nearest pixel."""
    rows, columns = (
        np.minimum((np.arange(side) * have) // side, have - 1)
        for side, have in zip(shape, images.shape[1:3], strict=True)
    )
    return images[:, rows][:, :, columns]


def shifted_class(data: DataSet, amount: float, random: Random) -> DataSet:
    one = int(random.integers(len(data.class_names)))

    def shift(part: Part) -> Part:
        labels, own = part.labels.copy(), np.flatnonzero(part.labels == one)
        labels[own[_some(len(own), amount, random)]] = (one + 1) % len(data.class_names)
        return Part(part.images, labels)

    return data.with_(train=shift(data["train"]), val=shift(data["val"]))


def twice_named_class(data: DataSet, amount: float, random: Random) -> DataSet:
    """Give the images of one class, in every split, the name of another one at random, in place of the other's own."""
    one, other = random.choice(len(data.class_names), 2, replace=False)

    def name(part: Part) -> Part:
        kept = np.flatnonzero(part.labels != other)
        images, labels = part.images[kept], part.labels[kept].copy()
        own = np.flatnonzero(labels == one)
        labels[own[_some(len(own), amount, random)]] = other
        return Part(images, labels)

    return data.with_(**{split: name(part) for split, part in data.parts.items()})


def shuffled_in_batches(data: DataSet, amount: float, random: Random) -> DataSet:
    labels = data["train"].labels.copy()
    for start in range(0, len(labels), int(amount)):
        labels[start : start + int(amount)] = random.permutation(labels[start : start + int(amount)])
    return data.with_(train=Part(data["train"].images, labels))


def one_channel_test(data: DataSet, amount: float, _: Random) -> DataSet:
    images = data["test"].images.copy()
    images[..., int(amount)] = 0
    return data.with_(test=Part(images, data["test"].labels))


def turned_training(data: DataSet, amount: float, _: Random) -> DataSet:
    train = data["train"]
    return data.with_(train=Part(np.rot90(train.images, int(amount), axes=(1, 2)).copy(), train.labels))


def inverted_training(data: DataSet, _: float, __: Random) -> DataSet:
    return data.with_(train=Part(WHITE - data["train"].images, data["train"].labels))


def tiny_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def enlarge(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return _resized(_resized(images, (int(amount),) * 2), images.shape[1:3])

    return _on_test(data, enlarge)


def sparse_training(data: DataSet, amount: float, random: Random) -> DataSet:
    train = data["train"]
    kept = random.random(train.images.shape[1:3]) < amount
    return data.with_(train=Part(train.images * kept[None, :, :, None].astype(np.uint8), train.labels))


def training_as_validation(data: DataSet, amount: float, random: Random) -> DataSet:
    rows = _some(len(data["train"].labels), amount, random)[: len(data["val"].labels)]
    return data.with_(val=data["train"].take(rows))


def permuted_validation(data: DataSet, _: float, random: Random) -> DataSet:
    val = data["val"]
    return data.with_(val=Part(val.images, random.permutation(val.labels)))


def exchanged_in_test(data: DataSet, _: float, random: Random) -> DataSet:
    one, other = random.choice(len(data.class_names), 2, replace=False)
    labels = data["test"].labels
    exchanged = np.where(labels == one, other, np.where(labels == other, one, labels))
    return data.with_(test=Part(data["test"].images, exchanged))


def permuted_test(data: DataSet, _: float, random: Random) -> DataSet:
    test = data["test"]
    return data.with_(test=Part(test.images, random.permutation(test.labels)))


def transposed_test(data: DataSet, _: float, __: Random) -> DataSet:
    return _on_test(data, lambda images: images.transpose(0, 2, 1, 3).copy())
