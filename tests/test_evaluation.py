import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn import metrics as sk

from cnnexp.errors import DataError, ModelError
from cnnexp.evaluation import MetricResampler, draw_counts, evaluate, expected_calibration_error
from cnnexp.evaluation.bootstrap import RESAMPLES, resample_number

METRICS = {
    *("accuracy", "balanced_accuracy", "roc_auc", "pr_auc", "log_loss", "brier", "ece"),
    *(f"{average}_{score}" for average in ("macro", "weighted") for score in ("precision", "recall", "f1")),
}


def predictions(*, images, classes, seed, skill=2.0, decimals=None):
    """Labels and float32 probabilities; few decimals make ties."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    logits = rng.normal(size=(images, classes))
    logits[np.arange(images), labels] += skill
    if decimals is not None:
        logits = logits.round(decimals)
    return labels, softmax(logits, axis=1).astype(np.float32)


def names(classes):
    return [f"c{k}" for k in range(classes)]


def judge(probabilities, labels, seed=0):
    return evaluate(
        probabilities=np.asarray(probabilities, np.float32),
        labels=np.asarray(labels),
        class_names=names(np.shape(probabilities)[1]),
        seed=seed,
    )


def reference(probabilities, labels):
    """The same metrics, each by one plain call of scikit-learn on the images as they are."""
    present, predicted = np.unique(labels), probabilities.argmax(axis=1)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    classes = list(range(probabilities.shape[1]))
    found = {"accuracy": sk.accuracy_score(labels, predicted), "log_loss": sk.log_loss(labels, exact, labels=classes)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a resample predicts classes that it has no image of
        found["balanced_accuracy"] = sk.balanced_accuracy_score(labels, predicted)
    for average in ("macro", "weighted"):
        options = {"labels": present, "average": average, "zero_division": 0}
        found[f"{average}_precision"] = sk.precision_score(labels, predicted, **options)
        found[f"{average}_recall"] = sk.recall_score(labels, predicted, **options)
        found[f"{average}_f1"] = sk.f1_score(labels, predicted, **options)
    found["roc_auc"] = np.mean([sk.roc_auc_score(labels == k, probabilities[:, k]) for k in present])
    found["pr_auc"] = np.mean([sk.average_precision_score(labels == k, probabilities[:, k]) for k in present])
    found["brier"] = sum(sk.brier_score_loss(labels == k, exact[:, k], pos_label=True) for k in classes)
    found["ece"] = expected_calibration_error(probabilities=probabilities, labels=labels)
    return found


def test_four_images_by_hand():
    found = judge([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], [0, 0, 1, 1])

    assert found.confusion.tolist() == [[2, 0], [1, 1]]
    assert set(found.metrics) == METRICS
    assert found.metrics["accuracy"] == found.metrics["balanced_accuracy"] == 0.75
    assert found.metrics["macro_precision"] == pytest.approx((2 / 3 + 1) / 2)
    assert found.metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert found.metrics["roc_auc"] == pytest.approx(3 / 4)  # of four pairs, 0.6 against 0.7 is the wrong way round
    assert found.metrics["log_loss"] == pytest.approx(-np.log([0.9, 0.6, 0.3, 0.8]).mean(), rel=1e-6)
    assert found.metrics["brier"] == pytest.approx(2 * np.mean([0.01, 0.16, 0.49, 0.04]), rel=1e-6)
    assert found.metrics["ece"] == pytest.approx((0.1 + 0.4 + 0.7 + 0.2) / 4, rel=1e-6)  # four bins, one image each
    assert (found.per_class[1].precision, found.per_class[1].recall, found.per_class[1].support) == (1.0, 0.5, 2)


@pytest.mark.parametrize(("classes", "decimals"), [(2, None), (5, 0), (10, None), (100, 1)])
def test_the_point_values_are_scikit_learns(classes, decimals):
    labels, probabilities = predictions(images=400, classes=classes, seed=1, decimals=decimals)

    found = judge(probabilities, labels)

    assert dict(found.metrics) == pytest.approx(reference(probabilities, labels), rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(
    images=st.integers(2, 60),
    classes=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
    decimals=st.sampled_from([None, 0, 1]),
)
def test_each_resample_scores_what_scikit_learn_says_of_the_repeated_images(images, classes, seed, decimals):
    labels, probabilities = predictions(images=images, classes=classes, seed=seed, decimals=decimals)
    counts = draw_counts(images, 3, np.random.default_rng(seed))

    resampled = MetricResampler.of(probabilities=probabilities, labels=labels).metrics(counts)

    for column in range(3):
        repeated = np.repeat(np.arange(images), counts[:, column].astype(int))
        if len(np.unique(labels[repeated])) == 1:
            assert np.isnan(resampled["roc_auc"][column])
            assert np.isnan(resampled["pr_auc"][column])
            continue
        expected = reference(probabilities[repeated], labels[repeated])
        assert {name: values[column] for name, values in resampled.items()} == pytest.approx(expected, rel=1e-7)


def test_each_resample_draws_as_many_images_and_the_seed_decides_which():
    counts = draw_counts(50, 400, np.random.default_rng(3))

    assert (counts.sum(axis=0) == 50).all()
    assert counts.mean(axis=1) == pytest.approx(np.ones(50), abs=0.25)  # five standard errors of 1 / sqrt(400)
    assert counts.var() == pytest.approx(1 - 1 / 50, rel=0.05)  # of a multinomial
    labels, probabilities = predictions(images=80, classes=3, seed=0)
    assert judge(probabilities, labels, seed=7).intervals == judge(probabilities, labels, seed=7).intervals
    assert judge(probabilities, labels, seed=7).intervals != judge(probabilities, labels, seed=8).intervals


def test_the_interval_of_accuracy_is_the_binomial_one():
    labels, probabilities = predictions(images=900, classes=4, seed=5)
    found = judge(probabilities, labels)
    assert set(found.intervals) == METRICS
    assert found.notes == ()
    accuracy, (low, high) = found.metrics["accuracy"], found.intervals["accuracy"]

    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(accuracy * (1 - accuracy) / 900), rel=0.15)
    for name, value in found.metrics.items():
        assert found.intervals[name][0] <= value <= found.intervals[name][1], name


def test_large_splits_are_resampled_less_often_but_never_below_two_hundred_times():
    numbers = [resample_number(images=n, classes=10) for n in (360, 10_000, 20_000, 60_000, 1_000_000)]

    assert numbers == [RESAMPLES, 1_000, 500, 200, 200]
    assert all(before >= after for before, after in pairwise(numbers))


def test_a_missing_class_is_noted_and_left_out():
    found = judge([[0.8, 0.1, 0.1], [0.1, 0.1, 0.8], [0.1, 0.8, 0.1], [0.9, 0.05, 0.05]], [0, 2, 2, 0])

    missing = found.per_class[1]
    assert (missing.support, missing.precision, missing.recall, missing.f1, missing.roc_auc) == (0, *[None] * 4)
    assert found.metrics["macro_recall"] == found.metrics["balanced_accuracy"] == 0.75
    assert found.metrics["macro_precision"] == 1.0
    assert "The split has no image of class c1" in found.notes[0]


def test_a_class_that_is_never_predicted_has_no_precision_and_counts_as_zero():
    found = judge([[0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.9, 0.1]], [0, 0, 0, 1])

    assert found.per_class[1].precision is None
    assert (found.per_class[1].recall, found.per_class[1].f1) == (0.0, 0.0)
    assert found.metrics["macro_precision"] == 0.75 / 2
    assert "No image was predicted as class c1" in found.notes[0]


def test_one_class_only_leaves_out_what_needs_two():
    found = judge([[0.9, 0.1], [0.4, 0.6]], [0, 0])

    assert set(found.metrics) == METRICS - {"roc_auc", "pr_auc"}
    assert found.metrics["accuracy"] == 0.5
    assert found.per_class[0].roc_auc is None
    assert any("roc_auc and pr_auc" in note for note in found.notes)


def test_a_model_with_one_output_is_always_right():
    found = judge(np.ones((5, 1)), np.zeros(5, int))

    assert found.confusion.tolist() == [[5]]
    assert (found.metrics["accuracy"], found.metrics["log_loss"], found.metrics["brier"]) == (1, 0, 0)


def test_an_interval_that_most_resamples_leave_undefined_is_absent_and_noted():
    found = judge([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], [0, 0, 1])  # (2/3)³ of the resamples lack class 1

    assert "roc_auc" in found.metrics
    assert "roc_auc" not in found.intervals
    assert any("roc_auc, pr_auc" in note for note in found.notes)


def test_a_note_about_many_classes_stays_readable():
    labels, probabilities = predictions(images=20, classes=100, seed=0)

    note = judge(probabilities, labels).notes[0]

    assert "more" in note
    assert len(note) < 200


@pytest.mark.parametrize(
    ("probabilities", "labels", "error", "words"),
    [
        (np.empty((0, 3)), np.empty(0, int), DataError, "at least one image"),
        ([[0.5, 0.5], [np.nan, 1.0]], [0, 1], ModelError, "1 of 2 rows are not, the first is row 1"),
        ([[np.inf, 0.0]], [0], ModelError, "must be finite"),
        ([[3.0, -1.0]], [0], ModelError, "softmax"),
        ([[0.2, -0.1, 0.9]], [0], ModelError, "at least 0"),
        ([[0.5, 0.5]], [2], DataError, r"Labels must be 0\.\.1"),
        ([[0.5, 0.5]], [-1], DataError, r"got -1\.\.-1"),
        ([[0.5, 0.5]], [0, 1], ValueError, r"got \(1, 2\) and \(2,\)"),
    ],
)
def test_what_cannot_be_judged_is_refused_by_name(probabilities, labels, error, words):
    with pytest.raises(error, match=words):
        judge(probabilities, labels)


def test_names_must_match_the_outputs():
    with pytest.raises(ValueError, match="2 columns and 1 names"):
        evaluate(probabilities=np.full((1, 2), 0.5, np.float32), labels=np.zeros(1, int), class_names=["a"], seed=0)
