"""From any learning rate, the advice leads to one that learns, and in no circle."""

import json
from pathlib import Path

import pytest

from cnnexp.config.defaults import options
from cnnexp.diagnosis import diagnose
from support.diagnosed_runs import diagonal, evaluation, history, run
from support.learning_rate_walks import LEARNING_RATES, LEARNS, Cell, advice

COURSES = Path(__file__).with_name("learning_rate_courses.json")  # by benchmarks/learning_rate_walk.py --record
RECORDED = json.loads(COURSES.read_text(encoding="utf-8"))
NARROW = {"alexnet": ["model.width=24", "model.dense=128"], "vgg": ["model.dense=128"], "resnet": ["model.width=8"]}
SHORT = ["data.limit=500", "training.epochs=10", "training.batch_size=16", "training.threads=1"]
ABOVE_CHANCE = 0.25  # accuracy from which a network of the slow test has learned


def recorded_run(course):
    """The evidence of a recorded run."""
    support, correct = course["support"], course["correct"]
    counts = tuple(course["class_counts"])
    best = max(course["val_accuracy"])
    return run(
        history=history(
            train_loss=course["train_loss"],
            val_loss=course["val_loss"],
            val_accuracy=course["val_accuracy"],
            spreads=course["spreads"],
            changes=course["changes"],
            penalties=course["penalties"],
        ),
        evaluation=evaluation(diagonal(support, [right / n for n, right in zip(support, correct, strict=True)])),
        class_counts=dict.fromkeys(("train", "validation", "calibration", "test"), counts),
        train_accuracy=best,
        val_accuracy=best,
        learning_rate=course["learning_rate"],
    )


def learned(course):
    return 0.0 if course is None else sum(course["correct"]) / sum(course["support"])


@pytest.mark.parametrize("cell", RECORDED)
def test_recorded_runs_lead_to_a_learning_rate_that_learns(cell):
    courses = dict(zip(LEARNING_RATES, RECORDED[cell], strict=True))
    chance = 0.1
    enough = chance + LEARNS * (max(map(learned, courses.values())) - chance)
    for start in LEARNING_RATES:
        place, walked = start, [start]
        while (advised := next_learning_rate(courses[place], place)) is not None:
            place = min(LEARNING_RATES, key=lambda rate: abs(rate / advised - 1) + abs(advised / rate - 1))
            assert place not in walked, f"from {start:g} in a circle: {walked}"
            walked.append(place)
        longer = any(finding.id == "T3" for finding in diagnose(recorded_run(courses[place])))
        assert learned(courses[place]) >= enough or longer, f"from {start:g} the walk ends at {walked}"


def next_learning_rate(course, learning_rate):
    return learning_rate / 10 if course is None else advice(diagnose(recorded_run(course)))


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", options("optimizer"))
@pytest.mark.parametrize("model", options("model"))
def test_the_advice_leads_to_a_learning_rate_that_learns(model, optimizer):
    cell = Cell([*SHORT, f"model={model}", *NARROW.get(model, []), f"optimizer={optimizer}"])
    for start in (1e-5, 0.1, 10.0):
        *_, end = cell.walk(start, lambda outcome: outcome.advised, longer=True, enough=ABOVE_CHANCE)
        outcome = cell.outcome(*end)
        assert outcome.accuracy >= outcome.majority + ABOVE_CHANCE, f"from {start:g} the walk ends at {end}"
        assert outcome.advised is None
