"""Which images a run's page shows, and that training images are shown as the network saw them."""

from dataclasses import replace

import numpy as np
import pytest

from cnnexp.datasets import Split, Splits
from cnnexp.images import ImageSpec
from cnnexp.records import Augmentation
from cnnexp.runs.gallery import (
    EACH_WAY,
    KINDS_EPOCHS,
    KINDS_IMAGES,
    PAIRS,
    SEEN,
    TOP_LOSSES,
    build_gallery,
    images_of,
    most_confused,
    top_losses,
)
from cnnexp.training import as_seen, first_of_each_class
from cnnexp.training.batches import batches
from cnnexp.training.epoch_order import order_of

NONE = Augmentation(flip=False, shift=0.0, zoom=0.0)
BASIC = Augmentation(flip=True, shift=0.1, zoom=0.1)


def split(count: int, classes: int, *, shape=(8, 8, 3), seed: int = 0) -> Split:
    """Noise, in another order than in the data set."""
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (2 * count, *shape), dtype=np.uint8)
    rows = random.permutation(2 * count)[:count]
    return Split(images, rows, random.integers(0, classes, count), tuple(f"{seed}/{row}.png" for row in rows))


def splits(count: int = 100, classes: int = 4, **options) -> Splits:
    spec = ImageSpec(8, 8, "rgb", "stretch", "bilinear", antialias=True, background=0)
    parts = [split(count, classes, seed=seed, **options) for seed in range(4)]
    return Splits(
        "noise",
        tuple(map(str, range(classes))),
        spec,
        *parts,
        digest="0",
        content_digest="0",
        source="nowhere",
        notes=(),
    )


def answers(test: Split, classes: int) -> np.ndarray:
    return np.random.default_rng(9).dirichlet(np.ones(classes), len(test)).astype(np.float32)


def confusion_of(test: Split, probabilities: np.ndarray) -> np.ndarray:
    counts = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(counts, (test.labels, probabilities.argmax(axis=1)), 1)
    return counts


def gallery_of(data: Splits, *, augmentation=BASIC, batch_size=32, seed=5, is_unlike=None):
    probabilities = answers(data.test, len(data.class_names))
    return build_gallery(
        data,
        probabilities,
        probabilities.argmax(axis=1),
        confusion_of(data.test, probabilities),
        is_unlike=is_unlike or (lambda positions: np.zeros(len(positions), bool)),
        augmentation=augmentation,
        batch_size=batch_size,
        sampling="shuffled",
        seed=seed,
    )


def test_the_highest_loss_comes_first_and_the_first_of_equals():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8], [0.4, 0.6]], np.float32)
    assert top_losses(probabilities, np.array([0, 0, 0, 1])).tolist() == [1, 2, 3, 0]


def test_pairs_are_ordered_by_mistakes_in_both_directions_and_begin_with_the_commoner():
    confusion = np.array([[9, 1, 0, 0], [4, 9, 2, 0], [0, 2, 9, 0], [0, 0, 1, 9]])
    assert most_confused(confusion) == [(1, 0), (1, 2), (3, 2)]
    assert most_confused(np.diag([3, 4])) == []


def test_a_direction_shows_the_surest_mistakes_and_without_one_the_surest_answers():
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.7, 0.3], [0.3, 0.7], [0.2, 0.8]], np.float32)
    labels = np.array([0, 0, 0, 1, 1])
    predicted = probabilities.argmax(axis=1)
    assert images_of((0, 1), probabilities, predicted, labels).tolist() == [1, 0]
    assert images_of((1, 0), probabilities, predicted, labels).tolist() == [4, 3]
    assert images_of((1, 0), probabilities, predicted, np.zeros(5, int)).tolist() == []


def test_images_are_described_by_what_the_model_said():
    data = splits()
    probabilities = answers(data.test, 4)
    shown = gallery_of(data)
    assert len(shown.top_losses) == TOP_LOSSES
    assert len(shown.confused) == PAIRS
    order = np.argsort(probabilities[np.arange(100), data.test.labels])
    for place, image in zip(order, shown.top_losses, strict=False):
        assert image.file == data.test.files[place]
        assert np.array_equal(image.pixels, data.test.images[data.test.rows[place]])
        assert (image.label, image.predicted) == (data.test.labels[place], probabilities[place].argmax())
        assert image.label_probability == probabilities[place, image.label]
        assert image.predicted_probability == probabilities[place].max()
    for first, second in shown.confused:
        assert (first.label, first.predicted) == (second.predicted, second.label)
        assert first.count >= second.count
        assert len(first.images) == min(first.count, EACH_WAY)
        assert {(image.label, image.predicted) for image in first.images} == {(first.label, first.predicted)}


def test_images_that_are_unlike_the_training_data_are_marked_and_each_is_asked_about_once():
    asked = []

    data = splits()

    def is_unlike(positions):
        asked.append(len(positions))
        return data.test.images[data.test.rows[positions]][:, 0, 0, 0] > 127

    shown = gallery_of(data, is_unlike=is_unlike)
    images = {
        image.file: image
        for image in (*shown.top_losses, *(one for pair in shown.confused for way in pair for one in way.images))
    }
    assert sum(asked) == len(images)
    assert max(asked) <= 16  # a few at a time, however large they are
    assert {image.unlike for image in images.values()} == {True, False}
    assert all(image.unlike == (image.pixels[0, 0, 0] > 127) for image in images.values())


@pytest.mark.parametrize("augmentation", [NONE, BASIC])
@pytest.mark.parametrize("batch_size", [7, 32, 500])
def test_training_images_are_shown_as_they_were_trained_on(augmentation, batch_size):
    train = split(100, 4)
    positions = first_of_each_class(train.labels, classes=4, each=30, sampling="shuffled", seed=5)
    shown = as_seen(train, positions, batch_size=batch_size, sampling="shuffled", augmentation=augmentation, seed=5)
    trained = batches(train, batch_size=batch_size, epochs=1, sampling="shuffled", augmentation=augmentation, seed=5)
    images, labels = (np.concatenate(parts) for parts in zip(*trained.as_numpy_iterator(), strict=True))
    order = np.random.default_rng((5, 1)).permutation(100)
    assert np.array_equal(labels, train.labels[order])
    places = np.argsort(order)[positions]
    np.testing.assert_array_equal(shown, images[places])


def test_an_image_that_balanced_sampling_repeats_is_shown_once_and_as_it_came_first():
    train = split(100, 4)
    train = replace(train, labels=np.repeat([0, 1], [95, 5]))
    how = {"sampling": "balanced", "seed": 5}
    positions = first_of_each_class(train.labels, classes=2, each=30, **how)
    assert np.bincount(train.labels[positions]).tolist() == [30, 5]
    assert len(set(positions.tolist())) == 35
    shown = as_seen(train, positions, batch_size=7, augmentation=BASIC, **how)
    trained = batches(train, batch_size=7, epochs=1, augmentation=BASIC, **how)
    images, labels = (np.concatenate(parts) for parts in zip(*trained.as_numpy_iterator(), strict=True))
    order = order_of(train.labels, epoch=1, **how).tolist()
    assert np.array_equal(labels, train.labels[order])
    np.testing.assert_array_equal(shown, images[[order.index(position) for position in positions]])


def test_each_class_begins_with_its_first_image_of_the_epoch():
    train = split(100, 4)
    positions = first_of_each_class(train.labels, classes=4, each=3, sampling="shuffled", seed=5)
    assert train.labels[positions].tolist() == sorted([0, 1, 2, 3] * 3)
    order = np.random.default_rng((5, 1)).permutation(100).tolist()
    for label in range(4):
        first = [position for position in order if train.labels[position] == label][:3]
        assert positions[train.labels[positions] == label].tolist() == first


def test_each_kind_of_change_that_is_made_is_shown_alone_and_no_other():
    mixing = replace(BASIC, zoom=0.0, mixup=0.2)
    kinds = gallery_of(splits(), augmentation=mixing).kinds
    assert [name for name, _ in kinds.alone] == ["flip", "shift 0.1", "mixup 0.2"]
    assert all(images.shape == (KINDS_EPOCHS, KINDS_IMAGES, 8, 8, 3) for _, images in kinds.alone)
    flipped = dict(kinds.alone)["flip"]
    sides = [kinds.plain, kinds.plain[:, :, ::-1]]
    assert all(any((one == side[place]).all() for side in sides) for row in flipped for place, one in enumerate(row))
    assert gallery_of(splits(), augmentation=NONE).kinds.alone == ()


def test_the_same_seed_shows_the_same_images():
    data = splits()
    first, second, other = gallery_of(data), gallery_of(data), gallery_of(data, seed=6)
    assert first.seen_files == second.seen_files != other.seen_files
    np.testing.assert_array_equal(first.seen, second.seen)


@pytest.mark.parametrize(("classes", "each", "shown"), [(2, 8, 2), (4, 8, 4), (24, 4, 24), (200, 2, 48)])
def test_of_few_classes_many_images_are_shown_and_of_many_some_classes(classes, each, shown):
    data = splits(count=40 * classes, classes=classes, shape=(2, 2, 1))
    counts = np.bincount(gallery_of(data, augmentation=NONE).seen_labels)
    assert counts.tolist() == [each] * shown
    assert counts.sum() <= SEEN


def test_large_images_are_fewer():
    data = splits(count=40, classes=2)
    images = np.broadcast_to(np.zeros(3, np.uint8), (80, 1200, 1200, 3))  # without memory
    large = replace(data, train=replace(data.train, images=images))
    assert len(gallery_of(large, augmentation=NONE).seen) == 6
