"""Labels, class order and splits: verdicts by what a network answers, on answers made with a known fault."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from cnnexp.diagnosis import Answers, diagnose, neighbours
from cnnexp.diagnosis.needed_temperature import needed_temperature
from cnnexp.records import DataImage, DataIssue, DataReport, NetworkFacts
from support.diagnosed_runs import GUESSING, STILL_LEARNING, evaluation, history, run

K = 5


def images_answered(count, *, accuracy, seed, classes=K):
    """Labels and probabilities of a network that is unsure of its mistakes, whose label is its second choice."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    other = (labels + rng.integers(1, classes, count)) % classes
    correct = rng.random(count) < accuracy
    best, second = np.where(correct, labels, other), np.where(correct, other, labels)
    top = np.where(best == labels, rng.uniform(0.6, 0.99, count), rng.uniform(0.4, 0.6, count))
    p = rng.uniform(0.5, 1.5, (count, classes)) * ((1 - top) * 0.2 / (classes - 2))[:, None]
    p[np.arange(count), best], p[np.arange(count), second] = top, 0.6 * (1 - top)
    return Answers(labels, p.astype(np.float32))


def relabelled(answers, labels):
    return replace(answers, labels=labels)


def noisy(answers, share, seed=0):
    """Random other labels for a share of the images."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(answers.labels)) < share
    return relabelled(answers, np.where(wrong, (answers.labels + rng.integers(1, K, len(wrong))) % K, answers.labels))


def flipped(answers, share, *, true=1, labelled=2, seed=0):
    rng = np.random.default_rng(seed)
    move = (answers.labels == true) & (rng.random(len(answers.labels)) < share)
    return relabelled(answers, np.where(move, labelled, answers.labels))


def a_run(*, accuracy=0.85, counts=(2_000, 400, 600), classes=K, images=None, **changed):
    """A run whose splits are answered alike; `changed` splits are changed by a function."""
    splits = zip(("train", "validation", "test"), counts, strict=True)
    given = {name: images_answered(n, accuracy=accuracy, seed=k, classes=classes) for k, (name, n) in enumerate(splits)}
    given |= {name: change(given[name]) for name, change in changed.items()}
    return of(given, images=images)


def of(given, **changes):
    classes = given["test"].probabilities.shape[1]
    confidences = given["test"].probabilities.max(axis=1)
    facts = {
        "answers": given,
        "evaluation": evaluation(given["test"].confusion, ece=0.0),
        "train_accuracy": given["train"].accuracy,
        "train_images": len(given["train"].labels),
        "val_accuracy": given["validation"].accuracy,
        "val_images": len(given["validation"].labels),
        "confidences": np.minimum(confidences, given["test"].accuracy).astype(np.float32),
        "class_counts": {
            **{name: tuple(np.bincount(one.labels, minlength=classes)) for name, one in given.items()},
            "calibration": (10,) * classes,
        },
    }
    return run(**(facts | changes))


def ids(findings):
    return [one.id for one in findings]


@pytest.mark.parametrize("accuracy", [0.97, 0.85, 0.7])
@pytest.mark.parametrize("classes", [2, 3, 5, 10])
def test_hard_images_are_no_fault_of_the_labels(accuracy, classes):
    if classes == 2:
        rng = np.random.default_rng(0)
        labels = rng.integers(0, 2, 900)
        sure = np.where(rng.random(900) < accuracy, rng.uniform(0.5, 1, 900), rng.uniform(0.3, 0.5, 900))
        p = np.where(labels[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None]).astype(np.float32)
        given = dict.fromkeys(("train", "validation", "test"), Answers(labels, p))
        assert ids(diagnose(of(given))) == []
        return
    assert ids(diagnose(a_run(accuracy=accuracy, classes=classes))) == []


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_wrong_labels_of_train_and_validation_are_named_and_explain_that_test_is_better(share):
    found = diagnose(a_run(train=lambda one: noisy(one, share), validation=lambda one: noisy(one, share)))
    assert found[0].id == "L1"
    assert len(found) == 1
    assert found[0].evidence["noise_low"] < share < found[0].evidence["noise_high"]


def two_classes(count, *, noise=(0.0, 0.0), seed=0):
    """Answers of a network that is unsure of its few mistakes; shares of the labels of each class are wrong."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    sure = np.where(rng.random(count) < 0.93, rng.uniform(0.6, 1, count), rng.uniform(0.3, 0.5, count))
    p = np.where(labels[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None]).astype(np.float32)
    wrong = rng.random(count) < np.array(noise)[labels]
    return Answers(np.where(wrong, 1 - labels, labels), p)


@pytest.mark.parametrize(
    ("noise", "on_test", "found"),
    [
        ((0.2, 0.2), (0.0, 0.0), ["L1"]),
        ((0.12, 0.25), (0.0, 0.0), ["L1"]),
        ((0.0, 0.3), (0.0, 0.0), ["L2"]),
        ((0.0, 0.0), (0.0, 0.0), []),
        ((0.2, 0.2), (0.2, 0.2), []),  # then test cannot tell them from hard images
    ],
)
def test_wrong_labels_of_two_classes_are_told_by_test_images_that_are_answered_better(noise, on_test, found):
    given = {"train": two_classes(900, noise=noise, seed=1), "validation": two_classes(300, noise=noise, seed=2)}
    said = diagnose(of(given | {"test": two_classes(600, noise=on_test, seed=3)}))
    assert ids(said)[:1] == found


def test_wrong_labels_everywhere_are_named_with_less_confidence():
    found = diagnose(a_run(**dict.fromkeys(("train", "validation", "test"), lambda one: noisy(one, 0.3))))
    better = diagnose(a_run(train=lambda one: noisy(one, 0.3)))
    assert ids(found) == ids(better) == ["L1"]
    assert found[0].confidence < better[0].confidence


def test_a_network_that_has_learned_little_says_nothing_about_labels():
    rng = np.random.default_rng(0)
    weak = {
        name: Answers(rng.integers(0, K, 800), rng.dirichlet(np.ones(K), 800).astype(np.float32))
        for name in ("train", "validation", "test")
    }
    assert not {"L1", "L2"} & set(ids(diagnose(of(weak))))


def test_a_class_flipped_into_another_is_named_with_both():
    (found,) = diagnose(a_run(train=lambda one: flipped(one, 0.3)))
    assert (found.id, "c1 are labelled c2" in found.sentence) == ("L2", True)
    assert found.evidence["share_low"] < 0.3 < found.evidence["share_high"]


def test_two_classes_that_are_hard_to_tell_apart_are_not_flipped():
    """Their images are mistaken for each other both ways, and those that are, are answered with less confidence."""

    def confused(one):
        hard = (one.labels == 1) & (one.probabilities.max(axis=1) < 0.75)
        return relabelled(one, np.where(hard, 2, one.labels))

    assert ids(diagnose(a_run(**dict.fromkeys(("train", "validation", "test"), confused)))) == []


def permuted(order):
    return lambda one: relabelled(one, np.array(order)[one.labels])


@pytest.mark.parametrize("order", [(1, 2, 3, 4, 0), (1, 0, 2, 3, 4), (4, 3, 2, 1, 0)])
@pytest.mark.parametrize("accuracy", [0.97, 0.6])
def test_another_class_order_of_test_is_named_and_explains_the_low_score(order, accuracy):
    (found,) = diagnose(a_run(accuracy=accuracy, test=permuted(order)))
    assert found.id == "L4"
    assert found.evidence["accuracy_reordered"] == pytest.approx(accuracy, abs=0.05)
    assert found.evidence["classes_moved"] == sum(place != label for place, label in enumerate(order))


def test_two_classes_in_the_wrong_order_are_named():
    """With two, every answer is right once they are swapped."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 600)
    p = np.where(labels[:, None] == np.arange(2), 0.95, 0.05).astype(np.float32)
    right = Answers(labels, p)
    given = {"train": right, "validation": right, "test": relabelled(right, 1 - labels)}
    assert ids(diagnose(of(given, confidences=np.full(600, 0.0, np.float32)))) == ["L4"]


def test_a_test_split_far_below_validation_is_said_although_no_check_names_why():
    worse = images_answered(600, accuracy=0.6, seed=7)
    (found,) = diagnose(a_run(test=lambda _: worse))
    assert (found.id, found.cause, found.title) == ("U0", 0, "test far below validation")


def test_the_same_with_images_that_differ_names_what_differs():
    issue = DataIssue(
        "S4", "test differs from train", "Test is darker.", False, {"distance in brightness": 0.9}, (), ""
    )
    report = DataReport("", "", "", 3_000, (8, 8, 1), ("a",), {}, (issue,), (), ())
    worse = a_run(test=lambda _: images_answered(600, accuracy=0.6, seed=7))
    (found,) = diagnose(replace(worse, report=report))
    assert (found.id, found.evidence["distance in brightness"]) == ("S4", 0.9)
    assert ids(diagnose(replace(a_run(), report=report))) == []  # a domain that the network masters


def test_a_difference_of_splits_within_chance_is_none():
    slightly_worse = images_answered(100, accuracy=0.78, seed=3)
    assert ids(diagnose(a_run(test=lambda _: slightly_worse))) == []


def patterns(count, seed, *, shuffled=False):
    """Images of five classes, each a noisy pattern of its own, and their labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, K, count)
    centers = np.random.default_rng(9).integers(60, 190, (K, 12, 12, 3))
    images = np.clip(centers[labels] + rng.normal(0, 60, (count, 12, 12, 3)), 0, 255).astype(np.uint8)
    return images, rng.permutation(labels) if shuffled else labels


def near(*, shuffled):
    (train, labels), (val, val_labels) = patterns(400, 0, shuffled=shuffled), patterns(200, 1, shuffled=shuffled)
    return neighbours(train=train, train_labels=labels, validation=val, validation_labels=val_labels, seed=0)


COLLAPSED = GUESSING | {
    "history": history(val_loss=(2.31, 2.31, 2.31), spreads=(1.0, 0.0, 0.0, 0.0)),
    "val_accuracy": 0.2,
}


def test_labels_that_say_nothing_about_the_images_are_named_before_the_learning_rate():
    (found,) = diagnose(run(**COLLAPSED, neighbours=near(shuffled=True)))
    assert (found.id, found.cause) == ("L3", 1)
    assert "learning rate too high" in found.symptoms[0]


def test_with_labels_that_belong_to_the_images_it_is_the_learning_rate():
    (found,) = diagnose(run(**COLLAPSED, neighbours=near(shuffled=False)))
    assert (found.id, found.symptoms) == ("T1", ("far below what the data allow",))


def test_neighbours_answer_as_well_as_can_be_and_by_chance_when_shuffled():
    belonging, shuffled = near(shuffled=False), near(shuffled=True)
    assert belonging.accuracy > 0.95
    assert shuffled.accuracy == pytest.approx(1 / K, abs=0.1)
    assert belonging.labels.lift > 0.9
    assert abs(shuffled.labels.lift) < 0.05


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"images_per_step": 2}, ("T5", "training.batch_size=32")),
        ({"images_per_step": 2, "history": COLLAPSED["history"]}, ("T5", "training.batch_size=32")),
        ({"images_per_step": 512, "history": STILL_LEARNING}, ("T6", "training.batch_size=32")),
        ({"history": history(val_loss=(2.0,)), "epochs": 1}, ("T3", "training.epochs=10")),
        ({"dropout": 0.95}, ("M3", "regularization.dropout=0.3")),
        ({"augmentation": "flip, rotation 120"}, ("P8", "augmentation=none")),
        ({"augmentation": "flip, rotation 15"}, ("U0", "cnnexp diagnose RUN, which tries the usual reasons")),
        ({}, ("U0", "cnnexp diagnose RUN, which tries the usual reasons")),
    ],
)
def test_a_network_below_its_nearest_neighbours_is_explained_by_extreme_settings_or_said_to_be_unexplained(
    changes, expected
):
    learned = {"train_accuracy": 0.5, "val_accuracy": 0.5, "neighbours": near(shuffled=False)}
    found = diagnose(run(**(learned | changes)))
    assert (found[0].id, found[0].repair) == expected


@pytest.mark.parametrize(
    "changes", [{"images_per_step": 2}, {"images_per_step": 512}, {"dropout": 0.8}, {"augmentation": "rotation 180"}]
)
def test_extreme_settings_of_a_network_that_learned_are_no_fault(changes):
    assert diagnose(run(neighbours=near(shuffled=False), **changes)) == ()


FACTS = NetworkFacts(3, 0.5, 0.5, 0.1, 0.0, 0.5, 16, (), ())  # of one that begins with random weights


def faint(count, seed):
    """Images of five classes whose patterns are so faint that neighbours of few images are often of another class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % K
    angles = rng.uniform(0, 2 * np.pi, count)  # within a class, images lie on a circle that few cannot cover
    grid = np.arange(12)[:, None] * np.cos(angles)[:, None, None] + np.arange(12) * np.sin(angles)[:, None, None]
    waves = 128 + 60 * np.sin(grid * (0.5 + 0.35 * labels[:, None, None]))
    return np.repeat(np.clip(waves + rng.normal(0, 8, waves.shape), 0, 255).astype(np.uint8)[..., None], 3, 3), labels


@pytest.mark.parametrize(("count", "found"), [(200, ["D5"]), (900, [])])
def test_too_few_images_are_named_by_what_half_of_them_would_lose(count, found):
    (train, labels), (val, val_labels) = faint(count, 0), faint(100, 1)
    given = neighbours(train=train, train_labels=labels, validation=val, validation_labels=val_labels, seed=0)
    weak = {"train_accuracy": 0.9, "val_accuracy": 0.89, "train_images": count, "val_images": 100}
    evidence = run(neighbours=replace(given, accuracy=0.8), **weak)
    assert ids(diagnose(evidence)) == found
    for one in diagnose(evidence):
        assert "pretrained" not in one.repair, "a network of which it is not known may have started from one"
    for one in diagnose(replace(evidence, network=FACTS)):
        assert "start from a pretrained network" in one.repair


@pytest.mark.parametrize(("count", "found"), [(40, ["D5"]), (90, [])])
def test_few_images_of_a_class_that_are_known_by_heart_are_too_few(count, found):
    """With 90 of a class there is the same gap, but no rising loss, and it is too narrow for over-fitting alone."""
    known = {"train": lambda one: images_answered(len(one.labels), accuracy=1.0, seed=4)}
    given = a_run(counts=(count * K, 400, 600), **known)
    assert ids(diagnose(replace(given, network=FACTS))) == found


def test_few_images_that_are_answered_well_are_enough():
    (train, labels), (val, val_labels) = faint(200, 0), faint(100, 1)
    given = neighbours(train=train, train_labels=labels, validation=val, validation_labels=val_labels, seed=0)
    assert diagnose(run(neighbours=replace(given, accuracy=0.8))) == ()


def in_halves(answers, *, one=1, other=2):
    """Give the images of one class either of two names, which the network then guesses; those of the other are gone."""
    rng = np.random.default_rng(7)
    kept = answers.labels != other
    labels, p = answers.labels[kept], answers.probabilities[kept].copy()
    own = labels == one
    p[own, other] = p[own, one] * rng.uniform(0.5, 2, own.sum())
    labels = np.where(own & (rng.random(len(labels)) < 0.5), other, labels)
    return Answers(labels, p)


def test_one_class_under_two_names_is_told_from_two_classes_that_are_hard_to_tell_apart():
    twins = dict.fromkeys(("train", "validation", "test"), in_halves)
    (found,) = diagnose(a_run(accuracy=0.95, **twins))
    assert (found.id, found.title) == ("L2", "two names for one class")
    assert found.evidence["recall_low"] < 0.5 < found.evidence["recall_high"]
    assert ids(diagnose(a_run(accuracy=0.55, **twins))) == []  # the others are not learned either


def grouped(*, real, count=400):
    """Training and validation images, four of each object or of none, with names that say groups."""
    rng = np.random.default_rng(3)
    groups = np.arange(count) // 4
    objects = rng.integers(0, 256, (count // 4 if real else count, 8, 8, 1))
    images = objects[groups] if real else objects
    images = np.clip(images + rng.normal(0, 10, images.shape), 0, 255).astype(np.uint8)
    labels = groups % K
    order = rng.permutation(count)
    return images[order], labels[order], groups[order]


def perhaps_groups():
    image = DataImage(0, "object1_2.png", "train", "a", "")
    repair = "if they do, data.group=parent for data=folder, a column group for data=table"
    issue = DataIssue("S2", "perhaps groups", "names", False, {"groups": 100, "images": 400}, ((image,),), repair)
    counts = dict.fromkeys(("train", "validation", "calibration", "test"), (80,) * K)
    return DataReport("", "", "", 400, (8, 8, 1), tuple("abcde"), counts, (issue,), (), ())


@pytest.mark.parametrize(("real", "named"), [(True, ["S2"]), (False, [])])
def test_names_that_begin_alike_are_groups_where_the_images_are_alike_too(real, named):
    images, labels, groups = grouped(real=real)
    near = neighbours(
        train=images[:300],
        train_labels=labels[:300],
        validation=images[300:],
        validation_labels=labels[300:],
        seed=0,
        groups=(groups[:300], groups[300:]),
    )
    found = diagnose(replace(a_run(accuracy=0.97), neighbours=replace(near, rise=0.0), report=perhaps_groups()))
    assert ids(found) == named
    assert [one.repair for one in found] == ["data.group=parent"] * len(named)


@pytest.mark.parametrize(("share", "named"), [(0.0, []), (0.2, []), (0.8, ["L3"])])
def test_labels_of_train_that_mostly_do_not_belong_to_its_images_are_told_by_those_of_validation(share, named):
    images, labels, _ = grouped(real=True, count=1200)
    images = images // 4 + (labels * 40)[:, None, None, None].astype(np.uint8)
    images[:, ::2, ::2] = (labels * 60)[:, None, None, None]  # what the images of a class have in common
    wrong = np.where(np.random.default_rng(1).random(900) < share, np.roll(labels[:900], 3), labels[:900])
    near = neighbours(
        train=images[:900], train_labels=wrong, validation=images[900:], validation_labels=labels[900:], seed=0
    )
    asked = replace(near, rise=0.0, accuracy=0.5, copies=None)  # groups are real here, which is another fault
    assert ids(diagnose(replace(a_run(accuracy=0.97), neighbours=asked))) == named


def drawn(count, *, times, seed):
    """Labels drawn as a calibrated network says, and probabilities of logits that are `times` too large."""
    rng = np.random.default_rng(seed)
    logits = np.where(np.arange(K) == rng.integers(0, K, (count, 1)), rng.exponential(6, (count, 1)), 0.0)
    p = softmax(logits, axis=1)
    labels = (p.cumsum(axis=1) > rng.random((count, 1))).argmax(axis=1)
    return Answers(labels, softmax(times * logits, axis=1).astype(np.float32))


@pytest.mark.parametrize("count", [300, 600])
@pytest.mark.parametrize("times", [1, 1.3, 4])
def test_answers_that_are_several_times_too_sure_are_told_by_the_few_mistakes_among_them(times, count):
    splits = {name: drawn(count, times=times, seed=k) for k, name in enumerate(("train", "validation", "test"))}
    needed, low, high = needed_temperature(splits["validation"], splits["test"])
    assert low < times < high
    found = [one for one in diagnose(of(splits)) if one.id == "E3"]
    assert bool(found) == (times == 4)
    if found:
        assert f"logits are {needed:.1f} times too large" in found[0].sentence
        apart = splits | {"test": drawn(count, times=1, seed=5)}  # the network is too sure of one split alone
        assert "E3" not in ids(diagnose(of(apart)))


def exchanged_at_random(answers, share, seed=5):
    rng = np.random.default_rng(seed)
    moved = rng.random(len(answers.labels)) < share
    return relabelled(answers, np.where(moved, rng.permutation(answers.labels), answers.labels))


@pytest.mark.parametrize("split", ["validation", "test"])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda one: noisy(one, 0.3), "L1"),
        (lambda one: flipped(one, 0.9), "L2"),
        (lambda one: exchanged_at_random(one, 1.0), "L3"),
    ],
)
def test_labels_of_images_that_are_judged_are_named_where_answers_are_as_sure_as_ever(split, change, found):
    (first, *others) = diagnose(a_run(counts=(2_000, 1_500, 1_500), **{split: change}))
    assert (first.id, others) == (found, [])
    assert split in first.title


def test_images_that_are_harder_are_not_taken_for_wrong_labels():
    """A network is less sure of them, and right where it is sure."""
    for accuracy in (0.5, 0.7):
        found = diagnose(
            a_run(counts=(2_000, 600, 600), test=lambda one, a=accuracy: images_answered(600, accuracy=a, seed=9))
        )
        assert not {"L1", "L2", "L3"} & set(ids(found))
