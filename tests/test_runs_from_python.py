"""``cnnexp.run`` and ``cnnexp.sweep``: the runs of the command line, asked for by a program."""

import contextlib
import dataclasses
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import cnnexp
from cnnexp.__main__ import main
from cnnexp.api.child_process import ChildProcess, Printed
from cnnexp.errors import CnnexpError, ConfigError, DataPathError, NonFiniteLossError, SweepError, TargetError
from cnnexp.system.caller import Moving
from support import users_modules
from support.sweep_processes import begun, children, recorded, sweep, wait_for

WORDS = ["training=smoke", "training.epochs=2", "data.limit=120", "model=small"]
DIVERGES = ["optimizer=sgd", "regularization.l2=0.1", "optimizer.learning_rate=100"]
ENDLESS = ["training=smoke", "training.epochs=100000", "training.patience=null", "model=small"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    with contextlib.chdir(tmp_path_factory.mktemp("notebook")):
        users_modules.place(Path.cwd())
        yield Path.cwd()


@pytest.fixture(scope="module")
def done(folder):
    return cnnexp.run(*WORDS)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_is_recorded_as_by_the_command_line(done, folder, here):
    assert main(WORDS) == 0
    same = cnnexp.get_run("latest")
    assert (same.name, same.settings) == (done.name, done.settings)
    timed = [name for name in done.metrics.index if name.startswith("seconds/")]
    pd.testing.assert_series_equal(done.metrics.drop(timed), same.metrics.drop(timed))
    tags, expected = ({k: v for k, v in one.summary.tags.items() if k != "cnnexp.record"} for one in (done, same))
    assert tags.keys() == expected.keys()
    assert (tags.pop("sweep.folder"), expected.pop("sweep.folder")) == (str(folder), str(here))
    assert {k for k, v in tags.items() if v != expected[k]} <= {"mlflow.note.content", "mlflow.log-model.history"}
    assert "tensorflow" not in sys.modules or done.summary.tags["mlflow.source.name"] == "cnnexp"


def test_its_tables_are_what_was_recorded(done):
    assert done.status == "FINISHED"
    assert list(done.curves.index) == [1, 2]
    assert done.curves["val/loss"].min() == done.metrics["best/val_loss"]
    test = done.predictions.query("split == 'test'")
    assert len(test) == done.confusion.to_numpy().sum() == done.per_class["support"].sum()
    assert np.trace(done.confusion) / len(test) == pytest.approx(done.metrics["test/accuracy"])
    assert (test["label"] == test["predicted"]).mean() == pytest.approx(done.metrics["test/accuracy"])
    assert done.history.best_epoch == done.metrics["best/epoch"]
    assert set(done.findings.columns) >= {"title", "sentence", "repair"}
    assert done.page.endswith("run.html")
    with pytest.raises(dataclasses.FrozenInstanceError):
        done.status = "FAILED"


def test_it_shows_its_result_in_a_prompt_and_in_a_notebook(done):
    accuracy = f"{done.metrics['test/accuracy']:.3f}"
    first, *_, last = repr(done).splitlines()
    assert first.startswith(f"{done.name}: accuracy {accuracy} on 359 test images (95 % interval ")
    assert last == f"run {done.run_id[:12]}, page {done.page}"
    shown = done._repr_html_()
    assert f"Accuracy {accuracy} on 359 test images" in shown
    assert shown.count("<svg") >= 3  # confusion matrix, loss, accuracy
    assert "<script" not in shown
    assert len(shown) < 200_000
    for figure in (done.curves_figure, done.confusion_figure):
        assert figure._repr_png_().startswith(b"\x89PNG")


def test_its_model_answers(done):
    pixels = np.zeros((8, 8), np.uint8)
    assert done.load().predict(pixels)["label"][0] in set("0123456789")


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        pytest.param(["optimizer=adma"], ConfigError, id="setting"),
        pytest.param(["data=folder", "data.path=no such folder"], DataPathError, marks=pytest.mark.slow, id="data"),
        pytest.param([*WORDS, *DIVERGES], NonFiniteLossError, marks=pytest.mark.slow, id="training"),
    ],
)
def test_errors_are_those_of_the_command_line(here, overrides, error, capsys):
    with pytest.raises(error) as raised:
        cnnexp.run(*overrides)
    assert main(overrides) == raised.value.exit_code
    assert capsys.readouterr().err.splitlines()[-1] == f"cnnexp: {raised.value}"
    assert raised.value.__cause__ is raised.value.__context__ is None


@pytest.mark.parametrize("word", [3, {"seed": 1}, "--cfg", "-m"])
def test_what_is_no_setting_is_refused_at_once(word):
    with pytest.raises(ConfigError, match="A setting is a text key=value"):
        cnnexp.run(word)


def interrupt_when(condition, *, times):
    """Interrupt this program as a kernel is interrupted, some times, once `condition` is true."""

    def interrupt():
        wait_for(condition)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(0.1)  # its process needs longer than that to end

    threading.Thread(target=interrupt, daemon=True).start()


def test_an_interrupted_run_is_recorded_and_a_second_interrupt_is_harmless(here):
    told = []
    interrupt_when(lambda: begun(here), times=2)
    with pytest.raises(KeyboardInterrupt):
        ChildProcess.start(ENDLESS, captured=True).follow(told.append)
    assert any("training" in one.text and "/100000" in one.text for one in told if isinstance(one, Moving)), "a bar"
    assert next(one.text for one in told if isinstance(one, Printed)).startswith("small-smoke-epochs100000")
    (run,) = recorded(here)[1]
    assert run.status == "KILLED"
    stopped = cnnexp.get_run("latest")
    assert "killed, not evaluated" in repr(stopped)
    assert "Killed, not evaluated" in stopped._repr_html_()
    with pytest.raises(TargetError, match="has none: it is KILLED"):
        _ = stopped.confusion_figure
    assert stopped.predictions.empty


@pytest.mark.slow
def test_a_run_whose_process_is_killed_says_so(here):
    def kill():
        wait_for(lambda: begun(here))
        (child,) = [pid for pid in children(os.getpid()) if is_run(pid)]
        os.kill(child, signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(CnnexpError, match="it ended with signal SIGKILL") as error:
        cnnexp.run(*ENDLESS)
    assert "\n" not in str(error.value)


def is_run(pid):
    return b"cnnexp.api.child" in Path(f"/proc/{pid}/cmdline").read_bytes()


SEEDS = [*WORDS, "seed=0,1"]


@pytest.fixture(scope="module")
def swept(folder, done):
    return cnnexp.sweep(*SEEDS)


def test_a_sweep_has_its_runs_and_their_comparison(swept):
    assert (swept.status, swept.varied) == ("FINISHED", ("seed",))
    assert list(swept.runs["status"]) == ["FINISHED"] * 2
    assert sorted(swept.runs["seed"]) == ["0", "1"]
    assert swept.runs["best/val_loss"].is_monotonic_increasing
    assert swept.best.run_id == swept.runs.index[0]
    assert swept.comparison.verdict.startswith("One setting, nothing to compare it with")
    assert repr(swept).startswith("sweep-seed: 2 of 2 runs finished; sweep ")
    assert swept._repr_html_() == swept.comparison._repr_html_()
    with pytest.raises(TargetError, match="'nothing' is 0"):
        swept.run("nothing")


@pytest.mark.slow
def test_the_command_line_resumes_a_sweep_of_a_notebook_and_the_reverse(swept, folder):
    printed = sweep(*SEEDS, folder=folder)
    assert "2 runs were finished before" in printed
    again = cnnexp.sweep(*SEEDS)
    assert (again.run_id, set(again.runs.index)) == (swept.run_id, set(swept.runs.index))
    more = cnnexp.sweep(*WORDS, "seed=2", "sweep.resume=never")
    assert "1 run was finished before" in sweep(*WORDS, "seed=2", folder=folder)
    assert cnnexp.get_sweep(more.run_id).status == "FINISHED"


@pytest.mark.slow
def test_a_run_of_folds_is_one_run(here):
    run = cnnexp.run(*WORDS, "data.folds=2", "data.limit=null")
    assert (run.status, len(run.predictions)) == ("FINISHED", 1797)
    assert run.confusion.to_numpy().sum() == 1797
    assert "accuracy" in run._repr_html_()
    assert cnnexp.run(*WORDS, "data.folds=2", "data.limit=null").run_id == run.run_id, "finished runs are resumed"


@pytest.mark.slow
def test_a_sweep_with_failed_runs_raises_and_can_be_read(here):
    with pytest.raises(SweepError, match="1 of 2 runs failed"):
        cnnexp.sweep(*WORDS, *DIVERGES[:2], "optimizer.learning_rate=0.01,100")
    left = cnnexp.get_sweep("latest")
    assert sorted(left.runs["status"]) == ["FAILED", "FINISHED"]
    assert "must stay finite" in left.runs.loc[left.runs["status"] == "FAILED", "failure"].item()
    assert cnnexp.sweep("seed=0,1", "sweep.dry_run=true") is None


def test_interrupts_wait_until_the_process_records(here):
    process = ChildProcess.start(["optimizer=adma"], captured=True)
    process._interrupt()
    with pytest.raises(KeyboardInterrupt):
        process.follow(lambda _: None)
    assert not (here / "mlflow.db").exists()
