"""Which runs keep their model, what is said of the room that models take, and what a run without one answers."""

import pytest
from mlflow import MlflowClient

from cnnexp.__main__ import main
from cnnexp.compose import columns, compose_config, other_settings, run_command
from cnnexp.errors import ModelError
from cnnexp.report.model_room import room_for_models
from cnnexp.runs.record_run import record_result
from cnnexp.sweeps.jobs import Job
from cnnexp.tracking import recording
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.tracking.tags import WITHOUT_MODEL
from support import tracking_inputs


def store(folder):
    return f"sqlite:///{folder}/mlflow.db"


def recorded(*overrides):
    """Record a run in the current folder, which nothing has trained; return its id."""
    config = compose_config(overrides)
    with recording(
        config.tracking,
        run_name="untrained",
        parameters=columns(config, overrides),
        config_yaml="",
        tags=other_settings(config, overrides),
    ) as recorder:
        result = tracking_inputs.result()
        recorder.info(result.info)
        record_result(result, config, command=run_command(config, overrides), recorder=recorder)
    return recorder.receipt.run_id


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    """A store whose only run was recorded without its model."""
    folder = tmp_path_factory.mktemp("without")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
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


def test_a_run_that_keeps_its_model_says_nothing_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_id = recorded("seed=1")
    assert WITHOUT_MODEL not in MlflowClient(store(tmp_path)).get_run(run_id).data.tags
    assert recorded_model(run_id, uri=store(tmp_path)).run.run_id == run_id


def test_of_a_sweep_without_models_the_best_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = [recorded(f"seed={seed}", "tracking.models=none", "tracking.experiment=both") for seed in (1, 2)]
    client = MlflowClient(store(tmp_path))
    client.log_metric(runs[0], "best/val_loss", 0.125)
    client.log_metric(runs[1], "best/val_loss", 0.5)
    with pytest.raises(
        ModelError, match=rf"Run {runs[0][:12]} \(untrained\), the best of 2 by best/val_loss, .* seed=1"
    ):
        recorded_model("both", uri=store(tmp_path))


def test_a_dry_run_estimates_the_room_by_a_run_with_the_same_network(without, monkeypatch, capfd):
    monkeypatch.chdir(without[0])
    parameters = tracking_inputs.result().info.parameters
    assert main(["-m", "seed=range(300)", "sweep.dry_run=true"]) == 0
    assert room_for_models(300, parameters, kept="all") in " ".join(capfd.readouterr().out.split())
    assert main(["-m", "seed=range(300)", "model.width=8", "sweep.dry_run=true"]) == 0
    assert "models" not in capfd.readouterr().out


def test_the_room_is_that_of_float32():
    assert room_for_models(300, 4_250_000, kept="all") == "300 × 17 MB = 5.1 GB; tracking.models=none keeps none"
    assert room_for_models(300, 4_250_000, kept="none") == "none is kept (of about 17 MB each)"
    assert room_for_models(None, 4_250_000, kept="all").startswith("about 17 MB each; ")


def test_folds_keep_theirs_because_a_run_of_folds_is_made_from_them():
    config = compose_config(["data.folds=3", "tracking.models=none"])
    job = Job(number=0, overrides=(), varied={}, config=config, name="a", environment={})
    assert job.of_fold(1).config.tracking.models == "all"
    assert job.config.tracking.models == "none"
