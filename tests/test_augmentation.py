"""Changes of training images: what each does, that nothing else happens, and that all follow from seed and batch."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from cnnexp.augmentation import Batch, augment_batch, augment_one
from cnnexp.augmentation.color import Factors, recolored
from cnnexp.augmentation.geometry import about_center, draw_maps, rotations
from cnnexp.augmentation.mixing import Mixing, draw_mixing, mixed
from cnnexp.augmentation.pixelwise import PIXELWISE, pixelwise
from cnnexp.augmentation.policy import Operations, apply_pixelwise, available, scale_factors
from cnnexp.augmentation.resampling import images_of, planes_of, resampled
from cnnexp.compose import compose_config
from cnnexp.datasets import Split
from cnnexp.images import ImageSpec
from cnnexp.records import Augmentation
from cnnexp.runs.resolved_settings import resolve_augmentation
from cnnexp.training import as_seen
from cnnexp.training.batches import batches

NONE = Augmentation(flip=False, shift=0.0, zoom=0.0)
ALONE = {
    "flip": {"flip": True},
    "shift": {"shift": 0.2},
    "zoom": {"zoom": 0.3},
    "rotation": {"rotation": 30},
    "crop": {"crop": 0.3},
    "brightness": {"brightness": 0.5},
    "contrast": {"contrast": 0.5},
    "saturation": {"saturation": 0.5},
    "hue": {"hue": 0.3},
    "trivial_augment": {"policy": "trivial_augment"},
    "rand_augment": {"policy": "rand_augment"},
    "erasing": {"erasing": 1.0},
    "mixup": {"mixup": 1.0},
    "cutmix": {"cutmix": 1.0},
}
EVERYTHING = {name: value for change in ALONE.values() for name, value in change.items()}
COLORLESS = ("saturation", "hue")


def noise(count=64, size=(8, 8), channels=3):
    return np.random.default_rng(0).integers(0, 256, (count, *size, channels), dtype=np.uint8)


def labels_of(images):
    return np.arange(len(images)) % 7


def batch(count=64, seed=0, epoch=1, number=0):
    return Batch(seed=seed, epoch=epoch, number=number, count=count)


def changed(images, *, seed=0, epoch=1, number=0, **change):
    which = batch(len(images), seed, epoch, number)
    return augment_batch(images, labels_of(images), replace(NONE, **change), which)


# --- every kind


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", [*ALONE.values(), EVERYTHING], ids=[*ALONE, "everything"])
def test_a_change_changes_pixels_and_neither_shape_nor_type(change, channels):
    images = noise(size=(9, 14), channels=channels)
    result, _ = changed(images, **change)
    assert (result.shape, result.dtype) == (images.shape, np.uint8)
    alike = (result == images).all(axis=(1, 2, 3)).mean()
    if channels == 1 and change.keys() <= set(COLORLESS):
        assert alike == 1
    else:
        assert alike < 0.7


@pytest.mark.parametrize("change", [*ALONE.values(), EVERYTHING], ids=[*ALONE, "everything"])
def test_it_is_a_function_of_seed_epoch_and_batch_and_leaves_the_data_alone(change):
    images = noise(32)
    before = images.copy()
    first, again = changed(images, **change), changed(images, **change)
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(images, before)
    for other in ({"seed": 9}, {"epoch": 9}, {"number": 9}):
        assert (changed(images, **change, **other)[0] != first[0]).any()


@pytest.mark.parametrize("change", [*ALONE.values(), EVERYTHING], ids=[*ALONE, "everything"])
def test_one_image_is_what_it_is_in_its_batch(change):
    images, augmentation = noise(40), replace(NONE, **change)
    rows = np.random.default_rng(1).permutation(40)[:9]
    whole, _ = augment_batch(images[rows], labels_of(rows), augmentation, batch(9))
    for place in range(9):
        np.testing.assert_array_equal(augment_one(images, rows, place, augmentation, batch(9)), whole[place])


@pytest.mark.parametrize("change", ALONE.values(), ids=ALONE)
def test_what_is_drawn_for_one_kind_does_not_depend_on_the_others(change):
    """Seen through an erasing that everything has in common: it stands at the same place."""
    images = np.zeros((16, 8, 8, 3), np.uint8)
    if change.keys() & {"erasing", "mixup", "cutmix"} or "brightness" in change:
        return
    alone, _ = changed(images, erasing=1.0)
    both, _ = changed(images, **{"erasing": 1.0, **change})
    np.testing.assert_array_equal(both, alone)  # black stays black, wherever it is moved


def test_nothing_is_nothing():
    images = noise()
    result, labels = changed(images)
    assert result is images
    np.testing.assert_array_equal(labels, labels_of(images))
    assert not NONE
    assert str(NONE) == "none"


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (300, 5)])
def test_the_smallest_batches_and_odd_images(count, size):
    result, labels = changed(noise(count, size), **EVERYTHING)
    assert result.shape == (count, *size, 3)
    assert labels.shape == (count, 3)


@settings(max_examples=25)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    channels=st.sampled_from([1, 3]),
    strength=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_level_stays_a_level_whatever_moves(height, width, channels, strength, seed):
    """Geometry invents no values: an image of one level keeps it, at any strength."""
    images = np.full((4, height, width, channels), seed % 256, np.uint8)
    moved = {"flip": True, "shift": strength / 2, "zoom": strength / 2, "rotation": 180 * strength}
    result, _ = changed(images, seed=seed, crop=1 - 0.9 * strength, **moved)
    assert np.abs(result.astype(int) - images).max() <= 1  # fractions are dropped


# --- geometry


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_bit_for_bit_those_of_the_operation_that_trained_the_first_runs(channels):
    random = np.random.default_rng(3)
    images = noise(20, (13, 17), channels)
    maps = about_center(rotations(random.uniform(-3, 3, 20)) * random.uniform(0.3, 2, (20, 1, 1)), (13, 17))
    maps[:, :, 2] += random.uniform(-9, 9, (20, 2))
    flat = np.concatenate([maps.reshape(20, 6), np.zeros((20, 2))], axis=1).astype(np.float32)
    expected = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=flat,
        output_shape=(13, 17),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    np.testing.assert_array_equal(images_of(resampled(images, maps, (13, 17)), (13, 17)), expected.numpy())


def test_a_flip_mirrors_left_and_right_about_half_of_the_images_exactly():
    images = noise()
    result, _ = changed(images, flip=True)
    mirrored = (result == images[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (result == images).all(axis=(1, 2, 3))
    assert (mirrored != kept).all()
    assert 16 < mirrored.sum() < 48


def test_a_shift_stays_within_its_share_of_the_side():
    maps = draw_maps(replace(NONE, shift=0.25), batch(500), source=(8, 16), size=(8, 16))
    assert 3.5 < np.abs(maps[:, 0, 2]).max() <= 4
    assert 1.7 < np.abs(maps[:, 1, 2]).max() <= 2


@pytest.mark.parametrize("change", [{"zoom": 0.3}, {"rotation": 180}])
def test_zoom_and_rotation_keep_the_middle_in_place(change):
    image = np.zeros((32, 9, 9, 1), np.uint8)
    image[:, 4, 4] = 255
    assert (changed(image, **change)[0][:, 4, 4] >= 254).all()


def test_a_quarter_turn_is_numpys():
    images = noise(3, (6, 6))
    turned = resampled(images, about_center(rotations(np.full(3, np.pi / 2)), (6, 6)), (6, 6))
    expected = np.rot90(images, axes=(1, 2)).astype(int)
    assert np.abs(turned.reshape(3, 3, 6, 6).transpose(0, 2, 3, 1) - expected).max() < 1e-3


def test_a_rotation_stays_within_its_angle():
    maps = draw_maps(replace(NONE, rotation=12), batch(500), source=(8, 8), size=(8, 8))
    angles = np.degrees(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]))
    assert 11 < np.abs(angles).max() <= 12


@pytest.mark.parametrize("smallest", [0.08, 0.64, 0.99])
def test_a_crop_keeps_its_share_and_stays_within_the_image(smallest):
    maps = draw_maps(replace(NONE, crop=smallest), batch(500), source=(40, 20), size=(10, 10))
    heights, widths = maps[:, 1, 1] * 10 / 40, maps[:, 0, 0] * 10 / 20
    assert smallest - 1e-9 <= (heights * widths).min() < smallest + 0.1
    assert max(heights.max(), widths.max()) <= 1
    corners = np.array([[-0.5, -0.5, 1], [9.5, 9.5, 1]])
    seen = maps @ corners.T
    assert (seen >= -0.5 - 1e-9).all()
    assert (seen[:, 0] <= 19.5 + 1e-9).all()
    assert (seen[:, 1] <= 39.5 + 1e-9).all()


# --- colour


def recolor(images, **factors):
    made = Factors.unchanged(len(images))
    for name, value in factors.items():
        setattr(made, name, np.full(len(images), value))
    return images_of(recolored(planes_of(images), made), images.shape[1:3])


def test_factors_of_one_change_nothing():
    images = noise()
    np.testing.assert_array_equal(recolor(images), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_and_contrast_are_arithmetic(channels):
    images = noise(channels=channels)
    np.testing.assert_array_equal(recolor(images, brightness=0.5), np.floor(images * 0.5 + 0.5))
    assert recolor(images, brightness=2.0).max() == 255
    flat = recolor(images, contrast=0.0)
    assert np.ptp(flat, axis=(1, 2)).max() == 0
    luma = images @ np.array([0.299, 0.587, 0.114]) if channels == 3 else images[..., 0]
    np.testing.assert_allclose(flat[:, 0, 0, 0], luma.mean(axis=(1, 2)), atol=0.51)


def test_saturation_zero_is_grey_and_hue_keeps_luma_and_greys():
    images = noise() // 4 + 96  # no value leaves the range
    grey = recolor(images, saturation=0.0)
    assert np.ptp(grey, axis=3).max() == 0
    turned = recolor(images, hue=1 / 3)
    luma = np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(turned @ luma, images @ luma, atol=1)
    assert np.abs(turned.astype(int) - images).max() > 20
    np.testing.assert_array_equal(recolor(grey, hue=0.4), grey)


# --- policies


def test_a_policy_moves_no_image_that_may_not_move_and_knows_no_colour_of_grey():
    assert "rotate" in available(0.1, 3)
    assert not {"rotate", "shear_x", "translate_y"} & set(available(0.0, 3))
    assert "saturation" not in available(0.1, 1)


def test_operations_that_are_drawn_twice_multiply_and_never_invert_an_image():
    """Two of the default strength would add up to a contrast of 1 - 2 · 0.81, less than none."""
    operations = Operations(np.array([["contrast", "contrast"], ["brightness", "identity"]]), np.full((2, 2), -0.9))
    factors = Factors.unchanged(2)
    scale_factors(operations, factors)
    np.testing.assert_allclose(factors.contrast, [0.19**2, 1])
    np.testing.assert_allclose(factors.brightness, [1, 0.19])


def test_a_policy_stays_within_its_jitter():
    """A white dot at the edge of the inscribed circle is still near it: a shear moves it no farther than a shift."""
    images = np.zeros((400, 41, 41, 1), np.uint8)
    images[:, 20, 40] = 255
    result, _ = changed(images, policy="trivial_augment", policy_jitter=0.1)
    for image in result[(result == 255).any(axis=(1, 2, 3)) & (result == 0).any(axis=(1, 2, 3))]:
        rows, columns, _ = np.nonzero(image > 200)
        if len(rows) < 10:  # not inverted
            assert np.hypot(rows - 20, columns - 40).min() <= 4.1 + 1


def test_rand_augment_without_strength_changes_only_what_has_none():
    images = noise(200)
    result, _ = changed(images, policy="rand_augment", operations=1, magnitude=0.0)
    alike = (result == images).all(axis=(1, 2, 3)).mean()
    assert 0.75 < alike < 1  # autocontrast and equalize are 2 of 14


@pytest.mark.parametrize("name", PIXELWISE)
def test_each_pixelwise_operation_does_something(name):
    images = noise(2, (32, 32)) // 2
    before = images.copy()
    apply_pixelwise(images, Operations(np.array([[name], ["identity"]]), np.ones((2, 1))))
    assert (images[0] != before[0]).any()
    np.testing.assert_array_equal(images[1], before[1])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(3, 3), (40, 30)])
@pytest.mark.parametrize("levels", [(0, 256), (100, 140), (7, 8)])
def test_levels_are_those_of_pillow(channels, size, levels):
    image = np.random.default_rng(0).integers(*levels, (*size, channels), dtype=np.uint8)
    pillow = Image.fromarray(image if channels == 3 else image[..., 0])
    for strength in (0.0, 0.3, -1.0):
        bits, threshold = 8 - round(4 * abs(strength)), round(256 * (1 - abs(strength)))
        for name, expected in (
            ("posterize", ImageOps.posterize(pillow, bits)),
            ("solarize", ImageOps.solarize(pillow, threshold)),
            ("autocontrast", ImageOps.autocontrast(pillow)),
            ("equalize", ImageOps.equalize(pillow)),
        ):
            np.testing.assert_array_equal(pixelwise(image, name, strength), np.asarray(expected).reshape(image.shape))


# --- erasing and mixing


def test_erasing_fills_one_rectangle_of_a_share_of_the_images():
    images = np.zeros((300, 20, 20, 1), np.uint8)
    result, _ = changed(images, erasing=0.3)
    erased = result.any(axis=(1, 2, 3))
    assert 60 < erased.sum() < 120
    areas = []
    for image in result[erased, :, :, 0]:
        rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
        inside = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        areas.append(inside.size / 400)
        assert (inside > 0).mean() > 0.7  # noise, not a level; the corners of a small one may be zero
    assert max(areas) < 0.4
    assert max(areas) > 0.25


def test_mixed_labels_are_two_labels_whose_shares_sum_to_one():
    images = noise()
    _, labels = changed(images, mixup=1.0, cutmix=1.0)
    assert (labels.shape, labels.dtype) == ((64, 3), np.float32)
    np.testing.assert_array_equal(labels[:, 0], labels_of(images))
    np.testing.assert_array_equal(labels[:, 1], np.roll(labels_of(images), 1))
    assert ((labels[:, 2] >= 0.5) & (labels[:, 2] <= 1)).all()
    assert np.unique(labels[:, 2]).size > 20


def test_the_share_of_a_label_is_that_of_the_pixels():
    """Every image has a level of its own, so the pixels say how much of each there is."""
    images = np.broadcast_to(np.arange(40, dtype=np.uint8)[:, None, None, None] * 5, (40, 20, 20, 1))
    cut, labels = changed(images, cutmix=1.0)
    np.testing.assert_allclose((cut == images).mean(axis=(1, 2, 3)), labels[:, 2], atol=1e-6)
    blended, labels = changed(images, mixup=1.0)
    levels = images[:, 0, 0, 0].astype(float)
    expected = labels[:, 2] * levels + (1 - labels[:, 2]) * np.roll(levels, 1)
    np.testing.assert_allclose(blended[:, 3, 3, 0], expected, atol=0.51)


def test_with_both_rules_each_image_follows_one_of_them():
    mixing = draw_mixing(replace(NONE, mixup=1.0, cutmix=1.0), batch(400), (20, 20))
    cut = mixing.boxes[:, 1] > mixing.boxes[:, 0]
    assert 140 < cut.sum() < 260


def test_an_image_that_keeps_all_is_left_as_it_is():
    images = noise(2)
    whole = Mixing(np.ones(2, np.float32), np.zeros((2, 4), np.int64))
    np.testing.assert_array_equal(mixed(images, images[::-1], whole), images)


# --- settings


def resolved(*overrides, grey=False):
    config = compose_config(overrides)
    color = "grey" if grey else "rgb"
    spec = ImageSpec(8, 8, color, "stretch", "bilinear", antialias=True, background=0)
    return resolve_augmentation(config.augmentation, config.data, spec)


def test_strong_turns_no_digit_into_another_and_flips_photographs_alone():
    digits = resolved("augmentation=strong", grey=True)
    assert (digits.flip, digits.rotation, digits.crop, digits.saturation) == (False, 11.5, 0.64, 0)
    assert resolved("augmentation=strong", "data=cifar10").flip
    aligned = resolved("augmentation=strong", "data=fashion_mnist", grey=True)
    assert (aligned.rotation, aligned.crop, aligned.policy_jitter) == (0, 1, 0)


def test_the_limits_follow_data_jitter_and_yield_to_what_is_set():
    wide = resolved("augmentation=strong", "data.jitter=0.25")
    assert (wide.rotation, wide.crop, wide.policy_jitter) == (28.6, 0.25, 0.25)
    assert resolved("augmentation=strong", "data.jitter=0.5").crop == 0.08
    own = resolved("augmentation=strong", "augmentation.rotation=5", "augmentation.policy_jitter=0.3")
    assert (own.rotation, own.policy_jitter) == (5, 0.3)


def test_mix_is_strong_with_mixing():
    strong, mix = resolved("augmentation=strong"), resolved("augmentation=mix")
    assert replace(mix, mixup=0, cutmix=0) == strong
    assert (strong.mixes, mix.mixes) == (False, True)


def test_it_is_written_as_settings_are():
    assert str(Augmentation(flip=True, shift=0.1, zoom=0.2)) == "flip, shift 0.1, zoom 0.2"
    assert str(replace(NONE, policy="rand_augment", rotation=10)) == "rotation 10, RandAugment 2 × 9"


def test_the_kinds_together_are_the_whole():
    mix = resolved("augmentation=mix", "data=cifar10")
    merged = NONE
    for alone in mix.kinds.values():
        different = {f: getattr(alone, f) for f in NONE.__dataclass_fields__ if getattr(alone, f) != getattr(NONE, f)}
        merged = replace(merged, **different)
    assert merged == mix
    images = noise(8)
    for name, alone in mix.kinds.items():
        assert len(alone.kinds) == 1, name
        assert (augment_batch(images, labels_of(images), alone, batch(8))[0] != images).any() or "erasing" in name


# --- in turn


def orientations(train, *, epochs, seed, batch_size=16):
    """Return for each epoch which of the images (N,) are mirrored; labels say which image it is."""
    change = replace(NONE, flip=True, alternates=True)
    read = batches(train, batch_size=batch_size, epochs=epochs, sampling="shuffled", augmentation=change, seed=seed)
    mirrored = np.full((epochs, len(train)), -1)
    for step, (images, labels) in enumerate(read.as_numpy_iterator()):
        for image, label in zip(images, labels, strict=True):
            plain = train.images[train.rows[label]]
            assert (image == plain).all() != (image == plain[:, ::-1]).all()
            mirrored[step // -(-len(train) // batch_size), label] = (image != plain).any()
    assert (mirrored >= 0).all()
    return mirrored


def test_with_flips_in_turn_every_image_has_the_other_side_in_the_next_epoch():
    count = 100
    train = Split(noise(2 * count), np.arange(count) * 2, np.arange(count), ("",) * count)
    first, second, third, fourth = orientations(train, epochs=4, seed=3)
    np.testing.assert_array_equal(second, 1 - first)
    np.testing.assert_array_equal(third, first)
    np.testing.assert_array_equal(fourth, second)
    assert 30 < first.sum() < 70
    assert (orientations(train, epochs=1, seed=4)[0] != first).any()
    np.testing.assert_array_equal(orientations(train, epochs=1, seed=3, batch_size=7)[0], first)


def test_flips_in_turn_are_shown_as_they_were_and_resolved_from_the_settings():
    train = Split(noise(40), np.arange(40), np.arange(40) % 4, ("",) * 40)
    change = replace(NONE, flip=True, alternates=True)
    seen = as_seen(train, np.arange(40), batch_size=16, sampling="shuffled", augmentation=change, seed=5)
    by_label = Split(train.images, train.rows, np.arange(40), train.files)
    mirrored = orientations(by_label, epochs=1, seed=5)[0]
    for image, plain, is_mirrored in zip(seen, train.images, mirrored, strict=True):
        np.testing.assert_array_equal(image, plain[:, ::-1] if is_mirrored else plain)
    config = compose_config(["augmentation.flip=alternate"])
    spec = ImageSpec(8, 8, "grey", "stretch", "bilinear", antialias=True, background=0)
    assert str(resolve_augmentation(config.augmentation, config.data, spec)).startswith("alternating flip, shift 0.1")


def test_whole_pixels_are_moved_alike_often_and_keep_every_value():
    images = noise(400, (8, 12))
    moved, _ = changed(images, shift=0.25, whole_pixels=True)
    found = []
    for image, result in zip(images, moved, strict=True):
        fits = [
            (down, right)
            for down in range(-2, 3)
            for right in range(-3, 4)
            if (result == image[np.clip(np.arange(8) + down, 0, 7)][:, np.clip(np.arange(12) + right, 0, 11)]).all()
        ]
        assert len(fits) == 1
        found += fits
    counts = np.bincount([7 * (down + 2) + right + 3 for down, right in found], minlength=35)
    assert counts.min() > 0
    assert counts.max() < 30  # about 11 each
