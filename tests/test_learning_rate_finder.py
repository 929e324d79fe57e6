"""The learning rate that is found: what the test leaves untouched, what is recorded of it, and who uses it."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from cnnexp.__main__ import main
from cnnexp.comparison import compare
from cnnexp.compose import compose_config, parameters, run_name
from cnnexp.config.columns import FOUND
from cnnexp.errors import ConfigError
from cnnexp.records import DatasetInfo, FoundLearningRate
from cnnexp.report.learning_rate import page, rate_chart, terminal_curve
from cnnexp.sweeps.run_hash import hash_run
from cnnexp.training import find_learning_rate, rate_finder
from cnnexp.training.rate_finder import DIVERGED, curve_of, smooth
from test_comparison_verdicts import summary
from test_recipes import STILL, stripes, trainer, walk, weights_of

FACTS = DatasetInfo(digest="d1", height=8, width=8, class_counts=(500, 488))
RATES = np.geomspace(1e-6, 10, 140)


def bowl(lowest=0.1, *, noise=0.0, seed=0):
    """A loss that falls over two decades down to its lowest, and rises behind it."""
    distance = np.log10(RATES / lowest)
    losses = np.where(distance < 0, 2.3 - 2 * np.clip(distance + 2, 0, 2) / 2, 0.3 + 8 * np.clip(distance, 0, None))
    return losses + np.random.default_rng(seed).normal(0, noise, len(RATES))


# --- the suggestion


@pytest.mark.parametrize("lowest", [1e-3, 0.02, 0.3])
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_suggested_is_a_tenth_of_the_rate_of_the_lowest_loss(lowest, noise):
    curve = curve_of(RATES, bowl(lowest, noise=noise))
    assert curve.suggestion == pytest.approx(lowest / 10, rel=0.5)
    assert curve.fall > 0.7


def test_smoothing_moves_no_curve_and_one_step_counts_little():
    flat = smooth(RATES, np.full(140, 2.0))
    np.testing.assert_allclose(flat, 2.0)
    mirrored = smooth(RATES, bowl()[::-1])[::-1]
    inner = slice(30, 110)
    np.testing.assert_allclose(smooth(RATES, bowl())[inner], mirrored[inner], rtol=1e-5)
    spiked = bowl()
    spiked[60] = 1e30
    assert smooth(RATES, spiked).max() < DIVERGED * 2.4 + 10


def test_a_loss_that_never_falls_is_said_to():
    curve = curve_of(RATES, np.random.default_rng(0).normal(2.3, 0.02, 140))
    assert curve.fall < 0.05
    assert curve_of(RATES[:0], np.empty(0)).fall == 0


# --- what is left untouched


def found_by(made, **changes):
    settings = {"batch_size": 16, "sampling": "shuffled", "augmentation": STILL, "seed": 0} | changes
    steps = []
    curve = find_learning_rate(made, stripes(50), on_steps=lambda done, total: steps.append((done, total)), **settings)
    return curve, steps


@pytest.mark.parametrize("override", ["optimizer=adam", "optimizer=muon"])
def test_weights_random_state_and_optimizer_are_afterwards_as_they_were(override):
    from cnnexp.models import Regularization

    dropped = Regularization(dropout=0.5, l1=0.0, l2=0.001)
    plain = list(walk(trainer(override, regularization=dropped, ema=0.9)))
    made = trainer(override, regularization=dropped, ema=0.9)
    before = weights_of(made)
    curve, _ = found_by(made)
    assert len(curve.losses) > 50
    assert all(map(np.array_equal, before, weights_of(made)))
    for expected, got in zip(plain, walk(made), strict=True):
        assert all(map(np.array_equal, expected, got))


def test_a_network_that_begins_slowly_is_tested_again_with_twice_the_steps(monkeypatch):
    monkeypatch.setattr(rate_finder, "STEPS", (20, 40, 80))
    monkeypatch.setattr(rate_finder, "ENOUGH", 1.0)
    _, steps = found_by(trainer("optimizer=adam"))
    assert list(dict.fromkeys(total for _, total in steps)) == [20, 40, 80]
    assert steps[-1] == (80, 80)


def test_the_same_seed_finds_the_same():
    assert found_by(trainer("optimizer=adam"))[0] == found_by(trainer("optimizer=adam"))[0]


# --- the setting


def test_whole_numbers_and_texts_are_the_floats_they_were():
    for typed in ("1", "1.0", "'1'", "1e0"):
        config = compose_config([f"optimizer.learning_rate={typed}"])
        assert (repr(config.optimizer.learning_rate), hash_run(config, FACTS)) == (
            "1.0",
            hash_run(compose_config(["optimizer.learning_rate=1.0"]), FACTS),
        )
    assert hash_run(compose_config(["optimizer.learning_rate=auto"]), FACTS) != hash_run(compose_config([]), FACTS)


@pytest.mark.parametrize("typed", ["fast", "true", "null", "[1]", "''"])
def test_anything_else_is_refused(typed):
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate must be a number or auto; got "):
        compose_config([f"optimizer.learning_rate={typed}"])


def test_auto_is_no_parameter_before_it_is_found_and_names_the_run():
    config = compose_config(["optimizer.learning_rate=auto"])
    assert "optimizer.learning_rate" not in parameters(config)
    assert run_name(config, ["optimizer.learning_rate=auto"]) == "baseline-lr_auto"


# --- a run


SMALL = ["model=small", "training.epochs=2", "data.limit=300", "training.threads=1", "optimizer.batch_scaling=sqrt"]


@pytest.fixture
def inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recorded(*names):
    client = MlflowClient(f"sqlite:///{Path.cwd()}/mlflow.db")  # MLflow keeps a connection by address
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    runs = {run.info.run_name: run for run in client.search_runs(experiments)}
    return [runs[name] for name in names]


def test_a_run_with_the_rate_found_is_the_run_with_that_rate(inside, capfd):
    assert main([*SMALL, "training.batch_size=64", "optimizer.learning_rate=auto", "tracking.run_name=auto"]) == 0
    (auto,) = recorded("auto")
    rate = auto.data.params["optimizer.learning_rate"]
    assert auto.data.tags[FOUND] == "optimizer.learning_rate"
    assert ", found" in capfd.readouterr().out
    folder = inside / "mlartifacts" / auto.info.run_id / "artifacts"
    curve = json.loads((folder / "learning_rate.json").read_text(encoding="utf-8"))
    assert curve["learning_rate"] == float(rate)
    assert "<svg" in (folder / "learning_rate.html").read_text(encoding="utf-8")
    assert "Learning rate found" in (folder / "run.html").read_text(encoding="utf-8")
    assert "learning_rate: auto" in (folder / "config.yaml").read_text(encoding="utf-8")

    assert main([*SMALL, "training.batch_size=64", f"optimizer.learning_rate={rate}", "tracking.run_name=hand"]) == 0
    (hand,) = recorded("hand")
    assert hand.data.params["used.learning_rate"] == auto.data.params["used.learning_rate"]
    same = [name for name in hand.data.metrics if not name.startswith(("seconds", "system"))]
    assert {name: hand.data.metrics[name] for name in same} == {name: auto.data.metrics[name] for name in same}


def test_find_lr_prints_what_a_run_would_find_and_records_nothing(inside, capfd):
    words = ["find-lr", "model=small", "data.limit=300", "training.threads=1"]
    assert main([*words, "--html", "curve.html", "--json", "curve.json"]) == 0
    found = json.loads((inside / "curve.json").read_text(encoding="utf-8"))
    assert f"optimizer.learning_rate={found['learning_rate']:g}" in capfd.readouterr().out
    assert "cnnexp find-lr model=small" in (inside / "curve.html").read_text(encoding="utf-8")
    assert not (inside / "mlflow.db").exists()
    assert main(["find-lr", "model=smal"]) == 2
    assert main(["find-lr", "data.folds=3"]) == 2
    assert "data.fold=1" in capfd.readouterr().err


# --- a comparison


def test_runs_that_found_their_rate_are_repetitions_of_each_other():
    tags = {FOUND: "optimizer.learning_rate"}
    auto = [
        dataclasses.replace(summary(0.9, seed=seed, optimizer__learning_rate=rate), tags=tags)
        for seed, rate in enumerate(("0.003", "0.002", "0.0045"))
    ]
    hand = [summary(0.8, seed=seed, optimizer__learning_rate="0.01") for seed in range(3)]
    result = compare([*auto, *hand], metric_name="test/accuracy", by=())
    (setting,) = result.settings
    assert {setting.text(level) for level in setting.levels} == {"0.01", "auto (0.002 to 0.0045)"}
    assert [row.seeds for row in result.rows] == [3, 3]


# --- the curve as it is drawn


@pytest.mark.parametrize("columns", [20, 44, 70])
def test_the_curve_fits_its_columns_and_marks_the_suggestion(columns):
    lines = list(terminal_curve(curve_of(RATES, bowl(noise=0.05)), columns=columns))
    assert max(map(len, lines)) <= columns + 9
    assert any("│" in line for line in lines)
    assert sum(line.count("•") for line in lines) >= columns // 2


def test_a_page_escapes_its_names_and_a_test_without_a_loss_has_no_chart():
    found = FoundLearningRate(0.01, curve_of(RATES, bowl()))
    html = page(found, about="<b>", command="cnnexp find-lr 'x<y'")
    assert "<b>" not in html
    assert "<svg" in html
    empty = curve_of(RATES[:0], np.empty(0))
    assert rate_chart(empty) == ""
    assert list(terminal_curve(empty, columns=60)) == []
    assert "not finite" in page(FoundLearningRate(1e-7, empty), about="x", command="y")


ZOO = [
    (model, optimizer)
    for model in ("baseline", "regularized", "alexnet", "vgg", "resnet")
    for optimizer in ("adam", "sgd")
]
ZOO += [("small", optimizer) for optimizer in ("adam", "adamw", "rmsprop", "sgd", "muon")]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "optimizer"), ZOO)
def test_the_rate_found_trains_every_network_and_by_every_optimizer(inside, model, optimizer):
    words = [f"model={model}", f"optimizer={optimizer}", "optimizer.learning_rate=auto", "tracking.run_name=auto"]
    assert main([*words, "training.threads=1", "training.epochs=15"]) == 0
    (auto,) = recorded("auto")
    assert auto.data.metrics["best/val_accuracy"] > 0.8
