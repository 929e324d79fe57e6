"""Short trainings with another setting: which are made, and what is concluded."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import yaml

from cnnexp.__main__ import main
from cnnexp.cli.try_repair import repairable, verdict
from cnnexp.comparison.paired import Estimate
from cnnexp.comparison.result import Difference, ModelDifference
from cnnexp.compose import changed_overrides, compose_config, recorded_overrides, to_yaml
from cnnexp.diagnosis.confidence import Basis
from cnnexp.diagnosis.interventions import (
    Intervention,
    Outcome,
    confirmed,
    for_longer,
    interventions,
    judge,
    of_rate,
    with_longer,
)
from cnnexp.diagnosis.network_faults import StructureFault, structure_finding
from cnnexp.errors import ConfigError
from cnnexp.runs.probes.probe_run import ASKED_FOR
from cnnexp.tracking.store.find_runs import find_runs

STORE = "sqlite:///{}/mlflow.db"
RUN = {"accuracy": 0.6, "images": 300, "epochs": 20}


def outcome(fault, accuracy):
    return Outcome(Intervention(fault, (f"setting.of={fault}",), f"with {fault} repaired"), accuracy, 3)


def test_what_reaches_more_than_the_whole_training_is_the_cause():
    found = judge([outcome("T2", 0.58), outcome("M1", 0.9)], **RUN)
    assert (found.id, found.cause, found.repair, found.alternatives) == ("M1", 2, "setting.of=M1", ())
    assert "3 epochs reached 90.0%" in found.sentence
    assert "20 epochs of the run reached 60.0%" in found.sentence


def test_repairs_that_do_as_well_come_as_one_ranked_set_with_less_confidence_and_the_least_change_first():
    one, several = judge([outcome("M1", 0.9)], **RUN), judge([outcome("M3", 0.89), outcome("M1", 0.9)], **RUN)
    assert (several.id, several.alternatives) == ("M3", ("M1",))
    assert several.confidence < one.confidence


def test_a_repair_that_the_numbers_of_the_run_speak_for_comes_before_one_that_reaches_a_little_more():
    tried = [outcome("T5", 0.66), outcome("T3", 0.74), outcome("M1", 0.73)]
    found = judge(tried, **RUN, expected={"T5"})
    assert (found.id, found.alternatives) == ("T5", ("T3", "M1"))
    assert judge(tried, **RUN).id == "T3"
    assert judge([outcome("T5", 0.61), *tried[1:]], **RUN, expected={"T5"}).id == "T3"


@pytest.mark.parametrize(
    ("fault", "epochs", "reached", "repair"),
    [
        ("T2", 3, 0.95, "setting.of=T2 training.epochs=12"),
        ("T2", 3, 0.91, "setting.of=T2"),  # more epochs bring nothing that matters
        ("T2", 20, None, "setting.of=T2"),  # as many epochs as that show it
        ("T2", 5, None, "setting.of=T2"),  # time ended the trial after three of them
    ],
)
def test_a_repair_of_a_short_run_comes_with_more_epochs_where_these_bring_more(fault, epochs, reached, repair):
    found = judge([outcome(fault, 0.9)], **RUN)
    overrides = for_longer(found, epochs=epochs)
    assert (overrides is None) == (reached is None)
    if overrides is not None:
        found = with_longer(found, Outcome(Intervention(fault, overrides, ""), reached, 12))
    assert found.repair == repair
    assert ("12 epochs reached 95.0%" in found.sentence) == (reached == 0.95)
    assert for_longer(replace(found, repair="training.epochs=12"), epochs=3) is None


def test_of_two_repairs_of_one_fault_the_better_one_is_advised():
    def of(setting, accuracy):
        return Outcome(Intervention("T5", (setting,), "with it"), accuracy, 3)

    assert judge([of("a=1", 0.8), of("b=1", 0.85)], **RUN, expected={"T5"}).repair == "b=1"
    assert judge([of("a=1", 0.84), of("b=1", 0.85)], **RUN, expected={"T5"}).repair == "a=1"


@pytest.mark.parametrize("accuracy", [0.5, 0.6, 0.64, 0.7])  # of 300 images, 0.7 is within chance of 0.6
def test_what_reaches_no_more_than_chance_allows_is_nothing(accuracy):
    assert judge([outcome("T2", accuracy)], **RUN) is None
    assert judge([], **RUN) is None


@pytest.mark.parametrize(
    ("reached", "is_known", "basis"),
    [
        (0.9, False, Basis.CONFIRMED),
        (0.64, False, None),  # within chance of the whole run
        (0.64, True, Basis.STRUCTURE),
        (0.58, True, None),  # nor is what the run said held against a network that does no better without it
    ],
)
def test_what_the_structure_shows_needs_a_repair_that_helps_unless_the_run_named_it(reached, is_known, basis):
    fault = StructureFault("P1", "The first layer gets large numbers.", "scale pixels once", {"input_rms": 120.0})
    found = confirmed(
        structure_finding(fault, accuracy=0.6),
        outcome("P1", reached),
        None,
        accuracy=0.6,
        images=300,
        is_known=is_known,
    )
    assert (None if found is None else found.basis) == basis
    assert found is None or "3 epochs reached" in found.sentence


def test_a_rate_about_the_one_of_the_run_was_not_the_reason():
    assert [of_rate(rate, configured=0.001) for rate in (0.0001, 0.0005, 0.002, 0.01)] == ["T1", None, None, "T2"]


def settings(*overrides):
    return yaml.safe_load(to_yaml(compose_config(["data=digits", "augmentation=none", *overrides])))


@pytest.mark.parametrize(
    ("overrides", "tried"),
    [
        ([], ["T2", "M1"]),
        (["regularization=dropout_l2"], ["M3", "T2", "M1"]),
        (["training.batch_size=2"], ["T5", "T5", "T2", "M1"]),
        (["training.batch_size=64", "training.accumulate=4"], ["T6", "T2", "M1"]),
        (["augmentation=basic", "schedule=cosine"], ["T2", "T8", "M1", "P8"]),
        (["optimizer=adamw", "optimizer.weight_decay=0.5"], ["M3", "T2", "M1"]),
        (["optimizer=sgd", "optimizer.clip_norm=0.0001"], ["T8", "T2", "M1"]),
        (["optimizer=sgd", "optimizer.clip_norm=1"], ["T2", "M1"]),
    ],
)
def test_what_is_tried_follows_from_the_settings(overrides, tried):
    assert [one.id for one in interventions(settings(*overrides), ended_early=True, continues=True)] == tried


@pytest.mark.parametrize(
    ("overrides", "extreme"),
    [
        (["regularization=dropout_l2", "training.batch_size=16", "schedule=cosine", "augmentation=strong"], []),
        (["loss=focal", "optimizer=sgd", "training.batch_size=128"], []),
        (["training.batch_size=2"], ["T5", "T5"]),
        (["training.batch_size=512"], ["T6"]),
        (["regularization=dropout", "regularization.dropout=0.9"], ["M3"]),
        (["regularization=l2", "regularization.l2=0.1"], ["M3"]),
        (["augmentation=basic", "augmentation.rotation=90"], ["P8", "P8"]),
        (["schedule=exponential", "schedule.factor=0.3"], ["T8"]),
        (["schedule=step", "schedule.every=2", "schedule.factor=0.1"], ["T8"]),
        (["schedule=step", "schedule.every=10", "schedule.factor=0.1"], []),
        (["schedule=plateau"], []),
        (["optimizer.learning_rate=0.02"], ["T2"]),
        (["optimizer=sgd", "optimizer.momentum=0.99"], ["T1", "T2"]),
        (["model.width=1"], ["M1"]),
        (["training.epochs=1"], ["T3"]),
    ],
)
def test_settings_that_no_usual_run_has_are_tried_where_nothing_was_found(overrides, extreme):
    tried = interventions(settings(*overrides), ended_early=False, continues=True)
    assert [one.id for one in tried if one.extreme] == extreme


def test_of_a_tiny_batch_the_rate_is_lowered_as_much_so_that_as_many_images_are_seen():
    tiny = settings("training.batch_size=4", "optimizer.learning_rate=0.008")
    lowered, larger = (one for one in interventions(tiny, ended_early=True, continues=True) if one.id == "T5")
    assert (lowered.overrides, larger.overrides[0]) == (("optimizer.learning_rate=0.001",), "training.batch_size=32")
    assert "training.epochs=12" not in larger.overrides
    short = settings("training.batch_size=4", "training.epochs=3")
    *_, larger = (one for one in interventions(short, ended_early=True, continues=True) if one.id == "T5")
    assert "training.epochs=12" in larger.overrides


def test_a_run_that_used_all_its_epochs_is_trained_on_and_needs_its_weights_for_that():
    tried = [
        [one.id for one in interventions(settings(), ended_early=early, continues=there)]
        for early, there in ((False, True), (True, True), (False, False))
    ]
    assert tried == [["T2", "T3", "M1"], ["T2", "M1"], ["T2", "M1"]]


def test_another_option_of_a_group_does_not_take_over_the_values_that_it_replaces():
    whole = compose_config(["data=digits", "regularization=l2", "regularization.l2=0.5", "schedule=step"])
    recorded = recorded_overrides(to_yaml(whole))
    repaired = compose_config(changed_overrides(recorded, ["regularization=none", "schedule=constant", "seed=3"]))
    assert (repaired.regularization.l2, repaired.schedule.name, repaired.seed) == (0, "constant", 3)


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["optimizer=sgd", "optimizer.momentum=0.5", "schedule=warmup_cosine", "model=resnet", "training=finetune"],
        ["augmentation=strong", "regularization=dropout_l2", "loss=focal", "data.size=[12,9]", "seed=7"],
    ],
)
def test_a_recorded_configuration_is_composed_again(overrides):
    config = compose_config(["data=digits", *overrides])
    again = compose_config(recorded_overrides(to_yaml(config)))
    assert to_yaml(again) == to_yaml(config)


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ((0.1, 0.05, 0.15), "helped"),
        ((-0.1, -0.15, -0.05), "made it worse"),
        ((0.1, -0.05, 0.2), "No difference is shown"),
    ],
)
def test_whether_a_repair_helped_is_said_with_the_interval(gain, said):
    finding = judge([outcome("M1", 0.9)], **RUN)
    told = verdict(finding, ModelDifference(None, Difference(Estimate(*gain, 400), 0.01, 0.01), 40, 0))
    assert said in told
    assert "400 test images" in told


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("E1", "+10.0 points of balanced accuracy on"),
        ("E3", "the calibration error (ECE) fell by 0.100 on"),
        ("T1", "+10.0 points of accuracy on"),
    ],
)
def test_a_repair_is_judged_by_what_the_finding_is_about(fault, said):
    finding = replace(judge([outcome("M1", 0.9)], **RUN), id=fault)
    told = verdict(finding, ModelDifference(None, Difference(Estimate(0.1, 0.05, 0.15, 400), 0.01, 0.01), 40, 0))
    assert said in told


def test_only_a_repair_that_can_be_typed_is_tried():
    by_hand = replace(judge([outcome("M1", 0.9)], **RUN), repair="look at the labels")
    typed = replace(by_hand, repair="training.epochs=20 model=small")
    assert (repairable([by_hand]), repairable([by_hand, typed])) == (None, typed)


def test_a_run_whose_images_are_gone_shows_what_it_recorded_and_says_that_it_was_not_probed(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "a.npz", images=rng.integers(0, 256, (120, 8, 8), np.uint8), labels=np.arange(120) % 3)
    one_step = ["training.epochs=1", "training.threads=1", "model=small", "model.width=2", "model.dense=4"]
    assert main(["data=npz", "data.path=a.npz", "optimizer.learning_rate=30", *one_step]) == 0
    recorded = find_runs(["latest"], uri=STORE.format(tmp_path))[0].read_findings()
    (tmp_path / "a.npz").unlink()
    capsys.readouterr()
    assert main(["diagnose", "latest"]) == 0
    told = capsys.readouterr()
    assert all(one.title in told.out for one in recorded)
    assert ("was not probed" in told.err) == bool({one.id for one in recorded} & ASKED_FOR)
    assert main(["diagnose", "latest", "--try"]) == 2  # it would fail again
    assert "--try cannot train" in capsys.readouterr().err
    assert find_runs(["latest"], uri=STORE.format(tmp_path))[0].read_findings() == recorded


def test_a_run_whose_loss_was_no_number_is_told_why_and_repaired(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    few = ["data=digits", "data.limit=300", "training.epochs=20", "training.threads=1", "model=small", "model.width=2"]
    assert main([*few, "optimizer=sgd", "optimizer.learning_rate=100", "regularization.l2=0.1"]) == 1
    capsys.readouterr()
    assert main(["diagnose", "latest", "--json"]) == 0
    ((found,),) = (run["findings"] for run in json.loads(capsys.readouterr().out))
    assert (found["id"], found["repair"]) == ("T1", "optimizer.learning_rate=0.01")
    assert "NaN or infinite" in found["sentence"]


def test_code_of_a_user_that_is_not_there_is_asked_for_and_no_default_takes_its_place():
    recorded = to_yaml(compose_config(["data=digits"])).replace("name: cross_entropy", "name: mine")
    with pytest.raises(ConfigError, match=r"loss=mine, which is not there now.*add --extend FILE"):
        recorded_overrides(recorded)


@pytest.mark.slow  # three trainings of a second, and the imports for them
def test_a_network_that_is_too_small_is_named_by_a_wider_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    narrow = ["model=small", "model.width=1", "model.dense=2", "training.epochs=4", "optimizer.learning_rate=0.003"]
    assert main(["data=digits", "data.limit=800", "training.threads=1", *narrow]) == 0
    assert main(["diagnose", "latest", "--json=found.json"]) == 0
    (run,) = json.loads((tmp_path / "found.json").read_text())
    (first, *_) = run["findings"]
    assert (first["id"], first["repair"]) == ("M1", "model.width=8 model.dense=16 training.epochs=16")
    assert first["evidence"]["gain_low"] > 0
    capsys.readouterr()
    assert main(["diagnose", "latest", "--try"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert re.search(rf"{re.escape(first['repair'])} helped: \+\d+\.\d points of accuracy on the same \d+ test", told)
    (tried,) = find_runs(["latest"], uri=STORE.format(tmp_path))
    assert tried.tags["cnnexp.repairs"] == run["run"]
    assert main(["diagnose", run["run"], "--try", "--json"]) == 0
    (again,) = json.loads(capsys.readouterr().out)  # and nothing of the training is printed
    assert (again["tried"]["repair"], again["tried"]["metric"]) == (first["repair"], "test/accuracy")
    assert again["tried"]["gain_low"] > 0


@pytest.mark.parametrize(("patience", "repair"), [(1, "training.patience=8"), (8, None)])
def test_a_run_that_an_epoch_or_two_ended_is_trained_on(patience, repair):
    tried = interventions(settings(f"training.patience={patience}"), ended_early=True, continues=True)
    found = [one for one in tried if one.id == "T3"]
    assert [one.overrides for one in found] == ([] if repair is None else [(repair,)])
    assert all(one.goes_on and one.extreme for one in found)
