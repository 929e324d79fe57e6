"""Which runs keep their model, what is said of the room that models take, and what a run without one answers."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from cnnexp.__main__ import main
from cnnexp.compose import columns, compose_config, other_settings, run_command
from cnnexp.errors import ModelError
from cnnexp.report.model_room import ModelSize, room_for_models
from cnnexp.runs.record_run import record_result
from cnnexp.sweeps.best_model import keep_best_model
from cnnexp.sweeps.jobs import Job
from cnnexp.sweeps.results import Result, Results
from cnnexp.tracking import recording
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.tracking.tags import PARENT, TRAIN_AGAIN
from support import sweep_processes, tracking_inputs

EXPERIMENT = "1"  # id of the first that a store has


def store(folder):
    return f"sqlite:///{folder}/mlflow.db"


def recorded(*overrides, loss=None, parent=None, head=None):
    """Record a run in the current folder, which nothing has trained; return its id."""
    config = compose_config(overrides)
    with recording(
        config.tracking,
        run_name="untrained",
        parameters=columns(config, overrides),
        config_yaml="",
        tags={**other_settings(config, overrides), **({} if parent is None else {PARENT: parent})},
    ) as recorder:
        result = tracking_inputs.result()
        result = replace(result, metrics={**result.metrics, **({} if loss is None else {"best/val_loss": loss})})
        recorder.info(replace(result.info, head_parameters=head))
        record_result(result, config, command=run_command(config, overrides), recorder=recorder)
    return recorder.receipt.run_id


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """A store whose runs were recorded without their models: two of one experiment, and then another one."""
    folder = tmp_path_factory.mktemp("without")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for seed, loss in ((1, 0.125), (2, 0.5)):
            recorded(f"seed={seed}", "tracking.experiment=both", "tracking.models=none", loss=loss)
        run_id = recorded("data.test=0.3", "tracking.models=none", "tracking.run_name='of mine'")
    return folder, run_id


def test_none_records_everything_but_the_model(without):
    folder, run_id = without
    client = MlflowClient(store(folder))
    run = client.get_run(run_id)
    assert run.data.metrics["test/accuracy"] == tracking_inputs.result().metrics["test/accuracy"]
    assert {"card.json", "predictions.parquet", "run.html"} <= {item.path for item in client.list_artifacts(run_id)}
    assert not run.outputs.model_outputs
    assert not list(folder.rglob("model.keras"))


@pytest.mark.parametrize("command", [["predict", "latest", "a.png"], ["evaluate", "latest"], ["export", "latest", "o"]])
def test_every_command_says_why_and_how_to_train_it_again(without, command, monkeypatch, capfd):
    folder, run_id = without
    monkeypatch.chdir(folder)
    assert main(command) == 1
    said = " ".join(capfd.readouterr().err.split())
    assert f"Run {run_id[:12]} (untrained) was recorded without its model (tracking.models). To train it again" in said
    assert said.endswith(" data.test=0.3 'tracking.run_name='\"'\"'of mine'\"'\"'' tracking.models=all")


def test_of_several_runs_without_models_the_best_is_named(without):
    with pytest.raises(ModelError) as error:
        recorded_model("both", uri=store(without[0]))
    assert "(untrained), the best of 2 by best/val_loss, was recorded without its model" in str(error.value)
    assert str(error.value).endswith(" seed=1 tracking.experiment=both tracking.models=all")


def test_a_dry_run_estimates_the_room_by_a_run_with_the_same_network(without, monkeypatch, capfd):
    monkeypatch.chdir(without[0])
    size = ModelSize.of_run(tracking_inputs.result().info)
    assert main(["-m", "seed=range(300)", "sweep.dry_run=true"]) == 0
    assert room_for_models(300, size, kept="all") in " ".join(capfd.readouterr().out.split())
    assert main(["-m", "seed=range(300)", "model.width=8", "sweep.dry_run=true"]) == 0
    assert "models" not in capfd.readouterr().out


def test_the_room_is_that_of_float32_and_of_the_images_that_travel_with_a_model():
    size = ModelSize(parameters=3_600_000, reference=2_000_000, head=None)
    records = "other records take at most about 1 MB a run"
    assert room_for_models(300, size, kept="all") == f"300 × 17 MB = 5.1 GB; tracking.models=best keeps one; {records}"
    assert room_for_models(300, size, kept="none") == f"none is kept (of about 17 MB each); {records}"
    assert room_for_models(None, size, kept="all").startswith("about 17 MB each; ")


def test_the_room_of_models_with_the_same_backbone_is_that_of_one_and_of_heads():
    size = ModelSize(parameters=4_000_000, reference=11_000_000, head=12_500)
    said = room_for_models(300, size, kept="all")
    assert said.startswith("the backbone once, 27 MB, and 300 heads × 650 kB = 222 MB; other records take at most")
    assert room_for_models(None, size, kept="all").startswith(
        "the backbone once, about 27 MB, and 650 kB for each head"
    )
    assert room_for_models(300, size, kept="best").startswith("the best run's is kept (about 27.6 MB)")


def test_a_dry_run_goes_by_a_run_that_froze_as_much(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    frozen = ["training.freeze=backbone"]
    recorded(*frozen, head=1_000)
    size = replace(ModelSize.of_run(tracking_inputs.result().info), head=1_000)
    assert main(["-m", "seed=range(300)", *frozen, "sweep.dry_run=true"]) == 0
    said = room_for_models(300, size, kept="all")
    assert f"models: {said}" in " ".join(capfd.readouterr().out.split())
    assert main(["-m", "seed=range(300)", "sweep.dry_run=true"]) == 0
    assert "models" not in capfd.readouterr().out


def test_folds_keep_theirs_because_a_run_of_folds_is_made_from_them():
    config = compose_config(["data.folds=3", "tracking.models=none"])
    job = Job(number=0, overrides=(), varied={}, config=config, name="a", label="a", environment={})
    assert job.of_fold(1).config.tracking.models == "all"
    assert job.config.tracking.models == "none"


def with_models(runs, folder):
    found = MlflowClient(store(folder)).search_logged_models([EXPERIMENT])
    return {run for run in runs if run in {model.source_run_id for model in found}}


def test_best_leaves_the_best_run_of_the_sweep_and_what_others_have_recorded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    best, worse, undefined = (
        recorded("tracking.models=best", loss=loss, parent="sweep") for loss in (0.25, 0.5, math.nan)
    )
    all_kept = recorded(loss=0.75, parent="sweep")
    elsewhere = recorded("tracking.models=best", loss=0.5, parent="other")
    everything = {best, worse, undefined, all_kept, elsewhere}
    assert with_models(everything, tmp_path) == everything
    printed = keep_best_model(store(tmp_path), "sweep", objective="best/val_loss")
    assert printed == [("model", f"kept of untrained, {best[:12]}")]
    assert with_models(everything, tmp_path) == {best, all_kept, elsewhere}
    assert len(list(tmp_path.rglob("model.keras"))) == 3
    assert len(list(tmp_path.rglob("predictions.parquet"))) == 5
    assert keep_best_model(store(tmp_path), "sweep", objective="best/val_loss") == printed, "asked again by a resume"
    with pytest.raises(ModelError, match=f"Run {worse[:12]} .* was recorded without its model"):
        recorded_model(worse, uri=store(tmp_path))
    kept = recorded_model(all_kept, uri=store(tmp_path)).run
    assert (kept.run_id, TRAIN_AGAIN in kept.tags) == (all_kept, False)


def test_models_that_cannot_be_removed_are_reported_and_removed_the_next_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    best, worse = (recorded("tracking.models=best", loss=loss, parent="sweep") for loss in (0.25, 0.5))
    (location,) = [
        model.artifact_location.removeprefix("file://")
        for model in MlflowClient(store(tmp_path)).search_logged_models([EXPERIMENT])
        if model.source_run_id == worse
    ]
    moved = tmp_path / "larger disk"
    Path(location).rename(moved)
    Path(location).symlink_to(moved)  # which Python does not remove as a folder
    ((label, text),) = keep_best_model(store(tmp_path), "sweep", objective="best/val_loss")
    assert (label, with_models([best, worse], tmp_path)) == ("trouble", {best, worse})
    assert text.startswith("The models of 1 run that are not the best remain (")
    Path(location).unlink()
    keep_best_model(store(tmp_path), "sweep", objective="best/val_loss")
    assert with_models([best, worse], tmp_path) == {best}


@pytest.mark.parametrize(
    ("objective", "others", "value", "beaten"),
    [
        ("best/val_loss", [0.5, 0.25], 0.375, True),
        ("best/val_loss", [0.5], 0.25, False),
        ("best/val_loss", [0.5], 0.5, True),
        ("best/val_accuracy", [0.5], 0.25, True),
        ("best/val_accuracy", [0.5], 0.75, False),
        ("best/val_loss", [], math.nan, False),
        ("best/val_loss", [0.5], math.nan, True),
        ("best/val_loss", [math.nan], 9.0, False),
    ],
)
def test_a_run_is_beaten_by_one_that_is_as_good(objective, others, value, beaten):
    results = Results(objective)
    for number, other in enumerate(others):
        results.add(result_with({objective: other}, number))
    assert results.is_beaten(result_with({objective: value}, 9)) is beaten


@pytest.mark.parametrize("change", [{"status": "pruned"}, {"run_id": "of an earlier command"}])
def test_a_run_is_not_beaten_by_one_that_may_have_no_model(change):
    results = Results("best/val_loss")
    results.add(replace(result_with({"best/val_loss": 0.1}, 0), **change))
    assert not results.is_beaten(result_with({"best/val_loss": 0.5}, 1))


def result_with(metrics, number):
    config = compose_config([])
    job = Job(number=number, overrides=(), varied={}, config=config, name="a", label="a", environment={})
    return Result.from_job(job, "FINISHED", metrics, None, 1.0)


@pytest.mark.parametrize("launcher", ["cnnexp", pytest.param("basic", marks=pytest.mark.slow)])
def test_a_sweep_ends_with_one_model(tmp_path, launcher):
    small = ["training=smoke", "data.limit=200", "model.width=2", "model.dense=4", f"hydra/launcher={launcher}"]
    lists = ["training.epochs=1,3,2", "sweep.workers=1", "tracking.models=best"]
    printed = sweep_processes.sweep(*small, *lists, folder=tmp_path)
    _, runs = sweep_processes.recorded(tmp_path)
    best = min(runs, key=lambda run: run.metrics["best/val_loss"])
    assert with_models([run.run_id for run in runs], tmp_path) == {best.run_id}
    assert len(list(tmp_path.rglob("model.keras"))) == 1
    assert f"model    kept of {best.name}, {best.run_id[:12]}" in printed
    worse = [run for run in runs if run is not best]
    assert all(run.tags[TRAIN_AGAIN].endswith(" tracking.models=all") for run in worse)
    logged = [MlflowClient(store(tmp_path)).get_run(run.run_id).outputs.model_outputs for run in worse]
    if launcher == "cnnexp":
        assert "models  the best run's is kept (about" in printed
        assert not all(logged), "what is beaten when it ends is never sent to the store"
