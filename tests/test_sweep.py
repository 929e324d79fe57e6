"""Sweeps from outside: what they print, what they record, and that a run is the same run as alone."""

import re
import signal
import time

import pytest

from support.sweep_processes import WORDS, kill, recorded, start, sweep, table, wait_for, workers

LISTS = ["optimizer=sgd", "regularization.l2=0.1", "optimizer.learning_rate=0.05,100", "training.batch_size=32,64"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of four runs, of which the two at the rate 100 diverge."""
    folder = tmp_path_factory.mktemp("swept")
    printed = sweep(*WORDS, *LISTS, folder=folder, code=1)
    parents, runs = recorded(folder)
    return folder, printed, parents, runs


def test_runs_that_can_finish_do_and_the_others_fail(swept):
    _, printed, parents, runs = swept
    assert [(parent.status, parent.params["training.batch_size"]) for parent in parents] == [("FINISHED", "32, 64")]
    assert sorted(run.status for run in runs) == ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    assert {run.params["optimizer.learning_rate"] for run in runs if run.status == "FAILED"} == {"100.0"}
    assert "cnnexp: 2 of 4 runs failed" in printed
    assert printed.count("Try optimizer.learning_rate=10") == 2, "the reason is printed at once"
    assert "\x1b" not in printed


def test_runs_are_children_of_the_parent_and_say_what_varied(swept):
    _, _, (parent,), runs = swept
    assert {run.tags["mlflow.parentRunId"] for run in runs} == {run.tags["sweep_id"] for run in runs} == {parent.run_id}
    assert sorted(run.tags["sweep.varied"] for run in runs)[0] == (
        "optimizer.learning_rate=0.05, training.batch_size=32"
    )
    assert parent.tags["sweep.varied"] == "optimizer.learning_rate, training.batch_size"
    assert len({run.tags["identity"] for run in runs}) == 4


def test_the_parent_begins_with_the_verdict(swept):
    folder, printed, (parent,), _ = swept
    lines = parent.tags["mlflow.note.content"].splitlines()
    assert lines[0] == "**4 of 4 runs learned nothing; a verdict on scores needs 5 seeds, not 1.**"
    assert any(line.startswith("On the same 359 test images (McNemar): batch\\_size=") for line in lines)
    header = next(line for line in lines if line.startswith("|"))
    assert header.startswith("|  | batch_size | seeds | learned | val_loss |")
    failed = next(line for line in lines if line.startswith("- 2 diverged: "))
    assert "The training loss must stay finite" in failed
    assert any("Numbers of training steps differ" in line for line in lines)
    assert lines[0].replace("\\", "").strip("*") in " ".join(printed.split())
    (page,) = folder.glob("mlartifacts/*/artifacts/comparison.html")
    assert page.parent.parent.name == parent.run_id


def test_runs_of_different_batch_sizes_say_how_far_they_can_be_compared(swept):
    _, printed, _, runs = swept
    steps = sorted(run.metrics["updates"] for run in runs if run.status == "FINISHED")
    assert printed_steps(printed) == [f"{count:,.0f}" for count in steps]
    assert "optimizer.batch_scaling=linear" in printed


def printed_steps(printed):
    """The fewest and the most steps of the runs."""
    return list(re.search(r"steps +([\d,]+) to ([\d,]+) by batch size", printed).groups())


@pytest.mark.slow
def test_pairs_of_values_are_runs_and_a_rate_that_follows_the_batch_is_printed(tmp_path):
    words = ["training.batch_size=32,64", "regularization.dropout=0,0.2", "optimizer.batch_scaling=linear"]
    printed = sweep(*WORDS, *words, "sweep.zip=[training.batch_size,regularization.dropout]", folder=tmp_path)
    _, runs = recorded(tmp_path)
    names = ("training.batch_size", "regularization.dropout")
    assert sorted(tuple(run.params[name] for name in names) for run in runs) == [("32", "0.0"), ("64", "0.2")]
    assert printed_steps(printed) == ["32", "64"]
    assert "batch_scaling=linear helps" not in printed, "it is on"


@pytest.mark.parametrize("word", ["sweep.dry_run=true", "sweep.zip=[seed]"])
def test_settings_of_a_sweep_are_refused_by_a_single_run(tmp_path, word):
    printed = sweep(word, folder=tmp_path, code=2, multirun=False)
    assert "this is one run" in printed
    assert not list(tmp_path.glob("mlflow.db"))


def test_a_diverging_run_is_not_retried_and_records_why(swept):
    *_, runs = swept
    failed = [run for run in runs if run.status == "FAILED"]
    assert all("The training loss must stay finite" in run.tags["failure"] for run in failed)
    assert not any("attempts" in run.tags for run in runs)


def test_a_run_has_the_same_numbers_alone(swept, tmp_path):
    *_, runs = swept
    sweep(*WORDS, *LISTS[:2], "optimizer.learning_rate=0.05", folder=tmp_path, multirun=False)
    _, (alone,) = recorded(tmp_path)
    (same,) = [run for run in runs if run.params == alone.params]
    assert len(alone.metrics) > 20
    differing = {key for key, value in alone.metrics.items() if same.metrics[key] != value}
    assert {key for key in differing if not key.startswith("seconds/")} == set()


def test_a_dry_run_lists_what_differs_and_what_is_done(swept):
    folder, *_ = swept
    printed = sweep(*WORDS, *LISTS, "sweep.dry_run=true", folder=folder)
    assert printed.splitlines()[0].split() == ["run", "optimizer.learning_rate", "training.batch_size"]
    assert [line.split() for line in printed.splitlines()[1:5]] == [
        ["1", "0.05", "32", "done"],
        ["2", "0.05", "64", "done"],
        ["3", "100", "32"],
        ["4", "100", "64"],
    ]
    assert "4 runs, 2 done, 2 to do" in printed
    assert "s a run (median of 2 alike)" in printed


def test_a_rerun_command_repeats_only_unfinished_runs(swept):
    folder, _, (parent,), before = swept
    printed = sweep(*reversed(LISTS), *WORDS, folder=folder, code=1)
    assert "2 runs were finished before" in printed
    parents, runs = recorded(folder)
    assert [one.run_id for one in parents] == [parent.run_id]
    assert parents[0].status == "FINISHED"
    finished = {run.run_id for run in before if run.status == "FINISHED"}
    assert {run.run_id for run in runs if run.status == "FINISHED"} == finished
    repeated = [run for run in runs if run.status == "FAILED"]
    assert len(repeated) == 2
    assert not {run.run_id for run in repeated} & {run.run_id for run in before}
    assert table(runs).keys() == table(before).keys()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["seed=0,1", "sweep.zip=[seed,training.epochs]"], "training.epochs is not. Lists: seed"),
        (["seed=0,1", "sweep.pruning=asha"], "add hydra/sweeper=optuna"),
        (["optimizer.learning_rate=interval(1e-4,1e-2)"], "hydra/sweeper=optuna"),
        (["seed=0,1", "sweep.workers=0"], "sweep.workers must be at least 1 and at most 1024; got 0."),
        (["seed=0,1", "sweep.objective=test/accuracy"], "sweep.objective must be one of best/val_loss"),
        (["sweep=batch_size", "training.batch_size=0,1"], "training.batch_size must be at least 1"),
        (["hydra/sweeper=optuna", "model=small"], "A search needs settings to choose"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_bad_sweep_is_one_line_and_starts_nothing(tmp_path, words, message):
    printed = sweep(*words, folder=tmp_path, code=2)
    assert message in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["sweep.dry_run=true", "sweep.zip=[seed]"])
def test_settings_of_our_sweepers_are_refused_under_another(tmp_path, word):
    printed = sweep("hydra/sweeper=basic", "seed=0,1", word, folder=tmp_path, code=2)
    assert f"{word.partition('=')[0]} is for cnnexp's own sweepers" in printed
    assert not list(tmp_path.glob("mlflow.db"))


def test_a_missing_store_begins_no_sweep(tmp_path):
    printed = sweep("tracking.uri=http://127.0.0.1:9", "seed=0,1", folder=tmp_path, code=1)
    assert "The MLflow server of tracking.uri must answer" in printed.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def seconds_to_the_first_run(seeds, folder):
    folder.mkdir()
    began = time.monotonic()
    process = start(*WORDS, f"seed=range({seeds})", folder=folder)
    wait_for(lambda: workers(process.pid) and list(folder.glob("outbox/*-seed0-*")))
    took = time.monotonic() - began
    kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    return took


@pytest.mark.slow
def test_the_first_of_a_thousand_runs_starts_as_soon_as_that_of_two(tmp_path):
    two, thousand = (seconds_to_the_first_run(seeds, tmp_path / str(seeds)) for seeds in (2, 1000))
    assert thousand < 2 * two


def test_data_that_cannot_be_read_begin_no_sweep(tmp_path):
    printed = sweep("data=folder", f"data.path={tmp_path}/nowhere", "seed=0,1", folder=tmp_path, code=1)
    assert "nowhere" in printed.splitlines()[-1]
    assert wait_for(lambda: recorded(tmp_path) == ([], [])), "its parent run is deleted by the delivery process"
