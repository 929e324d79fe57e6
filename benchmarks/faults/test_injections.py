"""Faults of the test split: each function takes a clean data set and returns one whose test images or labels are wrong.

Train, validation and calibration stay as they are. `amount` and `random` as in `training_injections`.
"""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.faults.data_sets import DataSet, Part
from benchmarks.faults.image_changes import WHITE, Random, centre, gamma, levels, resized, some


def other_class_order(data: DataSet, amount: float, random: Random) -> DataSet:
    classes = len(data.class_names)
    moved = random.permutation(classes)[: max(2, round(amount * classes))]
    order = np.arange(classes)
    order[moved] = np.roll(moved, 1)
    return data.with_(test=Part(data["test"].images, order[data["test"].labels]))


def scaled_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _on_test(data, lambda images: levels(images * amount))


def normalized_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _on_test(data, lambda images: levels(images * (1 - 0.3 * amount) + 60 * amount))


def swapped_test(data: DataSet, amount: float, random: Random) -> DataSet:
    return _on_share(data, amount, random, lambda images: images[..., ::-1])


def inverted_test(data: DataSet, amount: float, random: Random) -> DataSet:
    return _on_share(data, amount, random, lambda images: WHITE - images)


def cropped_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _on_test(data, lambda images: resized(centre(images, amount), images.shape[1:3]))


def darkened_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def darken(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = images.shape[1:3]
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        falling = 1 - 0.6 * amount * np.clip((x**2 + y**2) / 2, 0, 1)
        return levels(gamma(images, 1 + amount) * falling[None, :, :, None])

    return _on_test(data, darken)


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
    return _on_test(data, lambda images: levels(np.rint(images / WHITE * steps) * (WHITE / steps)))


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


def one_channel_test(data: DataSet, amount: float, _: Random) -> DataSet:
    images = data["test"].images.copy()
    images[..., int(amount)] = 0
    return data.with_(test=Part(images, data["test"].labels))


def tiny_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def enlarge(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return resized(resized(images, (int(amount),) * 2), images.shape[1:3])

    return _on_test(data, enlarge)


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


def upside_down_test(data: DataSet, amount: float, random: Random) -> DataSet:
    return _on_share(data, amount, random, lambda images: images[:, ::-1, ::-1])


def faint_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _on_test(data, lambda images: levels(128 + amount * (images.astype(np.float64) - 128)))


def impulses_in_test(data: DataSet, amount: float, random: Random) -> DataSet:
    def spoil(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        hit = random.random(images.shape[:3]) < amount
        return np.where(hit[..., None], WHITE * random.integers(2, size=(*images.shape[:3], 1)), images).astype(
            np.uint8
        )

    return _on_test(data, spoil)


def moved_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def move(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.roll(images, [round(amount * side) for side in images.shape[1:3]], axis=(1, 2))

    return _on_test(data, move)


def grey_test(data: DataSet, _: float, __: Random) -> DataSet:
    def grey(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return levels(np.repeat(images.mean(axis=3, keepdims=True), images.shape[3], axis=3))

    return _on_test(data, grey)


def shrunken_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def shrink(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = (round(amount * side) for side in images.shape[1:3])
        top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
        framed = np.zeros_like(images)
        framed[:, top : top + height, left : left + width] = resized(images, (height, width))
        return framed

    return _on_test(data, shrink)


def jpeg_test(data: DataSet, amount: float, _: Random) -> DataSet:
    def compress(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        kept = io.BytesIO()
        Image.fromarray(image.squeeze()).save(kept, "JPEG", quality=int(amount))
        return np.asarray(Image.open(kept)).reshape(image.shape)

    return _on_test(data, lambda images: np.stack([compress(image) for image in images]))


def wrong_test_labels(data: DataSet, amount: float, random: Random) -> DataSet:
    labels, rows = data["test"].labels.copy(), some(len(data["test"].labels), amount, random)
    labels[rows] = (labels[rows] + random.integers(1, len(data.class_names), len(rows))) % len(data.class_names)
    return data.with_(test=Part(data["test"].images, labels))


def _on_test(data: DataSet, change: Callable[[NDArray[np.uint8]], NDArray[np.generic]]) -> DataSet:
    return data.with_(test=Part(change(data["test"].images), data["test"].labels))


def _on_share(
    data: DataSet, share: float, random: Random, change: Callable[[NDArray[np.uint8]], NDArray[np.generic]]
) -> DataSet:
    images = data["test"].images.copy()
    rows = some(len(images), share, random)
    images[rows] = change(images[rows])
    return data.with_(test=Part(images, data["test"].labels))
