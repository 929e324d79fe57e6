"""Which run's model is meant, and what is offered where that run has none."""

import sys

import pytest
from mlflow import MlflowClient

import compatibility as contract
from cnnexp.errors import ModelError
from cnnexp.tracking.recorded_model import recorded_model


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The recorded store, in which the newest run has failed."""
    folder = contract.unpack(tmp_path_factory.mktemp("store"))
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    failed = client.create_run(client.get_experiment_by_name("cnnexp").experiment_id, run_name="broken [one]")
    client.set_terminated(failed.info.run_id, "FAILED")
    return folder


def message(store, target):
    with pytest.raises(ModelError) as error:
        recorded_model(target, uri=f"sqlite:///{store}/mlflow.db")
    return str(error.value)


@pytest.mark.parametrize("target", ["latest", "broken [one]"])
@pytest.mark.parametrize(
    "command", [["predict", "photo one.jpg"], ["evaluate", "shift=none,blur:1"], ["export", "out"]]
)
def test_a_run_without_a_model_offers_the_newest_that_has_one(store, target, command, monkeypatch):
    verb, *rest = command
    monkeypatch.setattr(sys, "argv", ["cnnexp", verb, target, *rest])
    found = message(store, target)
    assert "(broken [one]) has none and is FAILED." in found
    run_id = next(run for run, name, _ in contract.runs(store) if name == contract.MODEL_NAME)
    assert f"The newest one with a model is {run_id[:12]} (golden); run: " in found
    assert f" {verb} {run_id[:12]} " in found
    assert ("'photo one.jpg'" in found) == (verb == "predict")


def test_without_its_words_it_says_what_to_name(store, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a notebook"])
    assert message(store, "latest").endswith("(golden); name it instead of latest")


def test_a_store_without_any_model_offers_none(store, tmp_path):
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.create_run(client.create_experiment("alone"), run_name="broken")
    client.set_terminated(run.info.run_id, "FAILED")
    assert message(tmp_path, "latest").endswith("has none and is FAILED.")
