"""Faults of a part: of the images of a split, of one class, of two splits that are one; real arrays and classifiers."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from cnnexp.diagnosis import RunImages, Sample, diagnose, neighbours
from cnnexp.diagnosis.between_splits import name_change
from cnnexp.diagnosis.changed_part import find_changed_part
from cnnexp.diagnosis.changed_share import find_changed_share
from cnnexp.diagnosis.few_levels import detect_few_levels
from cnnexp.diagnosis.image import changes
from cnnexp.diagnosis.partly_changed import name_partial_change
from cnnexp.diagnosis.shortcut import find_shortcut
from cnnexp.diagnosis.spoilt_part import find_spoilt_part
from cnnexp.records import DataImage, DataIssue, DataReport
from test_diagnosis_of_labels import a_run, ids, images_answered, of

DIGITS = load_digits()
PIXELS = np.kron(DIGITS.images * 255 / 16, np.ones((1, 2, 2))).astype(np.uint8)[..., None]
TRAIN, VAL, TEST = (
    Sample(PIXELS[rows], DIGITS.target[rows]) for rows in (slice(0, 800), slice(800, 1200), slice(1200, 1600))
)


class Learned:
    """A linear network of pixels, as sure as it is."""

    def __init__(self, images, labels):
        self.model = LogisticRegression(C=0.05, max_iter=300).fit(self.flat(images), labels)

    @staticmethod
    def flat(images):
        return images[:, ::2, ::2].reshape(len(images), -1) / 255

    def probabilities(self, images):
        return softmax(self.model.decision_function(self.flat(images)), axis=1)

    def predict(self, images):
        return self.probabilities(images).argmax(axis=1)


NETWORK = Learned(TRAIN.images, TRAIN.labels)


def as_bytes(pixels):
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def gamma(exponent):
    return lambda images: as_bytes(255 * (images / 255) ** exponent)


def changed(sample, share, change, seed=3):
    images, rows = sample.images.copy(), np.random.default_rng(seed).random(len(sample.labels)) < share
    images[rows] = change(images[rows])
    return Sample(images, sample.labels)


def turned_each_in_its_own_way(images):
    random = np.random.default_rng(4)
    turned = [np.rot90(image, random.integers(4)) for image in images]
    return np.stack([image[:, ::-1] if random.random() < 0.5 else image for image in turned])


def test_images_of_which_each_is_turned_in_its_own_way_are_named_by_turning_others_so():
    asked = Sample(turned_each_in_its_own_way(TEST.images), TEST.labels)
    found = name_change(better=VAL, worse=asked, predict=NETWORK.predict, seed=0)
    assert found is not None
    assert (found.candidate.id, found.candidate.title) == ("P8", "turned or mirrored, each image in its own way")
    assert name_change(better=VAL, worse=TEST, predict=NETWORK.predict, seed=0) is None


def test_hard_images_some_of_which_were_changed_are_told_by_how_sure_the_network_is_of_both_versions():
    """A third of the images is answered wrongly anyway, and pixels hardly tell: as of small photographs."""
    random = np.random.default_rng(6)
    hard = {
        name: Sample(as_bytes(sample.images + random.normal(0, 110, sample.images.shape)), sample.labels)
        for name, sample in (("better", VAL), ("worse", TEST))
    }
    asked = changed(hard["worse"], 0.3, lambda images: images[:, ::-1, ::-1])
    plain = {"better": hard["better"], "predict": NETWORK.predict, "seed": 0}
    assert name_partial_change(worse=asked, **plain) is None
    found = name_partial_change(worse=asked, **plain, probabilities=NETWORK.probabilities)
    assert found is not None
    assert (found.candidate.title, found.by_sureness) == ("upside down", True)
    assert name_partial_change(worse=hard["worse"], **plain, probabilities=NETWORK.probabilities) is None


def test_of_three_hard_classes_what_another_answer_makes_right_by_chance_is_no_change():
    """Most answers are guesses, and to inverted images other ones, of which half make wrong answers right."""

    def guesses(images):
        inverted = images.mean(axis=(1, 2, 3)) > 127
        upright = np.where(inverted[:, None, None, None], 255 - images, images)
        coin = upright[:, 1:].astype(int).sum(axis=(1, 2, 3)) % 2
        return (upright[:, 0, 0, 0] + np.where(inverted, 1 + coin, 0)) % 3

    def hard(count, seed, right):
        random = np.random.default_rng(seed)
        images, labels = random.integers(0, 100, (count, 8, 8, 1)).astype(np.uint8), random.integers(0, 3, count)
        known = random.random(count) < right
        images[:, 0, 0, 0] = 3 * random.integers(0, 30, count) + np.where(known, labels, random.integers(0, 3, count))
        return Sample(images, labels)

    better, worse = hard(300, 0, 0.45), hard(300, 1, 0.3)
    assert name_partial_change(better=better, worse=worse, predict=guesses, seed=0) is None


@pytest.mark.parametrize("fault", ["none", "noise", "labels", "blur"])
def test_what_is_not_turned_is_not_named_by_how_sure_its_answers_are(fault):
    asked = {
        "none": TEST,
        "noise": Sample(as_bytes(TEST.images + np.random.default_rng(1).normal(0, 90, TEST.images.shape)), TEST.labels),
        "labels": Sample(TEST.images, np.where(np.arange(400) % 3 == 0, (TEST.labels + 1) % 10, TEST.labels)),
        "blur": Sample(as_bytes(ndimage.uniform_filter(TEST.images.astype(float), (0, 7, 7, 0))), TEST.labels),
    }[fault]
    assert (
        name_partial_change(
            better=VAL, worse=asked, predict=NETWORK.predict, seed=0, probabilities=NETWORK.probabilities
        )
        is None
    )


def photographs(count, seed):
    """Smooth random shapes in colour, each of its own brightness and contrast."""
    random = np.random.default_rng(seed)
    waves = ndimage.gaussian_filter(random.normal(size=(count, 24, 24, 3)), (0, 1.2, 1.2, 0.5)) * 4
    return as_bytes(128 + random.normal(0, 20, (count, 1, 1, 1)) + random.uniform(30, 60, (count, 1, 1, 1)) * waves)


SPOILT = {
    "dark": (gamma(4.0), {"too dark"}),
    "bright": (gamma(0.2), {"too bright"}),
    "blurred": (lambda images: as_bytes(ndimage.uniform_filter(images.astype(float), (0, 5, 5, 0))), {"blurred"}),
    "noisy": (lambda images: as_bytes(images + np.random.default_rng(1).normal(0, 50, images.shape)), {"noisy"}),
}


@pytest.mark.parametrize("share", [0.2, 0.4])
@pytest.mark.parametrize(("change", "ways"), SPOILT.values(), ids=SPOILT)
def test_a_part_that_is_spoilt_is_found_beside_clean_images(change, ways, share):
    asked = changed(Sample(photographs(300, 1), np.zeros(300, np.int64)), share, change)
    found = find_spoilt_part(clean=photographs(300, 2), asked=asked.images)
    assert found is not None
    assert set(found.ways) == ways
    assert abs(sum(found.ways.values()) - share) < 0.08


def test_a_split_that_is_clean_or_was_made_in_another_way_has_no_spoilt_part():
    clean, asked = photographs(300, 2), photographs(300, 1)
    assert find_spoilt_part(clean=clean, asked=asked) is None
    assert find_spoilt_part(clean=clean, asked=as_bytes(asked * 0.6)) is None
    order = np.argsort(asked.mean(axis=(1, 2, 3)))
    assert find_spoilt_part(clean=clean, asked=asked[order[-120:]]) is None  # the brightest of them


def impulses(images, share):
    drawn = np.random.default_rng(2).random(images.shape)
    return np.where(drawn < share / 2, 0, np.where(drawn < share, 255, images)).astype(np.uint8)


def differing(*splits):
    issues = tuple(
        DataIssue("S4", f"{split} differs from train", f"{split} differs.", False, {"distance in x": 0.4}, (), "")
        for split in splits
    )
    return DataReport("", "", "", 3_000, (24, 24, 3), ("a",), {}, issues, (), ())


@pytest.mark.parametrize(
    ("change", "fault", "title"),
    [
        (
            lambda x: as_bytes(ndimage.gaussian_filter(x.astype(float), (0, 1.1, 1.1, 0))),
            "D2",
            "blurred training images",
        ),
        (lambda x: as_bytes(x + np.random.default_rng(2).normal(0, 30, x.shape)), "D3", "noisy training images"),
        (
            lambda x: impulses(x, 0.1),
            "D3",
            "noisy training images",
        ),
        (
            lambda x: changed(Sample(x, np.zeros(len(x), np.int64)), 0.3, gamma(4.0)).images,
            "D2",
            "a part of train is too dark",
        ),
    ],
    ids=["blur", "noise", "impulses", "a part is dark"],
)
def test_training_images_unlike_all_others_are_named_by_making_the_others_like_them(change, fault, title):
    known = {"train": change(photographs(300, 1)), "validation": photographs(300, 2), "test": photographs(300, 3)}
    images = RunImages(
        lambda name: Sample(known[name], np.zeros(300, np.int64)), lambda pixels: np.zeros(len(pixels), np.int64)
    )
    run = replace(a_run(images=images), report=differing("validation", "test"))
    assert [(one.id, one.title) for one in diagnose(run)] == [(fault, title)]
    assert ids(diagnose(replace(run, report=None))) == []  # nothing differs by the data check


def marked(sample, *, label, level=255):
    images = sample.images.copy()
    images[sample.labels == label, -3:, -3:] = level
    return Sample(images, sample.labels)


def test_a_mark_of_one_class_is_a_shortcut_where_another_split_does_not_have_it():
    seen = marked(VAL, label=3)
    network = Learned(marked(TRAIN, label=3).images, TRAIN.labels)

    def reads_the_mark(images):
        has_mark = images[:, -3:, -3:].mean(axis=(1, 2, 3)) > 200
        answers = network.predict(images)
        return np.where(has_mark, 3, np.where(answers == 3, 8, answers))

    found = find_shortcut(seen, reads_the_mark, without=TEST)
    assert (found.label, found.where) == (3, "lower right")
    assert found.covered < 0.2 < found.accuracy
    assert find_shortcut(seen, NETWORK.predict, without=TEST) is None  # a network that does not need it
    assert find_shortcut(VAL, NETWORK.predict, without=TEST) is None
    assert find_shortcut(VAL, reads_the_mark, without=TEST) is None


def test_a_stamp_on_the_training_images_alone_is_a_shortcut_and_no_over_fitting():
    stamped = TRAIN.images.copy()
    stamped[:, :3, :3] = (25 * TRAIN.labels[:, None, None, None]).astype(np.uint8)

    def reads_the_stamp(images):
        return np.clip(np.rint(images[:, :3, :3].mean(axis=(1, 2, 3)) / 25), 0, 9).astype(np.int64)

    known = {"train": Sample(stamped[:400], TRAIN.labels[:400]), "validation": VAL, "test": TEST}
    shares = {"train": 0.99, "validation": 0.3, "test": 0.3}
    answers = {
        name: images_answered(400, accuracy=share, seed=k, classes=10) for k, (name, share) in enumerate(shares.items())
    }
    run = of(answers, images=RunImages(lambda name: known[name], reads_the_stamp))
    assert ids(diagnose(run)) == ["D6"]
    assert "over-fitting" in diagnose(run)[0].symptoms


def leak(*splits, count=200):
    groups = tuple(
        tuple(DataImage(2 * place, f"{place}.png", split, "a", "identical") for split in splits)
        for place in range(count)
    )
    return DataIssue("S1", "leakage between splits", "Images occur again.", False, {"exact": count}, groups, "")


@pytest.mark.parametrize(
    ("issue", "found"),
    [
        (leak("validation", "test", count=390), ["S5"]),
        (leak("validation", "test", count=40), ["S1"]),
        (leak("train", "test", count=390), ["S1"]),
    ],
)
def test_a_validation_split_that_is_the_test_is_named_as_that_and_other_leaks_as_leaks(issue, found):
    counts = {"train": (400,) * 5, "validation": (80,) * 5, "calibration": (10,) * 5, "test": (120,) * 5}
    report = DataReport("", "", "", 3_000, (8, 8, 1), tuple("abcde"), counts, (issue,), (), ())
    assert ids(diagnose(replace(a_run(), report=report))) == found


def test_a_split_far_below_that_differs_in_its_pixels_is_said_to_differ_and_one_that_does_not_is_unexplained():
    """Stripes on the test images: a property that the data check does not compare."""
    striped = as_bytes(photographs(300, 3) + 25 * (np.arange(24) // 12 % 2 * 2 - 1)[None, :, None, None])
    known = {"validation": photographs(300, 2), "test": striped}

    def run(test):
        images = {"train": photographs(300, 1), "validation": known["validation"], "test": test}
        answers = lambda pixels: np.zeros(len(pixels), np.int64)  # noqa: E731
        sampled = RunImages(lambda name: Sample(images[name], np.zeros(300, np.int64)), answers)
        return a_run(test=lambda _: images_answered(600, accuracy=0.4, seed=7), images=sampled)

    (found,) = diagnose(run(striped))
    assert (found.id, found.title) == ("S4", "test differs from validation")
    assert "where it is bright" in found.sentence
    assert ids(diagnose(run(photographs(300, 4)))) == ["U0"]


def versions(images, count, seed):
    """Several versions of each image, all in one order: moved by a pixel at most, dimmed and noisy."""
    random = np.random.default_rng(seed)
    moved = np.concatenate(
        [[np.roll(image, random.integers(-1, 2, 2), (0, 1)) for image in images] for _ in range(count)]
    )
    return as_bytes(moved * random.uniform(0.85, 1, (len(moved), 1, 1, 1)) + random.normal(0, 6, moved.shape))


def with_copies(what):
    """Training and validation images of digits, of which a fifth of the latter are in train, too, in some way."""
    train, val = TRAIN.images, VAL.images[:300]
    if what == "versions":  # without names, and so many that all are near to some other
        order = np.random.default_rng(0).permutation(1200)
        both = versions(PIXELS[:240], 5, seed=1)[order]
        return both[:900], both[900:]
    copies = {
        "none": val[:0],
        "few": val[:6],
        "noisy": as_bytes(val[:60] + np.random.default_rng(0).normal(0, 8, val[:60].shape)),
        "dimmed": as_bytes(val[:60] * 0.6),
        "mirrored": val[:60, :, ::-1],
        "upright": val[:60],
    }[what]
    return np.concatenate([train, copies]), val


@pytest.mark.parametrize(
    ("what", "found"),
    [
        ("none", []),
        ("few", []),
        ("noisy", ["S1"]),
        ("dimmed", ["S1"]),
        ("mirrored", ["S1"]),
        ("upright", ["S1"]),
        ("versions", ["S2"]),
    ],
)
def test_copies_of_training_images_among_those_that_are_judged_are_found_without_names(what, found):
    train, val = with_copies(what)
    labels = [np.arange(len(images)) % 5 for images in (train, val)]
    near = neighbours(train=train, train_labels=labels[0], validation=val, validation_labels=labels[1], seed=0)
    run = replace(a_run(), neighbours=replace(near, accuracy=0.0, labels=None, others=None, confusion=None))
    assert ids(diagnose(run)) == found
    assert found != ["S1"] or ("mirrored" in diagnose(run)[0].title) == (what == "mirrored")


def coloured(count, seed):
    """Photographs that are redder than blue, as a rule; their class is where they are red, a tenth is mislabelled."""
    random = np.random.default_rng(seed)
    cast = random.normal(10, 15, (count, 1, 1))
    pixels = photographs(count, seed).astype(float)
    pixels[..., 0] += cast
    pixels[..., 2] -= cast
    labels = random.integers(0, 2, count)
    pixels[:, :, :12, 0] += np.where(labels, 15, -15)[:, None, None]
    return Sample(as_bytes(pixels), np.where(random.random(count) < 0.1, 1 - labels, labels))


def red_is_left(images):
    red = images[..., 0].astype(float)
    return (red[:, :, :12].mean(axis=(1, 2)) > red[:, :, 12:].mean(axis=(1, 2))).astype(np.int64)


@pytest.mark.parametrize("share", [0.35, 0.6])
def test_the_share_of_changed_images_is_told_where_no_single_image_shows_whether_it_was(share):
    better, worse = coloured(400, 1), changed(coloured(400, 2), share, lambda images: images[..., ::-1])
    found = find_changed_share(better=better, worse=worse, predict=red_is_left, seed=0)
    assert found is not None
    assert found.candidate.id == "P5"
    assert found.low <= share <= found.high
    assert found.high - found.low < 0.4
    assert found.made == pytest.approx(found.before, abs=0.06)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x,
        lambda x: as_bytes(x * np.array([0.8, 1.0, 1.2])),
        lambda x: as_bytes(x * 0.5),
        lambda x: as_bytes(x + np.random.default_rng(1).normal(0, 60, x.shape)),
        lambda x: x.mean(axis=3, keepdims=True).repeat(3, axis=3).astype(np.uint8),
    ],
    ids=["nothing", "a colour cast", "dark", "noise", "grey"],
)
def test_what_changes_all_images_otherwise_is_no_share_of_changed_ones(change):
    worse = coloured(400, 2)
    worse = Sample(change(worse.images), np.where(np.arange(400) % 5 == 0, 1 - worse.labels, worse.labels))
    assert find_changed_share(better=coloured(400, 1), worse=worse, predict=red_is_left, seed=0) is None


def coarse(levels):
    return lambda images: as_bytes(np.rint(images / 255 * (levels - 1)) * (255 / (levels - 1)))


def grey(images):
    return images.mean(axis=3, keepdims=True).repeat(3, axis=3).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        (coarse(3), "of few levels"),
        (coarse(8), "of few levels"),
        (coarse(64), None),
        (grey, "without colour"),
        (lambda images: images, None),
    ],
    ids=["3 levels", "8 levels", "64 levels", "grey", "nothing"],
)
def test_a_split_without_levels_or_colour_is_named_where_it_is_answered_worse(change, lost):
    known = {"train": photographs(300, 1), "validation": photographs(300, 2), "test": change(photographs(300, 3))}
    images = RunImages(
        lambda name: Sample(known[name], np.zeros(300, np.int64)), lambda pixels: np.zeros(len(pixels), np.int64)
    )

    def answered(accuracy):
        return a_run(test=lambda _: images_answered(600, accuracy=accuracy, seed=7), images=images)

    found = detect_few_levels(answered(0.7))
    assert (None if found is None else found.title) == (None if lost is None else f"test has images {lost}")
    assert detect_few_levels(answered(0.86)) is None


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_part_of_the_training_images_that_is_inverted_is_told_by_pixels_alone(share):
    asked = changed(TRAIN, share, lambda images: 255 - images)
    found = find_changed_part(clean=VAL.images, asked=asked.images, seed=0)
    assert found is not None
    assert found.candidate.id == "P6"
    assert found.share == pytest.approx(share, abs=0.05)
    assert find_changed_part(clean=VAL.images, asked=TRAIN.images, seed=0) is None
    spoilt = changed(TRAIN, share, gamma(0.2))
    assert find_changed_part(clean=VAL.images, asked=spoilt.images, seed=0) is None


def test_a_change_of_one_class_alone_is_named_by_undoing_it_there():
    rows = TEST.labels == 7
    images = TEST.images.copy()
    images[rows] = images[rows][:, ::-1, ::-1]
    plain = {"better": VAL, "predict": NETWORK.predict, "seed": 0}
    found = name_partial_change(worse=Sample(images, TEST.labels), **plain)
    assert found is not None
    assert (found.candidate.title, found.of_class) == ("upside down", 7)
    covered = TEST.images.copy()
    covered[rows, :8] = 128
    assert name_partial_change(worse=Sample(covered, TEST.labels), **plain) is None


@pytest.mark.parametrize("quality", [5, 10])
def test_images_that_lost_detail_in_compression_are_named_by_losing_it_again(quality):
    images, labels = (np.concatenate([getattr(one, name) for one in (VAL, TEST)]) for name in ("images", "labels"))
    better, asked = Sample(images[::2], labels[::2]), Sample(images[1::2], labels[1::2])
    worse = Sample(changes.jpeg(quality)(asked.images, np.random.default_rng(0)), asked.labels)
    given = {"better": better, "predict": NETWORK.predict, "seed": 0, "probabilities": NETWORK.probabilities}
    found = name_change(worse=worse, **given)
    assert found is not None
    assert (found.candidate.id, found.candidate.title) == ("S4", "compressed by JPEG")
    assert name_change(worse=asked, **given) is None


LOST = {
    "noise": (lambda x: as_bytes(x + np.random.default_rng(1).normal(0, 110, x.shape)), ("D3", "noisy")),
    "blur": (lambda x: as_bytes(ndimage.gaussian_filter(x.astype(float), (0, 2.2, 2.2, 0))), ("D2", "blurred")),
}


@pytest.mark.parametrize(("change", "named"), LOST.values(), ids=LOST)
def test_a_share_of_images_that_lost_what_nothing_undoes_is_named_by_losing_it_again(change, named):
    images, labels = (np.concatenate([getattr(one, name) for one in (VAL, TEST)]) for name in ("images", "labels"))
    better, plain = Sample(images[::2], labels[::2]), Sample(images[1::2], labels[1::2])
    given = {"better": better, "predict": NETWORK.predict, "seed": 0}
    found = find_changed_share(worse=changed(plain, 0.5, change), **given)
    assert found is not None
    assert (found.candidate.id, found.candidate.title) == named
    assert found.low < 0.5 < found.high
    assert find_changed_share(worse=plain, **given) is None


def test_a_split_with_easier_images_that_lost_detail_is_told_by_what_that_costs_the_other_one():
    """As many of both are right; only the test has other pixels than train."""
    images, labels = (np.concatenate([getattr(one, name) for one in (VAL, TEST)]) for name in ("images", "labels"))
    right = NETWORK.predict(images) == labels
    easy = np.concatenate([np.flatnonzero(right)[::2], np.flatnonzero(~right)[:15]])
    rest = np.setdiff1d(np.arange(len(labels)), easy)
    compressed = changes.jpeg(6)(images[easy], np.random.default_rng(0))
    known = {
        "train": TRAIN,
        "validation": Sample(images[rest], labels[rest]),
        "test": Sample(compressed, labels[easy]),
    }
    scores = {name: float((NETWORK.predict(one.images) == one.labels).mean()) for name, one in known.items()}
    assert scores["test"] > scores["validation"]
    tried = RunImages(known.__getitem__, NETWORK.predict, NETWORK.probabilities)
    answers = {name: images_answered(600, accuracy=0.88, seed=k, classes=10) for k, name in enumerate(known)}
    (found,) = diagnose(of(answers, images=tried))
    assert (found.id, found.title) == ("S4", "test is compressed by JPEG")


def test_a_split_that_has_the_brighter_images_is_no_share_that_was_exposed_badly():
    images, labels = (np.concatenate([getattr(one, name) for one in (VAL, TEST)]) for name in ("images", "labels"))
    order = np.argsort(images.mean(axis=(1, 2, 3)))
    better, bright = (Sample(images[rows], labels[rows]) for rows in (order[:550], order[550:]))
    wrong = np.arange(len(bright.labels)) % 5 == 0  # whatever else makes it worse
    worse = Sample(bright.images, np.where(wrong, (bright.labels + 1) % 10, bright.labels))
    assert find_changed_share(better=better, worse=worse, predict=NETWORK.predict, seed=0) is None
