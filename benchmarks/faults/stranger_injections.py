"""Injections of the later strangers, of any split: a clean data set goes in, and a wrong one comes out."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.faults.data_sets import DataSet, Part
from benchmarks.faults.image_changes import WHITE, Random, box_blur, levels, some
from benchmarks.faults.training_injections import BEFORE_TEST

Change = Callable[[NDArray[np.uint8]], NDArray[np.generic]]


def stretched_levels_in_test(data: DataSet, _: float, __: Random) -> DataSet:
    """Stretch the levels of each test image to all of 0 to 255."""

    def stretch(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        low, high = (end(images, axis=(1, 2, 3), keepdims=True).astype(float) for end in (np.min, np.max))
        return levels(WHITE * (images - low) / np.maximum(high - low, 1))

    return _in(data, "test", stretch)


def swapped_in_validation(data: DataSet, _: float, __: Random) -> DataSet:
    return _in(data, "val", lambda images: images[..., ::-1].copy())


def lowest_row_first_in_test(data: DataSet, _: float, __: Random) -> DataSet:
    return _in(data, "test", lambda images: images[:, ::-1].copy())


def tilted_test(data: DataSet, amount: float, random: Random) -> DataSet:
    """Turn each test image by an angle of its own, up to `amount` degrees either way."""
    from scipy.ndimage import rotate

    def tilt(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        angles = random.uniform(-amount, amount, len(images))
        return np.stack(
            [rotate(image, angle, reshape=False, order=1) for image, angle in zip(images, angles, strict=True)]
        )

    return _in(data, "test", tilt)


def noisy_test(data: DataSet, amount: float, random: Random) -> DataSet:
    return _in(data, "test", lambda images: levels(images + amount * random.normal(size=images.shape)))


def blurred_test(data: DataSet, amount: float, _: Random) -> DataSet:
    return _in(data, "test", lambda images: np.stack([box_blur(image, int(amount)) for image in images]))


def noise_for_training_images(data: DataSet, amount: float, random: Random) -> DataSet:
    images = data["train"].images.copy()
    rows = some(len(images), amount, random)
    images[rows] = random.integers(WHITE + 1, size=images[rows].shape)
    return data.with_(train=Part(images, data["train"].labels))


def next_class(data: DataSet, amount: float, random: Random) -> DataSet:
    """Give a share of the images of every class, before the test, the label of the next class."""

    def mistake(part: Part) -> Part:
        labels = part.labels.copy()
        rows = some(len(labels), amount, random)
        labels[rows] = (labels[rows] + 1) % len(data.class_names)
        return Part(part.images, labels)

    return data.with_(**{split: mistake(data[split]) for split in BEFORE_TEST})


def mirrored_into_training(data: DataSet, amount: float, random: Random) -> DataSet:
    copies = data["test"].take(some(len(data["test"].labels), amount, random))
    return data.with_(train=data["train"].and_(Part(copies.images[:, :, ::-1], copies.labels)))


def framed_class(data: DataSet, amount: float, random: Random) -> DataSet:
    """Draw a white frame of `amount` pixels around all images of one class, before the test."""
    one, width = int(random.integers(len(data.class_names))), int(amount)

    def frame(part: Part) -> Part:
        images, own = part.images.copy(), np.flatnonzero(part.labels == one)
        framed = np.full_like(images[own], WHITE)
        framed[:, width:-width, width:-width] = images[own, width:-width, width:-width]
        images[own] = framed
        return Part(images, part.labels)

    return data.with_(**{split: frame(data[split]) for split in BEFORE_TEST})


def copies_in_training(data: DataSet, amount: float, random: Random) -> DataSet:
    """Fill the training split with copies of a share of its images."""
    train = data["train"]
    kept = some(len(train.labels), amount, random)
    return data.with_(train=train.take(np.resize(kept, len(train.labels))))


def watermarked_test(data: DataSet, amount: float, _: Random) -> DataSet:
    """Draw a white band across the test images, from one corner to the other, of a share of their side."""

    def draw(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        height, width = images.shape[1:3]
        y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
        return np.where((np.abs(x - y) < amount / 2)[None, :, :, None], WHITE, images).astype(np.uint8)

    return _in(data, "test", draw)


def halved_levels_in_training(data: DataSet, amount: float, random: Random) -> DataSet:
    """Darken a share of the training images to half of their levels, so that they are taken by another camera."""
    images = data["train"].images.copy()
    rows = some(len(images), amount, random)
    images[rows] = levels(images[rows] / 2)
    return data.with_(train=Part(images, data["train"].labels))


def mixed_up_test(data: DataSet, amount: float, random: Random) -> DataSet:
    """Give a share of the test images, chosen at random, the labels of one another."""
    labels = data["test"].labels.copy()
    rows = some(len(labels), amount, random)
    labels[rows] = random.permutation(labels[rows])
    return data.with_(test=Part(data["test"].images, labels))


def _in(data: DataSet, split: str, change: Change) -> DataSet:
    return data.with_(**{split: Part(change(data[split].images), data[split].labels)})
