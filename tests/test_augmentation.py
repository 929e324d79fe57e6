import numpy as np
import tensorflow as tf

from cnnexp.records import Augmentation
from cnnexp.training.augmentation import apply_transforms, transforms

NOTHING = Augmentation(flip=False, shift=0.0, zoom=0.0)


def applied(images, augmentation, *, seed=0):
    count, height, width = images.shape[:3]
    maps = transforms(augmentation, count=count, height=height, width=width, seed=seed, epoch=1, batch=0)
    return apply_transforms(tf.constant(images), tf.constant(maps)).numpy()


def noise(count=64, size=8):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 1), dtype=np.uint8)


def test_nothing_changes_nothing():
    np.testing.assert_array_equal(applied(noise(), NOTHING), noise())


def test_a_flip_mirrors_left_and_right_about_half_of_the_images_exactly():
    images = noise()
    result = applied(images, Augmentation(flip=True, shift=0.0, zoom=0.0))
    mirrored = [bool((new == old[:, ::-1]).all()) for new, old in zip(result, images, strict=True)]
    kept = [bool((new == old).all()) for new, old in zip(result, images, strict=True)]
    assert all(a != b for a, b in zip(mirrored, kept, strict=True))
    assert 16 < sum(mirrored) < 48


def test_a_shift_stays_within_its_share_of_the_side():
    maps = transforms(
        Augmentation(flip=False, shift=0.25, zoom=0.0), count=500, height=8, width=16, seed=0, epoch=1, batch=0
    )
    assert 3.5 < np.abs(maps[:, 2]).max() <= 4
    assert 1.7 < np.abs(maps[:, 5]).max() <= 2


def test_a_zoom_keeps_the_middle_in_place():
    image = np.zeros((32, 9, 9, 1), np.uint8)
    image[:, 4, 4] = 255
    result = applied(image, Augmentation(flip=False, shift=0.0, zoom=0.3))
    assert (result[:, 4, 4] >= 254).all()  # the operation truncates


def test_the_draw_is_a_function_of_seed_epoch_and_batch():
    def draw(**changes):
        where = {"seed": 1, "epoch": 2, "batch": 3} | changes
        return transforms(Augmentation(flip=True, shift=0.1, zoom=0.1), count=4, height=8, width=8, **where)

    np.testing.assert_array_equal(draw(), draw())
    for changes in ({"seed": 9}, {"epoch": 9}, {"batch": 9}):
        assert not np.array_equal(draw(), draw(**changes))


def test_it_is_written_as_settings_are():
    assert str(Augmentation(flip=True, shift=0.1, zoom=0.2)) == "flip, shift 0.1, zoom 0.2"
    assert str(NOTHING) == "none"
    assert not NOTHING
