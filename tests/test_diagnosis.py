import math
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cnnexp.diagnosis import LEVEL, Answers, combination_interval, diagnose, exact_interval, not_assessed
from cnnexp.diagnosis.evidence import prior_loss
from cnnexp.diagnosis.overfitting import accuracy_gap, loss_turn
from cnnexp.diagnosis.training_course import training_losses
from support.diagnosed_runs import GUESSING, TEN_TO_ONE, VAL_LOSS, diagonal, evaluation, history, run

RISING = history(
    val_loss=(0.9, 0.6, 0.5, 0.56, 0.63, 0.70, 0.78, 0.85),
    train_loss=(1.0, 0.6, 0.4, 0.25, 0.15, 0.10, 0.06, 0.04),
)
OVERFITTED = {"history": RISING, "train_accuracy": 1.0, "val_accuracy": 0.85}
STILL_FALLING = {
    "history": history(val_loss=(0.69, 0.60, 0.52, 0.45, 0.39)),
    "train_accuracy": 0.83,
    "val_accuracy": 0.82,
    "val_images": 2_000,
    "epochs": 5,
}
RARE_LOST = {"class_counts": TEN_TO_ONE, "evaluation": evaluation(diagonal([400, 40], [1.0, 0.0]))}
TOO_SURE = {
    "evaluation": evaluation(diagonal([200, 200], [0.9, 0.9]), ece=0.08),
    "confidences": np.full(400, 0.98, np.float32),
    "calibration_images": 1_000,
}


def guessing(train_loss, val_loss, rate):
    return GUESSING | {"history": history(train_loss=train_loss, val_loss=val_loss), "learning_rate": rate}


HEALTHY = {
    "a good run": {},
    "validation accuracy 99 %": {"train_accuracy": 1.0, "val_accuracy": 0.99, "val_images": 5_000},
    "all right": {"train_accuracy": 1.0, "val_accuracy": 1.0},
    "train below validation, dropout": {"train_accuracy": 0.95, "val_accuracy": 0.97, "dropout": 0.5},
    "a gap within the noise of a tiny validation set": {"train_accuracy": 1.0, "val_accuracy": 0.9, "val_images": 30},
    "a wide gap of thirty validation images": {"train_accuracy": 0.95, "val_accuracy": 0.7, "val_images": 30},
    "a sure gap too small to matter": {
        "train_accuracy": 0.99,
        "train_images": 50_000,
        "val_accuracy": 0.975,
        "val_images": 10_000,
        "history": RISING,
    },
    "a lasting gap of 7 points without rising loss": {
        "train_accuracy": 1.0,
        "train_images": 45_000,
        "val_accuracy": 0.93,
        "val_images": 5_000,
    },
    "one noisy epoch at the end": {"history": history(val_loss=(*VAL_LOSS, 0.4)), "val_accuracy": 0.95},
    "one noisy epoch in the middle": {"history": history(val_loss=(*VAL_LOSS[:5], 0.4, *VAL_LOSS[5:]))},
    "stopped early, restored, small gap": {
        "history": history(val_loss=(0.5, 0.2, 0.10, 0.11, 0.12, 0.12, 0.13), stopped_early=True),
        "train_accuracy": 0.995,
        "val_accuracy": 0.975,
    },
    "one epoch": {"history": history(val_loss=(0.6,)), "val_accuracy": 0.7, "train_accuracy": 0.7},
    "two epochs": {"history": history(val_loss=(0.6, 0.5)), "val_accuracy": 0.7, "train_accuracy": 0.7},
    "still creeping down at 99 %": {
        "history": history(val_loss=(0.3, 0.2, 0.1, 0.05)),
        "val_accuracy": 0.99,
        "val_images": 10_000,
    },
    "cosine to zero, the late fall is the rate's": {
        "history": history(
            val_loss=(0.60, 0.50, 0.46, 0.43, 0.41, 0.39, 0.36, 0.34),
            rates=[0.05 * (1 + math.cos(math.pi * epoch / 8)) for epoch in range(1, 9)],
        ),
        "train_accuracy": 0.89,
        "val_accuracy": 0.87,
        "val_images": 10_000,
    },
    "a late fall that ends above the start": {
        "history": history(val_loss=(1.0, 9.0, 5.0, 0.9, 1.1)),
        "train_accuracy": 0.5,
        "val_accuracy": 0.5,
        "val_images": 5_000,
    },
    "a rate too high, restless": {
        "history": history(val_loss=(0.65, 0.4, 0.55, 0.35, 0.5, 0.3, 0.45, 0.32, 0.28)),
        "train_accuracy": 0.9,
        "val_accuracy": 0.89,
        "val_images": 5_000,
    },
    "a fall within the noise of a tiny validation set": {
        "history": history(val_loss=(0.65, 0.6, 0.55)),
        "train_accuracy": 0.6,
        "val_accuracy": 0.6,
        "val_images": 30,
    },
    "a falling loss that no longer wins accuracy": {
        "history": history(val_loss=(0.69, 0.60, 0.52, 0.45, 0.39), val_accuracy=(0.6, 0.8, 0.82, 0.82, 0.82)),
        "train_accuracy": 0.83,
        "val_accuracy": 0.82,
        "val_images": 2_000,
    },
    "creeping on, surely but hardly": {
        "history": history(
            val_loss=(0.60, 0.45, 0.38, 0.34, 0.32, 0.31, 0.305, 0.300, 0.295, 0.290),
            val_accuracy=(0.6, 0.7, 0.8, 0.82, 0.83, 0.84, 0.85, 0.855, 0.86, 0.865),
        ),
        "train_accuracy": 0.87,
        "val_accuracy": 0.865,
        "val_images": 1_000_000,
    },
    "too sure by as much as 100 calibration images allow": TOO_SURE | {"calibration_images": 100},
    "a rare class that is merely harder, on many images": {
        "class_counts": TEN_TO_ONE,
        "evaluation": evaluation(diagonal([40_000, 4_000], [0.99, 0.95])),
    },
    "a plateau with noise": {
        "history": history(val_loss=(0.65, 0.5, 0.45, 0.42, 0.44, 0.41, 0.43, 0.40, 0.42, 0.40)),
        "train_accuracy": 0.85,
        "val_accuracy": 0.84,
        "val_images": 5_000,
    },
    "3:1 with good recalls": {
        "class_counts": {"train": (1500, 500), "validation": (150, 50), "calibration": (90, 30), "test": (300, 100)},
        "evaluation": evaluation(diagonal([300, 100], [0.99, 0.96])),
    },
    "imbalance and a tiny rare class": {
        "class_counts": TEN_TO_ONE | {"test": (40, 3)},
        "evaluation": evaluation(diagonal([40, 3], [1.0, 0.67])),
    },
    "a class missing from the test": {
        "class_counts": TEN_TO_ONE | {"test": (400, 0)},
        "evaluation": evaluation([[395, 5], [0, 0]]),
    },
    "under-confident": {"confidences": np.full(400, 0.80, np.float32), "evaluation": evaluation([[200, 0], [4, 196]])},
    "a little sure, few images": {
        "evaluation": evaluation(diagonal([20, 20], [0.95, 0.95]), ece=0.03),
        "confidences": np.full(40, 0.98, np.float32),
    },
    "validation lacks a class of train": {
        "class_counts": {"train": (6, 6, 6), "validation": (4, 4, 0), "calibration": (1, 1, 0), "test": (4, 4, 0)},
        "evaluation": evaluation([[0, 0, 4], [0, 0, 4], [0, 0, 0]]),  # it answers only the class that is missing
        "train_accuracy": 1 / 3,
        "train_images": 1_800,
        "val_accuracy": 0.0,
    },
    "one epoch, sure of nothing": guessing((2.31,), (2.304,), 0.001),
    "guessing, but the loss has begun to fall": guessing((2.60, 2.50, 2.45), (2.55, 2.46, 2.40), 0.001),
    "guessing, but the loss is below that of knowing nothing": guessing((2.0, 2.05), (2.1, 2.1), 0.001),
    "standing still at a rate that cannot be too low": guessing((2.303, 2.303), (2.303, 2.303), 1.0),
    "sure by one point on many images": {
        "evaluation": evaluation(diagonal([50_000, 50_000], [0.97, 0.97]), ece=0.01),
        "confidences": np.full(100_000, 0.98, np.float32),
    },
}


@pytest.mark.parametrize("changes", HEALTHY.values(), ids=HEALTHY)
def test_healthy_runs_are_left_alone(changes):
    assert diagnose(run(**changes)) == ()


MORE_IMAGES = "model=small, or more training images"
REGULARIZED = OVERFITTED | {"dropout": 0.5, "l2": 1e-3, "patience": 3}


def changes(resolved, group):
    return {"augmentation": resolved, "augmentation_group": group}


FAULTS = {
    "over-fitted": (OVERFITTED, "M2", "regularization=dropout_l2 training.patience=5"),
    "over-fitted, patience set": (OVERFITTED | {"patience": 3}, "M2", "regularization=dropout_l2"),
    "over-fitted, regularized": (REGULARIZED, "M2", "augmentation=basic"),
    "over-fitted, with basic changes": (REGULARIZED | changes("flip", "basic"), "M2", "augmentation=strong"),
    "over-fitted, with basic changes that do nothing": (
        REGULARIZED | changes("none", "basic"),
        "M2",
        "augmentation=strong",
    ),
    "over-fitted, with changes set by hand": (REGULARIZED | changes("flip", "none"), "M2", "augmentation=strong"),
    "over-fitted, everything set": (REGULARIZED | changes("flip", "strong"), "M2", MORE_IMAGES),
    "over-fitted, everything mixed": (REGULARIZED | changes("flip", "mix"), "M2", MORE_IMAGES),
    "over-fitted, with changes of their own": (REGULARIZED | changes("fog", "fog"), "M2", MORE_IMAGES),
    "learned by heart, loss flat": (
        {
            "train_accuracy": 1.0,
            "val_accuracy": 0.75,
            "history": history(val_loss=(0.8, 0.75, 0.74, 0.75, 0.745, 0.75)),
        },
        "M2",
        "regularization=dropout_l2 training.patience=5",
    ),
    "five epochs too few": (STILL_FALLING, "T3", "training.epochs=10"),
    "three epochs": (
        {
            "history": history(val_loss=(1.8, 1.2, 0.9)),
            "train_accuracy": 0.7,
            "val_accuracy": 0.68,
            "class_counts": dict.fromkeys(("train", "validation", "calibration", "test"), (60,) * 10),
            "evaluation": evaluation(np.diag([60] * 10)),
            "epochs": 3,
        },
        "T3",
        "training.epochs=6",
    ),
    "cosine that ended far too soon": (
        STILL_FALLING
        | {"history": history(val_loss=(0.69, 0.60, 0.45, 0.35, 0.28), rates=[0.1, 0.08, 0.05, 0.02, 0.001])},
        "T3",
        "training.epochs=10",
    ),
    "the loss exploded": (
        guessing((1.9e16, 73.5, 64.9, 63.8), (107.7, 63.2, 90.7, 41.8), 100.0),
        "T1",
        "optimizer.learning_rate=10",
    ),
    "exploded in its only epoch": (guessing((1.9e16,), (107.7,), 100.0), "T1", "optimizer.learning_rate=10"),
    "exploded, then dead": (
        guessing((53.04, 2.34, 2.31, 2.32), (2.34, 2.31, 2.31, 2.31), 0.1),
        "T1",
        "optimizer.learning_rate=0.01",
    ),
    "a rising loss": (
        guessing((2.344, 2.398, 2.359, 2.399), (2.42, 2.33, 2.37, 2.41), 1.0),
        "T1",
        "optimizer.learning_rate=0.1",
    ),
    "standing still": (
        guessing((2.3044, 2.3043, 2.3043, 2.3044), (2.3038,) * 4, 1e-7),
        "T2",
        "optimizer.learning_rate=1e-06",
    ),
    "always the majority": (RARE_LOST, "E1", "training.class_weight=balanced"),
    "always the majority, weighted": (
        RARE_LOST | {"class_weight": "balanced"},
        "E1",
        "judge by test/balanced_accuracy",
    ),
    "always the majority, sampled alike": (
        RARE_LOST | {"sampling": "balanced"},
        "E1",
        "judge by test/balanced_accuracy",
    ),
    "train imbalanced, test not": (
        {
            "class_counts": TEN_TO_ONE | {"test": (200, 200)},
            "evaluation": evaluation(diagonal([200, 200], [0.99, 0.6])),
        },
        "E1",
        "training.class_weight=balanced",
    ),
    "test imbalanced, train not": (
        {
            "train_accuracy": 0.76,
            "val_accuracy": 0.945,
            "class_counts": TEN_TO_ONE | {"train": (500, 500)},
            "evaluation": evaluation(diagonal([400, 40], [0.99, 0.5])),
        },
        "E1",
        "judge by test/balanced_accuracy",
    ),
    "too sure": (TOO_SURE, "E3", "regularization.label_smoothing=0.1"),
    "too sure, not calibrated": (
        TOO_SURE | {"calibration_images": 0, "temperature": None},
        "E3",
        "data.calibration=0.1",
    ),
    "too sure, few images": (
        TOO_SURE
        | {
            "calibration_images": 50,
            "temperature": None,
            "class_counts": {"train": (200, 200), "validation": (25, 25), "calibration": (25, 25), "test": (50, 50)},
        },
        "E3",
        "data.calibration=0.17",  # 100 of 600
    ),
    "too sure, smoothed, hardly any images": (
        TOO_SURE
        | {
            "calibration_images": 10,
            "temperature": None,
            "label_smoothing": 0.1,
            "class_counts": {"train": (50, 50), "validation": (5, 5), "calibration": (5, 5), "test": (20, 20)},
        },
        "E3",
        "more images",
    ),
}


@pytest.mark.parametrize(("changes", "fault", "repair"), FAULTS.values(), ids=FAULTS)
def test_faults_are_named_alone_with_their_repair(changes, fault, repair):
    (finding,) = diagnose(run(**changes))

    assert finding.id == fault
    assert not re.search(r"(?<!learning )\brate\b", f"{finding.title} {finding.sentence}")
    assert finding.repair.startswith(repair)
    assert 0 < finding.confidence <= 1
    assert all(math.isfinite(value) for value in finding.evidence.values())
    assert "99 % interval" in finding.sentence
    assert finding.sentence.endswith(".")


def test_an_over_fitted_run_reports_its_numbers():
    (finding,) = diagnose(run(**OVERFITTED))

    assert finding.cause == 2
    assert finding.evidence["gap"] == pytest.approx(0.15)
    train, val = (binomtest(right, trials).proportion_ci(LEVEL) for right, trials in ((1000, 1000), (170, 200)))
    assert finding.evidence["gap_low"] == pytest.approx(0.15 - math.hypot(1 - train.low, val.high - 0.85))
    assert finding.evidence["gap_high"] == pytest.approx(0.15 + 0.85 - val.low)
    assert finding.evidence["best_epoch"] == 3
    assert finding.evidence["lowest_validation_loss"] == 0.56  # the median of 0.6, 0.5 and 0.56
    assert finding.evidence["later_validation_loss"] == 0.70
    assert finding.evidence["validation_loss_rise"] == pytest.approx(0.25)
    assert "100.0% correct on train, 85.0% on validation; 15.0 points apart (99 % interval" in finding.sentence


def test_an_under_trained_run_reports_its_numbers():
    (finding,) = diagnose(run(**STILL_FALLING))

    assert finding.cause == 3
    assert finding.evidence["last_epochs"] == 3
    assert finding.evidence["loss_slope_per_epoch"] == pytest.approx(-0.065)  # the median of -0.07, -0.065 and -0.06
    assert finding.evidence["loss_fall"] == pytest.approx(0.13)
    assert finding.evidence["share_of_total_fall"] == pytest.approx(0.13 / (math.log(2) - 0.39))
    margin = finding.evidence["loss_fall"] - finding.evidence["loss_fall_low"]
    assert margin == pytest.approx(2.5758 * 0.5 * 0.39 / math.sqrt(2000), rel=1e-4)


def test_flattering_accuracy_reports_its_numbers():
    (finding,) = diagnose(run(**RARE_LOST))

    assert finding.cause == 4
    assert finding.evidence["accuracy"] == finding.evidence["majority_share"] == pytest.approx(10 / 11)
    assert finding.evidence["balanced_accuracy"] == pytest.approx(0.5)
    assert finding.evidence["classes_never_found"] == 1
    assert finding.evidence["train_class_ratio"] == 10
    assert "never found: c1" in finding.sentence


def test_over_confidence_reports_its_numbers():
    (finding,) = diagnose(run(**(TOO_SURE | {"temperature": None})))  # else that of calibration images counts, too

    assert finding.evidence["excess"] == pytest.approx(0.08)
    low, high = binomtest(360, 400).proportion_ci(LEVEL)
    assert finding.evidence["excess_low"] == pytest.approx(0.98 - high)
    assert finding.evidence["excess_high"] == pytest.approx(0.98 - low)
    assert 0 < finding.evidence["ece_by_chance"] < finding.evidence["ece"] == 0.08


def test_excess_without_a_calibration_error_beyond_chance_is_not_accused():
    assert diagnose(run(**(TOO_SURE | {"evaluation": evaluation(diagonal([200, 200], [0.9, 0.9]), ece=0.005)}))) == ()


def test_a_run_that_learned_nothing_reports_its_numbers():
    (finding,) = diagnose(run(**guessing((2.344, 2.398, 2.399), (2.42, 2.33, 2.41), 1.0)))

    assert finding.cause == 3
    assert finding.evidence["accuracy"] == finding.evidence["majority_share"] == 0.1
    assert finding.evidence["loss_knowing_nothing"] == pytest.approx(2.302585)
    low, high = binomtest(40, 400).proportion_ci(LEVEL)
    assert f"10.0% correct on test (99 % interval {low:.1%} to {high:.1%})" in finding.sentence


def test_a_guessing_network_is_not_called_over_confident_until_it_beats_the_majority():
    guesses, learned = (
        run(confidences=np.full(400, 0.98, np.float32), evaluation=evaluation(diagonal([200, 200], recalls), ece=0.3))
        for recalls in ((0.5, 0.6), (0.6, 0.6))
    )

    # 220 of 400 are surely more than 48 %, 240 surely more than 53 %; always the same class: 50 %
    assert "E3" not in {finding.id for finding in diagnose(guesses)}
    assert "E3" in {finding.id for finding in diagnose(learned)}
    assert not_assessed(learned) == ()
    assert not_assessed(guesses) == (
        "Over-confidence was not assessed: 55.0% correct on test is not significantly more than the 50.0% of always "
        "answering its most common class.",
    )


@pytest.mark.parametrize(
    ("val_loss", "expected"),
    [
        ((0.6,), ("One epoch is too few to tell whether training was long enough; at least 3 are needed.",)),
        ((0.6, 0.5), ("Two epochs are too few to tell whether training was long enough; at least 3 are needed.",)),
        ((0.6, 0.5, 0.45), ()),
    ],
)
def test_too_few_epochs_are_said_to_be_too_few(val_loss, expected):
    assert not_assessed(run(history=history(val_loss=val_loss))) == expected


def test_the_classes_validation_lacks_are_named():
    (reason,) = not_assessed(run(class_counts={"train": (500, 500), "validation": (200, 0), "test": (200, 200)}))

    assert reason.startswith("Over-fitting was not assessed: validation has no image of c1, so")


def test_several_findings_come_surest_first():
    found = diagnose(run(**(OVERFITTED | RARE_LOST | {"confidences": np.full(440, 0.999, np.float32)})))

    assert {finding.id for finding in found[:2]} == {"E1", "M2"}
    assert [finding.confidence for finding in found] == sorted((f.confidence for f in found), reverse=True)


def test_a_gap_that_the_class_shares_explain_is_no_over_fitting():
    imbalanced = run(
        **OVERFITTED
        | {"class_counts": TEN_TO_ONE | {"validation": (100, 100), "test": (200, 200)}}
        | {"evaluation": evaluation(diagonal([200, 200], [1.0, 0.7])), "train_accuracy": 0.97}
    )
    gap, low, _ = accuracy_gap(imbalanced)

    # train holds 10/11 of the easy class, validation 1/2: that alone makes (10/11 - 1/2) * (1 - 0.7) = 12.3 points
    assert gap == pytest.approx(0.97 - 0.85 - (10 / 11 - 1 / 2) * 0.3)
    assert low < 0
    assert [finding.id for finding in diagnose(imbalanced)] == ["E1"]


def test_a_still_improving_run_is_under_trained_not_over_fitted():
    found = diagnose(run(**(STILL_FALLING | {"train_accuracy": 0.94})))
    fitted = diagnose(run(**(STILL_FALLING | {"train_accuracy": 0.96})))

    assert [finding.id for finding in found] == ["T3"]
    assert [finding.id for finding in fitted] == []


@pytest.mark.parametrize(
    ("val_loss", "train_loss", "turned"),
    [
        ((0.5, 0.4, 0.5, 0.6, 0.7), (0.5, 0.4, 0.3, 0.2, 0.1), True),
        ((0.5, 0.4, 0.5, 0.6, 0.7), (0.5, 0.4, 0.5, 0.6, 0.7), False),  # the whole training diverges
        ((0.5, 0.4, 0.41, 0.42, 0.43), (0.5, 0.4, 0.3, 0.2, 0.1), False),  # hardly
        ((0.5, 0.4, 0.9, 0.4, 0.41), (0.5, 0.4, 0.3, 0.2, 0.1), False),  # one noisy epoch
        ((0.5, 0.4, 0.9), (0.5, 0.4, 0.3), False),  # too soon to tell
    ],
)
def test_a_turn_is_a_steady_rise_while_train_falls(val_loss, train_loss, turned):
    assert loss_turn(history(val_loss=val_loss, train_loss=train_loss)).turned is turned


@given(right=st.integers(0, 50), trials=st.integers(1, 50))
def test_the_exact_interval_is_scipys(right, trials):
    right = min(right, trials)
    expected = binomtest(right, trials).proportion_ci(LEVEL)

    assert exact_interval(right / trials, trials) == pytest.approx(expected, abs=1e-9)


@given(
    shares=st.lists(st.floats(0, 1), min_size=2, max_size=5),
    trials=st.integers(1, 10_000),
    first=st.floats(-1, 1),
)
def test_a_combination_lies_in_its_interval_which_mirrors_with_its_sign(shares, trials, first):
    weights, numbers = np.array([first, *[1.0] * (len(shares) - 1)]), [trials] * len(shares)
    value, low, high = combination_interval(weights, shares, numbers)
    mirrored = combination_interval(-weights, shares, numbers)

    assert low - 1e-12 <= value <= high + 1e-12
    assert mirrored == pytest.approx((-value, -high, -low), abs=1e-12)


@given(
    train=st.floats(0, 1),
    val=st.floats(0, 1),
    images=st.integers(1, 100_000),
    losses=st.lists(st.floats(0, 10), min_size=1, max_size=12),
    confidence=st.floats(0.5, 1),
)
def test_every_run_gets_an_answer_and_every_accusation_its_reason(train, val, images, losses, confidence):
    found = diagnose(
        run(
            train_accuracy=train,
            val_accuracy=val,
            val_images=images,
            history=history(val_loss=losses),
            confidences=np.full(400, confidence, np.float32),
        )
    )

    for finding in found:
        if finding.id == "M2":
            assert finding.evidence["gap_low"] > 0
            assert train - val >= 0.02
        if finding.id == "T3":
            assert finding.evidence["loss_fall_low"] > 0
            assert losses[-1] < losses[0]


def test_diagnosis_starts_without_tensorflow_and_scikit_learn():
    code = "import sys, cnnexp.diagnosis; print({'tensorflow', 'keras', 'sklearn', 'mlflow'} & set(sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


@pytest.mark.parametrize("change", [{"class_weight": "balanced"}, {"sampling": "balanced"}])
def test_where_classes_count_alike_a_constant_output_has_the_loss_of_equal_shares(change):
    rare = run(class_counts=TEN_TO_ONE)
    assert prior_loss(rare) < prior_loss(run(class_counts=TEN_TO_ONE, **change)) == pytest.approx(np.log(2))


def test_focal_loss_is_read_on_the_scale_of_cross_entropy():
    losses = (np.log(2), 0.5, 0.4)
    weighted = tuple(loss * 0.5**2 for loss in losses)
    focal = run(history=history(train_loss=weighted, val_loss=losses), gamma=2.0)
    np.testing.assert_allclose(training_losses(focal), losses)


def test_few_validation_images_are_named_and_explain_what_else_is_uncertain():
    assert [one.id for one in diagnose(run(val_images=20))] == ["S5"]
    assert diagnose(run(val_images=30)) == ()


def test_a_network_that_is_too_sure_of_the_test_images_alone_has_another_kind_of_test_images():
    labels = np.arange(400) % 2
    sure = np.where(np.eye(2)[labels] > 0, 0.97, 0.03).astype(np.float32)
    wrong_on = {"test": 0.15, "validation": 0.03}
    answers = {
        name: Answers(np.where(np.arange(400) < share * 400, 1 - labels, labels), sure)
        for name, share in wrong_on.items()
    }
    test = evaluation(answers["test"].confusion, ece=0.12)
    sure_of_all = np.full(400, 0.97, np.float32)
    weak = {"evaluation": test, "confidences": sure_of_all, "val_images": 400, "calibration_images": 1_000}
    assert [one.id for one in diagnose(run(**weak))] == ["E3"]
    assert "E3" not in [one.id for one in diagnose(run(**weak, answers=answers))]


PAST = {
    "history": history(
        val_loss=(0.6, 0.5, 0.55, 0.62, 0.7, 0.78, 0.85, 0.9),
        train_loss=(0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01),
        val_accuracy=[0.86, 0.88, 0.87, 0.86, 0.85, 0.84, 0.84, 0.83],
    ),
    "val_accuracy": 0.83,
    "val_images": 2_000,
}


def test_last_weights_after_the_best_epoch_are_named_before_over_fitting():
    (found,) = diagnose(run(**PAST, keep="last"))
    assert (found.id, found.repair) == ("T4", "training.keep=best")
    assert "over-fitting" in found.symptoms
    assert [one.id for one in diagnose(run(**PAST))] == ["M2"]  # the best weights were kept


def test_accuracies_that_part_are_over_fitting_also_where_the_loss_does_not_rise():
    flat = history(val_loss=(0.5, *(0.4,) * 9), train_loss=np.linspace(0.6, 0.1, 10).tolist())
    epochs = tuple(
        replace(epoch, train_accuracy=0.85 + 0.015 * place, val_accuracy=0.7 if place == 0 else 0.75)
        for place, epoch in enumerate(flat.epochs)
    )
    parted = {
        "history": replace(flat, epochs=epochs),
        "train_accuracy": 0.97,
        "val_accuracy": 0.75,
        "val_images": 2_000,
    }
    assert [one.id for one in diagnose(run(**parted))] == ["M2"]
    assert diagnose(run(**(parted | {"train_accuracy": 0.9}))) == ()  # fifteen points


def test_a_rate_that_is_gone_before_anything_is_learned_is_the_schedules_fault():
    rates = [0.001 * 0.1**place for place in range(8)]
    course = history(val_loss=(2.29, 2.28, 2.28, 2.28, 2.28, 2.28, 2.28, 2.28), rates=rates)
    found = diagnose(run(**(GUESSING | {"history": replace(course, steps=400)})))
    assert found[0].id == "T8"
    assert found[0].repair == "schedule=constant"
    steady = history(val_loss=(2.29, 2.28, 2.28, 2.28, 2.28, 2.28, 2.28, 2.28))
    assert "T8" not in [one.id for one in diagnose(run(**(GUESSING | {"history": replace(steady, steps=400)})))]
