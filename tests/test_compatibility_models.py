"""Models that an earlier version saved, and its store: today's commands answer about them as it did."""

import json
import sys
import zipfile

import pytest
import tensorflow  # noqa: F401 - now, so that tests/conftest.py sets it up before pytest catches what is printed

import compatibility as contract
from cnnexp.__main__ import main

PROBABILITY = 1e-5
P_VALUE = 1e-3


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The folder of the recorded store, at a place of today."""
    return contract.unpack(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder that `cnnexp export` wrote."""
    folder = tmp_path_factory.mktemp("exported") / "model"
    with zipfile.ZipFile(contract.GOLDEN / "exported.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(autouse=True)
def user(monkeypatch, store, tmp_path_factory):
    monkeypatch.chdir(store)
    monkeypatch.setattr(sys, "argv", sys.argv)  # restored: the command hands its words to Hydra there
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def answers():
    return contract.golden("answers.json")


def check(told, expected, *, may_grow=False):
    """Compare two documents: numbers nearly, everything else exactly; a p-value is a count of images.

    A document that `may_grow` can have more keys than it had.
    """
    if isinstance(expected, dict):
        assert expected.keys() <= told.keys() if may_grow else told.keys() == expected.keys()
        for key in expected:
            if key == "p_value":
                assert told[key] == pytest.approx(expected[key], abs=P_VALUE)
            else:
                check(told[key], expected[key], may_grow=may_grow)
    elif isinstance(expected, list):
        assert len(told) == len(expected)
        for one, other in zip(told, expected, strict=True):
            check(one, other, may_grow=may_grow)
    elif isinstance(expected, float):
        assert told == pytest.approx(expected, abs=PROBABILITY)
    else:
        assert told == expected


def predict(target, file, store):
    assert main(["predict", str(target), *contract.good_images(store), "--json", str(file)]) == 0
    return json.loads(file.read_text())


def test_a_recorded_run_answers_as_it_did(store, answers, tmp_path):
    check(predict(contract.MODEL_NAME, tmp_path / "answers.json", store), answers["run"])


def test_an_exported_folder_answers_as_it_did(store, exported, answers, tmp_path):
    assert json.loads((exported / "card.json").read_text())["format"] == 4
    check(predict(exported, tmp_path / "answers.json", store), answers["run"])


def test_the_folder_of_a_logged_model_answers_as_it_did(store, answers, tmp_path):
    check(predict(contract.logged_model(store) / "data", tmp_path / "answers.json", store), answers["run"])


def test_the_script_of_an_exported_folder_answers_as_it_did(store, exported, answers):
    check(contract.by_script(exported, store), answers["script"])


@pytest.mark.slow
def test_mlflow_loads_a_logged_model_without_this_package(store, answers):
    check(contract.by_mlflow(contract.logged_model(store), store), answers["mlflow"])


def test_a_recorded_sweep_is_compared_as_it_was(store, answers, capfd):
    assert main(["compare", contract.parents(store)[contract.COMPARED], "--json"]) == 0
    told, before = json.loads(capfd.readouterr().out), dict(answers["compare"])
    assert set(before.pop("verdict")) <= set(told["verdict"])  # one sentence stands before these lines now
    check(told, before, may_grow=True)


def test_a_recorded_run_is_evaluated_as_it_was(store, answers):
    before = {run for run, _, _ in contract.runs(store)}
    assert main(list(contract.EVALUATE)) == 0
    ((run, _, status),) = [one for one in contract.runs(store) if one[0] not in before]
    assert status == "FINISHED"
    check(contract.metrics_of(store, run), answers["evaluate"])
    for part, expected in contract.golden("records.json")["evaluation"].items():
        assert contract.described(store, run)[part] == expected, part


def test_a_recorded_run_is_exported_with_the_same_files(store, tmp_path):
    assert main(["export", contract.MODEL_NAME, str(tmp_path / "model")]) == 0
    assert contract.files(tmp_path / "model") == contract.golden("records.json")["exported"]
