"""A decision threshold for one of two classes: how it is chosen, where it is refused, and that every door uses it."""

import contextlib
import csv
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import cnnexp
from cnnexp.__main__ import main
from cnnexp.comparison.metric import metric
from cnnexp.comparison.same_images import compare_models
from cnnexp.compose import compose_config
from cnnexp.errors import ConfigError
from cnnexp.evaluation import choose_threshold, evaluate, fewest_positives
from cnnexp.evaluation.operating_point import CountedShare
from cnnexp.portable.card import Card, UnfitModelError, content_digest
from cnnexp.portable.decision import Decision, decide
from cnnexp.portable.served_model import ImageModel
from cnnexp.records import RecordedPredictions
from cnnexp.saved import open_model
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.training import configure_tensorflow
from support import trained_model
from support.exported_script import run_alone
from test_comparison_verdicts import summary

NAMES = ("sick", "well")


def rows(*sick):
    """Probabilities of two classes, the first as given."""
    return np.array([[p, 1 - p] for p in sick], np.float32)


def chosen(rule, wanted, *, sick, well):
    labels = np.array([0] * len(sick) + [1] * len(well))
    return choose_threshold(rows(*sick, *well), labels, class_names=NAMES, positive="sick", rule=rule, wanted=wanted)


NINE = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)


def test_a_sensitivity_counts_one_more_image_as_missed():
    # 8 of 9 + 1 is 0.8: the eighth, 0.2, is the lowest that has to be answered; the next below is 0.1
    found = chosen("sensitivity", 0.8, sick=NINE, well=(0.05, 0.25, 0.45))
    assert found.threshold == pytest.approx((0.2 + 0.1) / 2)
    assert (found.hits, found.positives, found.false_alarms, found.negatives) == (8, 9, 2, 3)
    # 9 of 10 is 0.9, the most that nine images can show
    assert chosen("sensitivity", 0.9, sick=NINE, well=(0.05,)).threshold == pytest.approx(0.075)
    assert fewest_positives("sensitivity", 0.9) == 9
    assert (fewest_positives("precision", 0.95), fewest_positives("cost", 5)) == (19, 10)


def test_a_precision_is_reached_from_the_lowest_threshold_that_shows_it():
    # 5 of 5 + 1 from 0.5 on are 0.83; a well one follows; 9 of 10 + 1 from 0.1 on are 0.82 again
    found = chosen("precision", 0.8, sick=NINE, well=(0.45, 0.05, 0.04))
    assert (found.hits, found.false_alarms) == (9, 1)
    assert found.threshold == pytest.approx((0.1 + 0.05) / 2)
    assert chosen("precision", 0.9, sick=NINE, well=(0.45, 0.05)) is None


@pytest.mark.parametrize(
    ("cost", "threshold"),
    [
        (1, (0.2 + 0.3) / 2),  # one false alarm; two missed ones, from 0.8 on, would cost 2
        (4, (0.2 + 0.3) / 2),
        (0.25, (0.7 + 0.9) / 2),  # two missed ones cost 0.5
        (0.01, (0.7 + 0.9) / 2),
    ],
)
def test_a_cost_gives_the_threshold_whose_mistakes_cost_least(cost, threshold):
    found = chosen("cost", cost, sick=(0.9, 0.6, 0.3), well=(0.7, 0.2, 0.1))
    assert found.threshold == pytest.approx(threshold)


def test_of_thresholds_that_cost_the_same_the_one_for_calibrated_probabilities_is_taken():
    # from 0.2 on one false alarm, from 0.75 on one missed image; 0.75 is nearer to 1 / (1 + 1)
    assert chosen("cost", 1, sick=(0.9, 0.4), well=(0.6,)).threshold == pytest.approx(0.75)
    assert chosen("cost", 1, sick=(1.0, 0.8), well=(0.2, 0.0)).threshold == pytest.approx(0.5)


def test_probabilities_that_are_too_near_to_one_half_do_no_harm():
    # calibrated, 1 / (1 + 5) would be right; here it would answer everything
    found = chosen("cost", 5, sick=(0.53, 0.52, 0.51), well=(0.49, 0.48, 0.47))
    assert (found.hits, found.false_alarms) == (3, 0)


def test_new_images_of_the_class_are_recognized_as_often_as_was_wanted():
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        sick, well = rng.beta(4, 2, 60), rng.beta(2, 4, 60)
        threshold = chosen("sensitivity", 0.9, sick=sick, well=well).threshold
        found.append((rng.beta(4, 2, 2000) >= threshold).mean())
    assert 0.9 <= np.mean(found) < 0.92


DECISION = Decision(
    positive="well", threshold=0.2, rule="cost", wanted=4, hits=9, positives=10, false_alarms=5, negatives=20
)


def test_a_class_is_answered_from_its_threshold_on_and_the_other_one_below():
    probabilities = rows(0.9, 0.80001, 0.79999, 0.1)
    assert decide(probabilities, NAMES, DECISION).tolist() == [0, 0, 1, 1]
    assert decide(probabilities, NAMES, None).tolist() == [0, 0, 0, 1]
    assert decide(rows(0.5), NAMES, dataclasses.replace(DECISION, threshold=0.5)).tolist() == [1]


def test_answers_change_and_what_is_said_of_probabilities_does_not():
    probabilities, labels = rows(0.9, 0.75, 0.7, 0.6, 0.3, 0.1), np.array([0, 0, 1, 1, 1, 1])
    usual = evaluate(probabilities=probabilities, labels=labels, class_names=NAMES, seed=0)
    decided = evaluate(probabilities=probabilities, labels=labels, class_names=NAMES, seed=0, decision=DECISION)
    assert usual.confusion.tolist() == [[2, 0], [2, 2]]
    assert decided.confusion.tolist() == [[1, 1], [0, 4]]
    assert decided.metrics["accuracy"] == pytest.approx(5 / 6)
    assert (decided.metrics["sensitivity"], decided.metrics["specificity"]) == (1, 0.5)
    assert decided.metrics["precision"] == pytest.approx(4 / 5)
    assert "sensitivity" not in usual.metrics
    for name in ("roc_auc", "pr_auc", "log_loss", "brier", "ece"):
        assert decided.metrics[name] == usual.metrics[name]
        assert decided.intervals.get(name) == usual.intervals.get(name)
    assert decided.intervals["accuracy"] != usual.intervals["accuracy"]
    assert "well is answered from a probability of 0.2 on, by decision.cost=4" in decided.notes[0]
    assert "sensitivity 0.900 (9 of 10, 95 % interval 0.596 to 0.982)" in decided.notes[0]


def test_an_interval_is_wilson_s():
    # Newcombe 1998, Statistics in Medicine 17:857, table I: 15 of 148
    assert CountedShare(15, 148).interval == pytest.approx((0.0624, 0.1605), abs=5e-5)


def test_models_are_compared_by_their_answers():
    labels, probabilities = np.array([0, 1, 1, 1]), rows(0.9, 0.7, 0.7, 0.1)

    def run(name, decided):
        files = tuple("abcd")
        own = RecordedPredictions(NAMES, files, files, "r", "c", labels, probabilities, decided=decided)
        return dataclasses.replace(summary(0.9, model=name), read_predictions=lambda: own)

    usual, decided = run("usual", None), run("decided", decide(probabilities, NAMES, DECISION))
    (by_image,) = compare_models(usual, [decided], metric("test/accuracy"))
    assert (by_image.only_this_right, by_image.only_reference_right, by_image.difference.gain.mean) == (2, 0, 0.5)
    (resampled,) = compare_models(usual, [decided], metric("test/macro_f1"))
    assert resampled.difference.gain.mean > 0.3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["decision.cost=5"], "Add decision.positive=CLASS"),
        (["decision.positive=a"], "got none. For example: decision.sensitivity=0.95"),
        (["decision.positive=a", "decision.cost=5", "decision.precision=0.9"], "precision=0.9 and decision.cost=5"),
        (["decision.positive=a", "decision.sensitivity=95"], "below 1; got 95"),
        (["decision.positive=a", "decision.cost=0"], "decision.cost must be above 0"),
        (["decision.positive=a", "decision.cost=5", "data.folds=5"], "decision.positive and data.folds do not go"),
    ],
)
def test_wishes_that_contradict_are_refused(words, message):
    with pytest.raises(ConfigError, match=message.replace(".", r"\.")):
        compose_config(words)


def test_a_class_may_be_called_by_a_number():
    assert compose_config(["decision.positive=1", "decision.cost=5"]).decision.positive == "1"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with noisy threes and eights, and a store with a run that may miss few of the eights."""
    home = tmp_path_factory.mktemp("home")
    images, labels = trained_model.digits()
    rng = np.random.default_rng(0)
    for number in np.flatnonzero((labels == 3) | (labels == 8)).tolist():
        folder = home / "photos" / {3: "three", 8: "eight"}[int(labels[number])]
        folder.mkdir(parents=True, exist_ok=True)
        noisy = np.clip(images[number].squeeze() + rng.normal(0, 90, (8, 8)), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(folder / f"{number}.png")
    return home


TRAIN = ["data=folder", "data.path=photos", "training=smoke", "training.epochs=6", "training.threads=1", "model=small"]
SHARE = "data.calibration=0.3"
WISH = ["decision.positive=eight", "decision.sensitivity=0.95", SHARE]


@pytest.fixture(scope="module")
def run(home):
    """The run, trained in a process of its own."""
    configure_tensorflow(threads=1, seed=0)  # as every test that runs TensorFlow: its threads are fixed once a process
    with contextlib.chdir(home):
        return cnnexp.run(*TRAIN, *WISH, "data.limit=null")


def test_a_run_is_judged_by_its_threshold_and_says_what_it_gives(run, capfd):
    table, threshold = run.predictions, run.metrics["decision/threshold"]
    answered = np.where(table["p/eight"] >= threshold, "eight", "three")
    assert (table["predicted"] == answered).all()
    assert (table["predicted"] != np.where(table["p/eight"] >= 0.5, "eight", "three")).any()
    for split in ("calibration", "test"):
        own = table[table["split"] == split]
        eights, alarms = own["label"] == "eight", own["predicted"] == "eight"
        assert run.metrics[f"{split}/sensitivity"] == pytest.approx(alarms[eights].mean())
        assert run.metrics[f"{split}/specificity"] == pytest.approx((~alarms[~eights]).mean())
        assert run.metrics[f"{split}/precision"] == pytest.approx(eights[alarms].mean())
    calibration = table[(table["split"] == "calibration") & (table["label"] == "eight")]
    hits = (calibration["predicted"] == "eight").sum()
    assert (hits - 1) / (len(calibration) + 1) < 0.95 <= hits / (len(calibration) + 1)
    test = table[table["split"] == "test"]
    assert run.metrics["test/accuracy"] == pytest.approx((test["predicted"] == test["label"]).mean())
    assert run.metrics["test/sensitivity_low"] < run.metrics["test/sensitivity"] <= run.metrics["test/sensitivity_high"]
    assert (run.confusion.loc["eight", "eight"], len(test)) == (
        ((test["label"] == "eight") & (test["predicted"] == "eight")).sum(), run.confusion.to_numpy().sum()
    )  # fmt: skip
    page = (home_of(run) / "run.html").read_text(encoding="utf-8")
    assert f"eight is answered from a probability of {threshold:.4g} on, by decision.sensitivity=0.95" in page
    assert '<th scope="row">specificity</th>' in page
    assert "sensitivity" in run._repr_html_()


def home_of(run):
    return Path(run.page.removeprefix("file://")).parent


def test_every_door_answers_by_the_threshold(run, home, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(home)
    test = run.predictions.query("split == 'test'")
    files = [str(home / "photos" / file) for file in test["file"]]
    expected = list(test["predicted"])
    assert cnnexp.load(run.run_id).predict(files)["label"].tolist() == expected
    with recorded_model(run.run_id, uri="sqlite:///mlflow.db").folder() as folder:
        model = open_model(folder)
        served = ImageModel(model).predict(pd.DataFrame({"image": [Path(file).read_bytes() for file in files]}))
    assert served["label"].tolist() == expected
    assert served["probability"].min() < 0.5
    assert main(["predict", run.run_id, *files, "--csv", str(tmp_path / "answers.csv")]) == 0
    with (tmp_path / "answers.csv").open(encoding="utf-8") as answers:
        given = list(csv.DictReader(answers))
    assert [answer["label"] for answer in given] == expected
    assert all(answer["next_best"] != answer["label"] for answer in given)


def test_an_evaluation_is_by_the_threshold(run, home, monkeypatch, capfd):
    monkeypatch.chdir(home)
    test = run.predictions.query("split == 'test'")
    assert main(["evaluate", run.run_id]) == 0
    again = cnnexp.get_run("latest", f"tracking.uri=sqlite:///{home / 'mlflow.db'}")
    for name in ("accuracy", "sensitivity", "specificity", "precision", "sensitivity_low"):
        assert again.metrics[f"test/{name}"] == pytest.approx(run.metrics[f"test/{name}"])
    assert again.predictions["predicted"].tolist() == test["predicted"].tolist()


@pytest.mark.slow
def test_an_exported_folder_answers_by_the_threshold(run, home, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(home)
    test = run.predictions.query("split == 'test'")
    assert main(["export", run.run_id, str(tmp_path / "exported")]) == 0
    code, alone, complaint = run_alone(tmp_path / "exported", *[home / "photos" / file for file in test["file"]])
    assert code == 0, complaint
    assert [answer["label"] for answer in alone] == test["predicted"].tolist()


def test_a_card_without_a_decision_is_what_it_was_and_an_impossible_one_is_refused(run):
    content = json.loads((home_of(run) / "card.json").read_text(encoding="utf-8"))
    card = Card.from_json(json.dumps(content))
    assert card.decision.positive == "eight"
    assert dataclasses.replace(card, decision=None).as_dict().keys() == content.keys() - {"decision"}
    with pytest.raises(ValueError, match="one of two classes"):
        dataclasses.replace(card, decision=DECISION)
    with pytest.raises(ValueError, match="at most 1; got nan"):
        dataclasses.replace(DECISION, threshold=float("nan"))
    content["decision"]["threshold"] = 2.0
    content["digest"] = content_digest({name: value for name, value in content.items() if name != "digest"})
    with pytest.raises(UnfitModelError, match="impossible value: a decision threshold must be"):
        Card.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["decision.positive=eigth", "decision.cost=5"], 2, "got 'eigth'. Did you mean eight?"),
        (["data=digits", "data.path=null", "decision.positive=8", "decision.cost=5"], 2, "two classes; digits has 10"),
        (
            ["decision.positive=eight", "decision.cost=5"],
            1,
            "100 calibration images, 10 of them of eight; the split has",
        ),
        (
            ["decision.positive=eight", "decision.sensitivity=0.99", "data.calibration=0.3"],
            1,
            "or want less: decision.sensitivity=0.98.",
        ),
        (
            ["decision.positive=eight", "decision.cost=5", "data.calibration=0"],
            1,
            "the split has 0, 0 of them. Add data.calibration=0.",
        ),
    ],
)
def test_what_the_images_cannot_give_is_refused_before_training(words, code, message, home, monkeypatch, capfd):
    monkeypatch.chdir(home)
    assert main([*TRAIN, *words]) == code
    assert message in " ".join(capfd.readouterr().err.split())


def test_the_line_to_type_gives_enough_images(run, home, monkeypatch, capfd):
    monkeypatch.chdir(home)
    assert main([*TRAIN, "decision.positive=eight", "decision.cost=5"]) == 1
    share = re.search(r"Add (data\.calibration=[\d.]+)\.", " ".join(capfd.readouterr().err.split()))[1].rstrip(".")
    assert main([*TRAIN, "training.epochs=1", "decision.positive=eight", "decision.cost=5", share]) == 0


def test_a_precision_out_of_reach_is_said_and_the_most_probable_class_answered(run, home, monkeypatch, capfd):
    monkeypatch.chdir(home)
    wish = ["decision.positive=eight", "decision.precision=0.98", "data.calibration=0.3", "training.epochs=1"]
    assert main([*TRAIN, *wish]) == 0
    assert "No threshold gives decision.precision=0.98 for eight" in " ".join(capfd.readouterr().out.split())
    run = cnnexp.get_run("latest", "tracking.uri=sqlite:///mlflow.db")
    assert "decision/threshold" not in run.metrics
