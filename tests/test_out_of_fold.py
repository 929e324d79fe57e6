"""Predictions of folds put together, and two runs of the same folds: numbers that can be checked by hand."""

import numpy as np
import pytest
from scipy import special, stats

from cnnexp.comparison import Standing
from cnnexp.comparison.folds import folds_compared
from cnnexp.comparison.metric import metric
from cnnexp.comparison.paired import paired_t, resampled_t
from cnnexp.comparison.same_images import compare_models
from cnnexp.evaluation import fit_temperature
from cnnexp.evaluation.out_of_fold import calibrated_across, pooled_temperature, with_temperature, without_temperatures
from cnnexp.records import FoldResult, RecordedPredictions, RunSummary
from cnnexp.runs.pooled import mean_history, median_epochs


def overconfident(images, *, seed=0, factor=3.0):
    """Probabilities whose logits are `factor` times too large, and labels."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(images, 3)) * 1.5
    labels = np.array([random.choice(3, p=row) for row in special.softmax(logits, axis=1)])
    return special.softmax(factor * logits, axis=1).astype(np.float32), labels


def test_temperatures_of_folds_are_taken_back_and_those_of_the_others_are_used():
    plain, labels = overconfident(600)
    folds = np.repeat([1, 2, 3], 200)
    recorded = np.concatenate([with_temperature(plain[folds == fold], fold) for fold in (1, 2, 3)])
    np.testing.assert_allclose(without_temperatures(recorded, folds, [1, 2, 3]), plain, atol=1e-5)
    calibrated = calibrated_across(plain, labels, folds)
    others = fit_temperature(probabilities=plain[folds != 2], labels=labels[folds != 2])
    np.testing.assert_allclose(calibrated[folds == 2], with_temperature(plain[folds == 2], others), atol=1e-6)
    assert others == pytest.approx(3, rel=0.25)


def test_what_a_fold_judges_does_not_calibrate_it():
    plain, labels = overconfident(600)
    folds = np.repeat([1, 2, 3], 200)
    changed = np.where(folds == 2, (labels + 1) % 3, labels)
    before, after = (calibrated_across(plain, each, folds)[folds == 2] for each in (labels, changed))
    np.testing.assert_array_equal(before, after)


def test_few_images_get_no_temperature():
    plain, labels = overconfident(99)
    assert pooled_temperature(plain, labels) is None
    np.testing.assert_array_equal(calibrated_across(plain, labels, np.repeat([1, 2, 3], 33)), plain)


def test_the_test_by_fold_is_nadeau_and_bengios():
    differences = np.array([0.02, 0.01, 0.03, -0.01, 0.02])
    test = resampled_t(differences, ratio=0.25)
    error = differences.std(ddof=1) * np.sqrt(1 / 5 + 0.25)
    assert test.p == pytest.approx(2 * stats.t.sf(differences.mean() / error, 4))
    assert test.estimate.half_width == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert test.p > paired_t(differences).p


@pytest.mark.parametrize(("differences", "p"), [([0.0, 0.0, 0.0], 1.0), ([0.01, 0.01, 0.01], 0.25), ([0.01], None)])
def test_equal_differences_and_a_single_one(differences, p):
    assert resampled_t(differences, ratio=0.5).p == p


def judged(answers, folds, *, files=None):
    count = len(answers)
    return RecordedPredictions(
        class_names=("a", "b"),
        files=tuple(map(str, range(count))) if files is None else files,
        digests=None,
        reading=None,
        content_digest=None,
        labels=np.zeros(count, np.int64),
        probabilities=np.array([[0.9, 0.1] if right else [0.2, 0.8] for right in answers], np.float32),
        folds=None if folds is None else np.array(folds),
    )


def test_runs_are_paired_by_fold():
    folds = [1, 1, 2, 2, 3, 3]
    found = folds_compared(
        judged([1, 1, 1, 0, 0, 0], folds), judged([1, 1, 1, 1, 1, 0], folds), metric("test/accuracy")
    )
    assert (found.gain.n, found.better_in) == (3, 2)
    assert found.gain.mean == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "other", [judged([1, 1], None), judged([1, 1], [2, 1]), judged([1, 1], [1, 2], files=("x", "y"))]
)
def test_other_folds_are_not_paired(other):
    assert folds_compared(judged([1, 0], [1, 2]), other, metric("test/accuracy")) is None


def fold_result(losses, best):
    names = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate")
    curve = tuple(enumerate(losses, start=1))
    return FoldResult(
        1, "r", {"best/epoch": float(best)}, dict.fromkeys(names, curve), judged([1], [1]), np.zeros(1), None
    )


def test_the_mean_course_goes_as_far_as_half_of_the_folds():
    results = [
        fold_result([4, 2], 2),
        fold_result([4, 3, 1, 2], 3),
        fold_result([1, 1, 3], 1),
        fold_result([3, 2, 2, 2, 5], 4),
    ]
    history = mean_history(results, steps=10, seconds=1.0)
    assert [values.val_loss for values in history.epochs] == [3, 2, 2, 2]
    assert history.best_epoch == median_epochs(results, keep="best") == 3
    assert median_epochs(results, keep="last") == 4


def run_of(answers, folds):
    predictions = judged(answers, folds)
    return RunSummary(
        run_id=str(answers), name="run", experiment="e", status="FINISHED", parent_id=None, started=0.0, seconds=1.0,
        settings={}, metrics={}, tags={}, data_digest=None, data_source=None, read_curves=dict,
        read_predictions=lambda: predictions, read_findings=tuple,
    )  # fmt: skip


def test_a_difference_between_runs_of_folds_has_to_show_by_image_and_by_fold():
    folds = np.repeat([1, 2, 3], 20)
    half, all_of_one = np.ones(60), np.ones(60)
    half[::2], all_of_one[folds == 1] = 0, 0
    everything = run_of(np.ones(60), folds)
    found = compare_models(everything, [run_of(half, folds), run_of(all_of_one, folds)], metric("test/accuracy"))
    assert [difference.difference.standing for difference in found] == [Standing.ALIKE, Standing.ALIKE]
    assert found[0].difference.p == pytest.approx(0.25), "equal in all three folds: the exact sign test"
    assert found[1].by_fold.better_in == 0
    (alone,) = compare_models(run_of(np.ones(60), None), [run_of(all_of_one, None)], metric("test/accuracy"))
    assert alone.difference.standing is Standing.WORSE
