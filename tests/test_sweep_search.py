"""Searches with Optuna: spaces in Hydra's grammar, pruned runs, and resumed searches."""

import re

import pytest

from cnnexp.errors import ConfigError
from cnnexp.sweeps.combinations import parse
from support.sweep_processes import WORDS, begun, kill, recorded, start, sweep, wait_for

optuna = pytest.importorskip("optuna", reason="searches need the extra cnnexp[optuna]")

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: E402

from cnnexp.records import EpochValues  # noqa: E402
from cnnexp.sweeps.pruning import StudySpec, TrialPruner, join_study, open_study  # noqa: E402
from cnnexp.sweeps.search_space import choice_of, space  # noqa: E402

SEARCH = [*WORDS, "hydra/sweeper=optuna", "optimizer.learning_rate=tag(log,interval(1e-5,1e-1))"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a=x,y", CategoricalDistribution(["x", "y"])),
        ("a=0,0.5", CategoricalDistribution(["0", "0.5"])),
        ("a=range(0,7,2)", IntDistribution(0, 6, step=2)),
        ("a=range(0,1,0.25)", FloatDistribution(0, 0.75, step=0.25)),
        ("a=interval(0,0.5)", FloatDistribution(0, 0.5)),
        ("a=tag(log,interval(1e-5,1e-1))", FloatDistribution(1e-5, 1e-1, log=True)),
        ("a=int(interval(1,10))", IntDistribution(1, 10)),
        ("a=tag(log,int(interval(16,256)))", IntDistribution(16, 256, log=True)),
    ],
)
def test_hydras_grammar_as_a_search_space(word, expected):
    assert space(parse([word], {})) == {"a": expected}


@pytest.mark.parametrize("word", ["a=tag(log,interval(0,1))", "a=tag(fast,interval(1,2))"])
def test_a_space_that_makes_no_sense_is_refused(word):
    with pytest.raises(ConfigError, match=r"^a: "):
        space(parse([word], {}))


@pytest.mark.parametrize(
    ("word", "value", "chosen"),
    [
        ("a=x,y", "y", "y"),
        ("a=1e-4,1e-3", 0.001, "0.001"),
        ("a=null,0.9", None, "null"),
        ("a=true,false", False, "False"),
        ("a=0,1", False, None),
        ("a=0.1,0.5", 0, None),
        ("a=range(0,1,0.25)", 0.75, 0.75),
        ("a=range(0,1,0.25)", 0.3, None),
        ("a=tag(log,interval(1e-5,1e-1))", 0.001, 0.001),
        ("a=tag(log,interval(1e-5,1e-1))", "auto", None),
        ("a=tag(log,int(interval(16,256)))", 32, 32),
        ("a=int(interval(1,10))", 11, None),
    ],
)
def test_whether_a_space_has_a_value(word, value, chosen):
    assert choice_of(space(parse([word], {}))["a"], value) == chosen


def test_the_score_is_of_the_validation_split():
    spec = StudySpec("optuna.log", "s", "best/val_accuracy", "asha", 1, 10)
    assert (spec.better(0.5, 0.7), StudySpec("", "", "best/val_loss", "none", 1, 1).better(0.5, 0.7)) == (0.7, 0.5)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searched")
    words = [*SEARCH, "training.epochs=9", "hydra.sweeper.n_trials=8", "sweep.pruning=asha", "sweep.pruning_start=1"]
    return folder, words, sweep(*words, folder=folder)


@pytest.mark.slow
def test_runs_are_pruned_and_say_when(searched):
    folder, _, printed = searched
    (parent,), runs = recorded(folder)
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 9
    pruned = [run for run in runs if "pruned" in run.tags]
    assert 0 < len(pruned) < 8
    assert printed.count(", pruned)") == len(pruned)
    assert 0.001 in {float(run.params["optimizer.learning_rate"]) for run in runs[:2]}, "the default comes first"
    for run in pruned:
        assert 1 <= int(run.tags["pruned"]) < 9
        assert run.metrics["best/epoch"] <= int(run.tags["pruned"])
        assert "test/accuracy" not in run.metrics
    best = min(runs, key=lambda run: run.metrics["best/val_loss"])
    assert "pruned" not in best.tags
    (ranked,) = re.findall(r"★ +(\S+)", printed)
    assert float(ranked) == pytest.approx(float(best.params["optimizer.learning_rate"]), rel=1e-3)
    assert not re.search(r"0\.\d{9}", printed), "rates of pruned runs are as short as the others"


@pytest.mark.slow
def test_more_trials_continue_the_search(searched):
    folder, words, _ = searched
    more = [word.replace("n_trials=8", "n_trials=10") for word in words]
    sweep(*more, folder=folder)
    parents, runs = recorded(folder)
    assert (len(parents), len(runs)) == (1, 10)
    assert len({run.params["optimizer.learning_rate"] for run in runs}) == 10, "nothing is drawn twice"


@pytest.mark.slow
def test_a_killed_search_is_resumed(tmp_path):
    words = [*SEARCH, "training.epochs=40", "hydra.sweeper.n_trials=4", "hydra.sweeper.sampler=random"]
    process = start(*words, folder=tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    kill(process.pid)
    process.communicate(timeout=60)
    wait_for(lambda: "RUNNING" not in {run.status for run in recorded(tmp_path)[1]}, seconds=20)
    began = {run.params["optimizer.learning_rate"] for run in recorded(tmp_path)[1]}
    sweep("resume", "latest", folder=tmp_path, multirun=False)
    (parent,), runs = recorded(tmp_path)
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 5
    assert began <= {run.params["optimizer.learning_rate"] for run in runs}


@pytest.mark.slow
def test_a_grid_visits_every_combination_once(tmp_path):
    words = ["hydra.sweeper.sampler=grid", "optimizer.learning_rate=1e-3,1e-2", "seed=range(2)"]
    sweep(*SEARCH[:-1], *words, folder=tmp_path)
    _, runs = recorded(tmp_path)
    found = sorted((run.params["optimizer.learning_rate"], run.params["seed"]) for run in runs)
    assert found == [("0.001", "0"), ("0.001", "1"), ("0.01", "0"), ("0.01", "1")]


@pytest.mark.slow
def test_a_search_whose_space_stands_in_yaml(tmp_path):
    (tmp_path / "mine" / "experiment").mkdir(parents=True)
    (tmp_path / "mine" / "experiment" / "rates.yaml").write_text(
        "# @package _global_\nhydra:\n  sweeper:\n    n_trials: 3\n"
        "    params:\n      optimizer.learning_rate: tag(log,interval(1e-4,1e-2))\n      training.batch_size: 32,64\n"
    )
    sweep("hydra/sweeper=optuna", *WORDS, "--config-dir", "mine", "experiment=rates", folder=tmp_path)
    (parent,), runs = recorded(tmp_path)
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 4
    assert parent.tags["sweep.varied"] == "optimizer.learning_rate, training.batch_size"
    assert {run.params["training.batch_size"] for run in runs} <= {"32", "64"}
    assert all(1e-4 <= float(run.params["optimizer.learning_rate"]) <= 1e-2 for run in runs)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_pruning_under_a_launcher_of_hydra(tmp_path, launcher):
    if launcher == "joblib":
        pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the launcher is not installed")
    words = [f"hydra/launcher={launcher}", "training.epochs=9", "hydra.sweeper.n_trials=6"]
    pruning = ["sweep.pruning=asha", "sweep.pruning_start=1", "sweep.workers=2"]
    sweep(*SEARCH, *words, *pruning, folder=tmp_path)
    (parent,), runs = recorded(tmp_path)
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 7
    assert {run.tags["mlflow.parentRunId"] for run in runs} == {parent.run_id}
    assert any("pruned" in run.tags for run in runs)


@pytest.mark.slow
def test_a_new_search_has_its_own_study(tmp_path):
    words = [*SEARCH, "hydra.sweeper.n_trials=2"]
    for manner in ([], ["sweep.resume=never"], []):
        sweep(*words, *manner, folder=tmp_path)
    parents, runs = recorded(tmp_path)
    assert [run.status for run in (*parents, *runs)] == ["FINISHED"] * 6
    assert {run.tags["mlflow.parentRunId"] for run in runs} == {parent.run_id for parent in parents}


@pytest.mark.parametrize(
    ("losses", "stopped_after"),
    [([0.9, 0.5, 0.6, 0.7, 0.8, 0.4], 4), ([0.9, 0.5, 0.5, 0.5], 4), ([0.9, 0.8, 0.85, 0.7, 0.6], None)],
    ids=["rising", "flat", "falling"],
)
def test_patience_prunes_a_run_that_does_not_improve(losses, stopped_after, tmp_path):
    spec = StudySpec(str(tmp_path / "optuna.log"), "s", "best/val_loss", "patience", 2, 9)
    study = open_study(spec, optuna.samplers.RandomSampler())
    pruner = TrialPruner(study.ask(), spec)
    epochs = (EpochValues(number, 1.0, 0.1, loss, 0.1, 0.1, 1.0) for number, loss in enumerate(losses, start=1))
    assert next((values.epoch for values in epochs if pruner.should_prune(values)), None) == stopped_after


def test_a_run_of_another_process_reports_to_its_own_trial(tmp_path):
    spec = StudySpec(str(tmp_path / "optuna.log"), "s", "best/val_loss", "asha", 1, 9)
    study = open_study(spec, optuna.samplers.RandomSampler())
    numbers = [study.ask().number for _ in range(2)]
    pruner = join_study(spec, numbers[1])
    pruner.should_prune(EpochValues(1, 1.0, 0.1, 0.7, 0.1, 0.1, 1.0))
    assert [trial.intermediate_values for trial in study.trials] == [{}, {1: 0.7}]


@pytest.mark.parametrize("pruning", ["asha", "hyperband", "median"])
def test_the_worst_of_many_runs_is_pruned_and_the_best_is_not(pruning, tmp_path):
    spec = StudySpec(str(tmp_path / "optuna.log"), "s", "best/val_accuracy", pruning, 1, 9)
    study = open_study(spec, optuna.samplers.RandomSampler())

    def stopped(score):
        trial = study.ask()
        pruner = TrialPruner(trial, spec)
        for epoch in range(1, 10):
            if pruner.should_prune(EpochValues(epoch, 1.0, 0.1, 1.0, score, 0.1, 1.0)):
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return True
        study.tell(trial, score)
        return False

    ends = [stopped(0.5 + 0.01 * (number % 12)) for number in range(36)]
    assert sum(ends) > 6
    assert not stopped(0.99)
    assert any(stopped(0.01) for _ in range(6))  # each bracket of Hyperband begins at another epoch


def test_a_retried_run_is_pruned_as_before():
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2))
    good = study.ask()
    for step in (1, 2, 3):
        good.report(0.1, step)
    study.tell(good, 0.1)
    pruner = TrialPruner(study.ask(), StudySpec("", "", "best/val_loss", "median", 1, 9))

    def answers(*epochs):
        return [pruner.should_prune(EpochValues(epoch, 1.0, 0.1, 1.0, 0.1, 0.1, 1.0)) for epoch in epochs]

    assert answers(1, 2) == [False, True]
    assert answers(1, 2, 3) == [False, True, True]
