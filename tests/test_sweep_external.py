"""Sweeps under Hydra's own launchers, which start the runs in their own way."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from cnnexp.records import EpochValues
from cnnexp.sweeps.context import VARIABLE, SweepContext
from cnnexp.sweeps.pruning import StudySpec
from support.sweep_processes import WORDS, recorded, sweep, table


@pytest.mark.parametrize("study", [None, StudySpec("a b.log", "s", "best/val_loss", "asha", 1, 9)])
def test_a_job_gets_the_context_it_was_given(study, monkeypatch):
    context = SweepContext({"sweep.varied": r"data.path='C:\a', seed=0"}, "key", study, None if study is None else 3)
    (override,) = OverridesParser.create().parse_overrides([context.to_override()])
    monkeypatch.setenv(VARIABLE, override.value())
    assert SweepContext.from_environment() == context


def test_a_run_alone_has_no_context_and_is_not_pruned(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    context = SweepContext.from_environment()
    assert context.tags == {}
    assert not context.pruner()(EpochValues(1, 1.0, 0.1, 1.0, 0.1, 0.1, 1.0))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "plugin"),
    [
        (["hydra/launcher=joblib", "hydra.launcher.n_jobs=2"], "hydra_plugins.hydra_joblib_launcher"),
        (["hydra/launcher=submitit_local"], "hydra_plugins.hydra_submitit_launcher"),
    ],
)
def test_another_launcher_gives_the_numbers_of_ours_and_the_comparison(tmp_path, launcher, plugin):
    pytest.importorskip(plugin, reason="the launcher is not installed")
    folders = {"theirs": tmp_path / "theirs", "ours": tmp_path / "ours"}
    words = [*WORDS, "regularization.dropout=0,0.5", "seed=0,1"]
    for folder in folders.values():
        folder.mkdir()
    printed = sweep(*words, *launcher, folder=folders["theirs"])
    sweep(*words, folder=folders["ours"])
    (parent,), runs = recorded(folders["theirs"])
    assert [run.status for run in (parent, *runs)] == ["FINISHED"] * 5
    assert {run.tags["mlflow.parentRunId"] for run in runs} == {parent.run_id}
    assert table(runs) == table(recorded(folders["ours"])[1])
    assert "regularization.dropout" in parent.tags["mlflow.note.content"]
    assert "verdict" in printed
    assert parent.run_id in printed  # the command that opens it


@pytest.mark.slow
def test_the_same_command_finishes_what_another_launcher_left(tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher", reason="the launcher is not installed")
    launcher = ["hydra/launcher=joblib", "hydra.launcher.n_jobs=1"]
    failing = ["optimizer=sgd", "regularization.l2=0.1", "optimizer.learning_rate=0.05,100"]  # the second diverges
    sweep(*WORDS, *failing, *launcher, folder=tmp_path, code=1)
    (parent,), runs = recorded(tmp_path)
    assert parent.status == "FINISHED"
    assert sorted(run.status for run in runs) == ["FAILED", "FINISHED"]
    finished = next(run.run_id for run in runs if run.status == "FINISHED")
    sweep(*WORDS, *failing, *launcher, folder=tmp_path, code=1)
    parents, runs = recorded(tmp_path)
    assert len(parents) == 1
    assert finished in {run.run_id for run in runs if run.status == "FINISHED"}
    assert sorted(run.status for run in runs) == ["FAILED", "FINISHED"]
    assert "test/accuracy" in parents[0].tags["mlflow.note.content"], "what was finished before is compared"
