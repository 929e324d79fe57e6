"""A sweep is trained once and evaluated many times; the comparison folds the evaluations over their models' seeds."""

import subprocess
import sys

import pytest

from cnnexp.__main__ import main
from cnnexp.comparison import compare
from cnnexp.errors import TargetError
from cnnexp.tracking.recorded_model import recorded_model, recorded_models
from cnnexp.tracking.store.find_runs import find_runs

URI = "sqlite:///mlflow.db"


@pytest.mark.slow
def test_every_model_of_a_sweep_under_every_change(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    sweep = [sys.executable, "-m", "cnnexp", "-m", "training=smoke", "seed=range(2)", "tracking.experiment=question"]
    subprocess.run(sweep, check=True, capture_output=True, timeout=300)
    trained = {run.run_id: run for run in find_runs(["question"], uri=URI)}
    assert main(["evaluate", "question", "fault=none,class_order", f"tracking.uri={URI}"]) == 0
    printed = " ".join(capfd.readouterr().out.split())
    assert "4 of 4" in printed
    assert printed.count("on its own") == 4, "each says how it compares with its model's own test score"

    evaluated = find_runs(["latest"], uri=URI)
    assert len(evaluated) == 4
    assert len({run.parent_id for run in evaluated}) == 1
    for run in evaluated:
        model = trained[run.tags["cnnexp.evaluates"]]
        assert run.settings["seed"] == model.settings["seed"]
        if run.settings["fault"] == "none":
            assert run.metrics["test/accuracy"] == pytest.approx(model.metrics["test/accuracy"], abs=1e-9)
    found = compare(evaluated, metric_name="test/accuracy", by=[])
    assert [(row.configuration.values, row.seeds) for row in found.rows] == [
        ({"fault": "none"}, 2),
        ({"fault": "class_order"}, 2),
    ]
    assert not found.refusals
    (effect,) = found.effects
    assert (effect.against, effect.difference.gain.n) == ("none", 2)
    assert effect.difference.gain.mean < -0.3

    # on another data set, too, each evaluation has the seed of its model
    assert main(["evaluate", "question", "data=digits", "data.limit=200", f"tracking.uri={URI}"]) == 0
    elsewhere = find_runs(["latest"], uri=URI)
    assert {run.settings["seed"] for run in elsewhere} == {run.settings["seed"] for run in trained.values()}

    # evaluations mean the models they judged, so the next command can say `latest` as well
    assert {model.run.run_id for model in recorded_models("latest", uri=URI)} == set(trained)
    with pytest.raises(TargetError, match="has 2 models"):
        recorded_model("latest", uri=URI)
    one = min(trained)
    assert main(["evaluate", one, "fault=none,turned", f"tracking.uri={URI}"]) == 0
    assert recorded_model("latest", uri=URI).run.run_id == one
