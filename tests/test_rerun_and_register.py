"""A recorded run repeated from its record, and its model in MLflow's registry."""

import json
import re
import shlex
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from cnnexp.cli.rerun import repetition
from cnnexp.comparison.result import SEEDS_FOR_A_VERDICT
from cnnexp.sweeps import summary
from cnnexp.tracking.registry import golden_digest
from support.faulty_server import free_port, mlflow_server
from support.simulated_runs import simulated_run
from support.sweep_processes import WORDS, recorded, sweep


def test_numbers_that_differ_are_found_with_what_may_explain_it():
    run = replace(simulated_run(0.9, seed=0, model="small"), metrics={"test/accuracy": 0.9, "seconds/train": 2.0})
    again = replace(run, metrics={"test/accuracy": 0.9, "seconds/train": 3.0})
    assert (repetition(run, again).same, repetition(run, again).different) == (1, {})
    moved = replace(again, metrics={"test/accuracy": 0.8, "updates": 3.0}, data_digest="other")
    found = repetition(run, moved)
    assert found.different == {"test/accuracy": (0.9, 0.8), "updates": (None, 3.0)}
    assert found.changes == ("data d, now other",)


def test_five_seeds_are_asked_for_before_anything_runs():
    assert summary.SEEDS_FOR_A_VERDICT == SEEDS_FOR_A_VERDICT
    assert summary.seeds_note({"model": "a,b", "seed": "0,1,2"}).startswith("3 for each setting")
    assert summary.seeds_note({"model": "a,b"}).startswith("1 for each setting")
    assert not summary.seeds_note({"model": "a,b", "seed": "range(5)"})
    assert not summary.seeds_note({"seed": "0,1"})


def test_a_signature_depends_on_the_samples_and_their_answers():
    card = {"golden": [{"file": "x", "label": "a"}]}
    assert golden_digest(card) == golden_digest(dict(card))
    assert golden_digest(card) != golden_digest({"golden": [{"file": "x", "label": "b"}]})


@pytest.mark.slow
def test_a_run_is_repeated_to_the_last_bit_and_registered_with_an_alias(tmp_path):
    sweep(*WORDS, "training.batch_size=48", "seed=3", folder=tmp_path, multirun=False)
    _, (first,) = recorded(tmp_path)
    printed = " ".join(sweep("rerun", first.run_id[:8], folder=tmp_path, multirun=False).split())
    assert "numbers are the same to the last bit" in printed
    _, (_, again) = recorded(tmp_path)
    assert (again.tags["cnnexp.reruns"], again.params) == (first.run_id, first.params)
    printed = " ".join(
        sweep(
            "rerun", first.run_id[:8], "optimizer.learning_rate=0.01", folder=tmp_path, multirun=False, code=1
        ).split()
    )
    assert "differ" in printed
    assert "not the same: optimizer.learning_rate 0.001, now 0.01" in printed

    for _ in range(2):  # the second time it is there
        printed = " ".join(
            sweep("register", first.run_id, "--alias", "champion", folder=tmp_path, multirun=False).split()
        )
    assert "was already version 1 of cnnexp, champion; its golden samples gave the recorded answers" in printed
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    version = client.get_model_version_by_alias("cnnexp", "champion")
    assert (version.version, version.run_id) in ((1, first.run_id), ("1", first.run_id))
    assert len(version.tags["cnnexp.golden"]) == 64
    assert float(version.tags["test/accuracy"]) == pytest.approx(first.metrics["test/accuracy"], rel=1e-5)
    refused = sweep("register", first.run_id, "--alias", "v2", folder=tmp_path, multirun=False, code=2)
    assert "--alias" in refused
    assert len(refused.splitlines()) == 1


@pytest.mark.slow
def test_a_server_keeps_the_registry_too(tmp_path):
    port = free_port()
    store = f"tracking.uri=http://127.0.0.1:{port}"
    with mlflow_server(tmp_path, port):
        sweep(*WORDS, store, folder=tmp_path, multirun=False)
        printed = sweep(
            "register", "latest", store, "--name", "digits", "--alias", "champion", folder=tmp_path, multirun=False
        )
        assert "version 1 of digits, champion" in " ".join(printed.split())
        client = MlflowClient(f"http://127.0.0.1:{port}")
        version = client.get_model_version_by_alias("digits", "champion")
        assert len(version.tags["cnnexp.golden"]) == 64
        assert client.get_logged_model(version.source.removeprefix("models:/")).source_run_id == version.run_id


@pytest.mark.slow
def test_the_commands_on_the_page_repeat_the_best_run_to_the_last_bit(tmp_path):
    """Also what its sweep did not vary: an option of a group, a value of it, and what an option brings."""
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    for folder in (there, elsewhere):
        folder.mkdir()
    varied = ("training.batch_size=32,48", "data.size=[8,8],[10,10]")
    fixed = (*WORDS, "optimizer=sgd", "optimizer.momentum=0.8", "schedule=cosine", "data.limit=400")
    printed = sweep(*fixed, *varied, folder=there)
    assert "size 10×10" in printed
    assert "optimizer=sgd" in next(there.glob("mlartifacts/**/comparison.html")).read_text()
    (parent,), _ = recorded(there)
    sweep("compare", parent.run_id[:12], "--html=page.html", folder=there, multirun=False)
    page = (there / "page.html").read_text()
    document = json.loads(re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', page, re.DOTALL)[1])
    losses = next(one["values"] for one in document["metrics"] if one["name"] == "best/val_loss")
    best = losses.index(min(losses))
    program, *words = shlex.split(document["runs"]["command"][best])
    assert program == "cnnexp"
    assert {"optimizer=sgd", "schedule=cosine", "data.limit=400", "training=smoke"} <= {*words}
    sweep(*words, folder=elsewhere, multirun=False)
    _, (again,) = recorded(elsewhere)
    first = next(run for run in recorded(there)[1] if run.run_id == document["runs"]["id"][best])
    numbers = [{k: v for k, v in run.metrics.items() if not k.startswith("seconds/")} for run in (first, again)]
    assert numbers[0] == numbers[1]
    printed = sweep("rerun", first.run_id[:12], document["store"], folder=elsewhere, multirun=False)
    assert "numbers are the same to the last bit" in " ".join(printed.split())
