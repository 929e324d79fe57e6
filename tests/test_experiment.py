"""Whole runs on real data: every option trains, equal seeds give equal numbers, edge cases are reported."""

import json
import subprocess
import sys

import numpy as np
import pytest

from cnnexp.compose import compose_config
from cnnexp.config.defaults import options
from cnnexp.diagnosis import failed_learning
from cnnexp.errors import NonFiniteLossError
from cnnexp.portable.reference import TrainingReference
from cnnexp.runs import experiment
from cnnexp.runs.starting_network import starting_network

SHORT = ["training.threads=1", "data.limit=150", "training.epochs=2"]
TRAINED_GROUPS = ("model", "optimizer", "regularization", "augmentation", "schedule")


def run(*overrides, infos=None):
    config = compose_config([*SHORT, *overrides])
    with starting_network(config) as pretrained:
        return experiment.run(
            config,
            pretrained=pretrained,
            name="test",
            on_start=(infos if infos is not None else []).append,
            on_epoch=lambda _: False,
            on_progress=lambda *_: None,
        )


@pytest.mark.slow
@pytest.mark.parametrize(("group", "option"), [(group, name) for group in TRAINED_GROUPS for name in options(group)])
def test_every_option_trains_and_is_evaluated(group, option):
    if option == "from_run":
        pytest.skip("tests/test_from_run.py")
    overrides = {"warmup_cosine": ["training.epochs=4"], "pretrained": ["data.size=[32,32]"]}.get(option, [])
    result = run(f"{group}={option}", *overrides)
    assert result.history.steps == len(result.history.epochs) * 5
    assert 0 <= result.metrics["test/accuracy"] <= 1
    assert all(np.isfinite(value) for value in result.metrics.values())


def test_metrics_have_their_documented_names():
    result = run("seed=0")
    documented = (
        "accuracy balanced_accuracy macro_precision macro_recall macro_f1 weighted_f1 roc_auc pr_auc log_loss brier "
        "ece accuracy_low accuracy_high ece_uncalibrated"
    )
    names = {f"test/{name}" for name in documented.split()}
    names |= {"best/epoch", "best/val_loss", "best/val_accuracy", "best/train_accuracy", "gap/accuracy", "updates"}
    assert names | {"seconds/train"} <= set(result.metrics)
    assert result.metrics["gap/accuracy"] == pytest.approx(
        result.metrics["best/train_accuracy"] - result.metrics["best/val_accuracy"]
    )


NUMBERS = """
import json, sys
from cnnexp.runs import experiment
from cnnexp.compose import compose_config
result = experiment.run(compose_config(sys.argv[1:]), name="test", on_start=lambda _: None, on_epoch=lambda _: False,
                        on_progress=lambda *_: None)
print(json.dumps({name: value for name, value in result.metrics.items() if not name.startswith("seconds")}))
"""


def test_the_same_seed_gives_the_same_numbers_in_a_new_process():
    overrides = ["model=regularized", "augmentation=basic", "seed=0"]
    done = subprocess.run(
        [sys.executable, "-c", NUMBERS, *SHORT, *overrides], check=True, capture_output=True, text=True
    )
    here = {name: value for name, value in run(*overrides).metrics.items() if not name.startswith("seconds")}
    assert json.loads(done.stdout.splitlines()[-1]) == here


def test_with_fewer_than_a_hundred_calibration_images_no_temperature_is_fitted():
    result = run("data.calibration=0.05")
    assert any("at least 100 calibration images" in note for note in result.notes)
    assert result.metrics["temperature"] == 1
    assert result.metrics["test/ece"] == pytest.approx(result.metrics["test/ece_uncalibrated"])


def test_with_few_calibration_images_those_of_validation_say_what_is_a_usual_distance():
    few, enough = run("data.calibration=0.04"), run("data.calibration=0.1")
    counts = {name: len(result.predictions[name].labels) for result in (few,) for name in result.predictions}
    reference = TrainingReference.from_bytes(few.features_file)
    assert counts["calibration"] < 100 < counts["calibration"] + counts["validation"] == len(reference.distances)
    assert len(reference.label_scores) == counts["calibration"]  # prediction sets are of calibration alone
    assert few.card["thresholds"]["unlike_distance"] is not None
    alone = TrainingReference.from_bytes(enough.features_file)
    assert len(alone.distances) == len(enough.predictions["calibration"].labels) >= 100


def test_a_class_missing_from_the_test_split_is_noted(tmp_path):
    from PIL import Image

    random = np.random.default_rng(0)
    for split, classes, count in (("train", "abc", 12), ("val", "abc", 6), ("test", "ab", 6)):
        for name in classes:
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                pixels = random.integers(0, 256, (16, 16), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    result = run("data=folder", f"data.path={tmp_path}", f"data.cache={tmp_path / 'cache'}", "data.limit=null")
    assert result.info.class_counts["test"] == (6, 6, 0)
    assert any("c" in note and "test" in note.lower() for note in (*result.notes, *result.evaluation.notes))
    assert result.evaluation.per_class[2].recall is None


def test_a_batch_larger_than_the_training_split_is_one_step_on_one_thread():
    infos = []
    result = run("training.batch_size=65536", "training.threads=auto", infos=infos)
    assert result.history.steps == 2
    assert (infos[0].threads, infos[0].precision) == (1, "float32")


def test_a_diverging_learning_rate_is_a_clear_error():
    with pytest.raises(NonFiniteLossError, match=r"must stay finite.*optimizer\.learning_rate="):
        run(
            "optimizer=sgd",
            "optimizer.learning_rate=100",
            "optimizer.batch_scaling=linear",
            "optimizer.reference_batch_size=1",
            "training.batch_size=4096",
            "training.epochs=40",
            "regularization=l2",
            "regularization.l2=10",
        )


def test_a_network_that_a_huge_step_killed_is_told_from_one_that_hardly_moved():
    killed = run("model=small", "optimizer.learning_rate=0.3", "regularization=l2")
    outputs, penalties = killed.history.outputs, killed.history.penalties
    assert (killed.findings[0].id, failed_learning(killed.findings)) == ("T1", "collapsed")
    assert len(outputs) == len(penalties) == 1 + len(killed.history.epochs)
    assert (outputs[-1].spread, outputs[0].change) == (0.0, 0.0)
    assert outputs[0].spread > 0
    assert all(np.isfinite(penalties))

    unmoved = run("model=small", "optimizer.learning_rate=1e-7", "training.batch_size=2")
    assert (unmoved.findings[0].id, failed_learning(unmoved.findings)) == ("T2", "stood still")
    assert unmoved.history.outputs[0] == outputs[0]  # of the same seed, whatever the learning rate
    assert unmoved.history.penalties == ()


@pytest.mark.slow
def test_the_defaults_reach_98_percent_on_digits():
    accuracies = [
        experiment.run(
            compose_config([f"seed={seed}"]),
            name="test",
            on_start=lambda _: None,
            on_epoch=lambda _: False,
            on_progress=lambda *_: None,
        ).metrics["test/accuracy"]
        for seed in range(3)
    ]
    assert np.mean(accuracies) >= 0.98
