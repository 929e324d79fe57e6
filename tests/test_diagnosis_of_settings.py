"""Settings of an optimizer that cost a few points: told by the setting and by its trace, never by one of the two."""

from dataclasses import replace

import numpy as np
import pytest

from cnnexp.compose import compose_config
from cnnexp.config.defaults import CONF
from cnnexp.diagnosis import diagnose, failed_learning
from cnnexp.diagnosis.hasty_stop import USUAL_PATIENCE
from cnnexp.diagnosis.interventions import OWN_SCHEDULES
from cnnexp.diagnosis.strong_decay import USUAL_DECAY
from cnnexp.diagnosis.unusual_rate import USUAL_BATCH, in_usual_rates
from cnnexp.records import LossFacts, NetworkFacts
from support.diagnosed_runs import diagonal, evaluation, history, run

FACTS = NetworkFacts(3, 0.5, 0.5, 0.1, 0.0, 0.5, 16, (), ())
SETTLED = (0.9, 0.6, 0.5, 0.45, 0.42, 0.41, 0.40, 0.40, 0.41, 0.40, 0.41, 0.40)
FALLING = (1.4, 1.2, 1.05, 0.93, 0.84, 0.76, 0.70, 0.65, 0.61, 0.57, 0.54, 0.51)
SLOWING = (1.3, 1.1, 1.0, 0.93, 0.87, 0.82, 0.78, 0.75, 0.73, 0.71, 0.69, 0.67)
FROZEN = (0.9, 0.62, 0.57, *[0.56] * 9)
UNFITTED = {
    "class_counts": dict.fromkeys(("train", "validation", "calibration", "test"), (40,) * 10),
    "evaluation": evaluation(diagonal([40] * 10, [0.85] * 10)),
    "confidences": np.full(400, 0.85, np.float32),
    "train_accuracy": 0.86,
    "val_accuracy": 0.85,
    "epochs": 12,
    "network": FACTS,
}


def rates(first, factor=1.0):
    return [first * factor**epoch for epoch in range(1, 13)]


def trained(losses, rates=None, *, steps=400, stopped_early=False, penalties=(), **changes):
    course = history(
        train_loss=losses,
        val_loss=losses,
        val_accuracy=[0.85] * len(losses),
        rates=rates,
        stopped_early=stopped_early,
        penalties=penalties,
    )
    return run(**UNFITTED | {"history": replace(course, steps=steps)} | changes)


OWN_REPAIR = "optimizer=adam, to see whether it is the optimizer; then look at the direction and size of its steps"
UNSUITABLE = {
    "RMSprop at thirty times its usual rate": (
        trained(SETTLED, rates(0.03), optimizer="rmsprop", learning_rate=0.03),
        ("T1", "optimizer.learning_rate=0.001"),
    ),
    "SGD at a high rate": (
        trained(SETTLED, rates(0.2), optimizer="sgd", momentum=0.9, learning_rate=0.2),
        ("T1", "optimizer.learning_rate=0.01"),
    ),
    "SGD with steps that add up to a hundred": (
        trained(SETTLED, rates(0.02), optimizer="sgd", momentum=0.99, learning_rate=0.02),
        ("T1", "optimizer.momentum=0.9"),
    ),
    "a high rate, of which most of the loss is left although it still falls": (
        trained([loss + 0.9 for loss in FALLING], rates(0.015), optimizer="rmsprop", learning_rate=0.015),
        ("T1", "optimizer.learning_rate=0.001"),
    ),
    "a high rate of few images a step, at which the loss still falls, slowly": (
        trained(SLOWING, rates(0.03), optimizer="rmsprop", learning_rate=0.03),
        ("T1", "optimizer.learning_rate=0.001"),
    ),
    "Adam at a twentieth of its usual rate": (
        trained(FALLING, rates(0.00005), optimizer="adam", learning_rate=0.00005),
        ("T2", "optimizer.learning_rate=0.001"),
    ),
    "SGD without momentum at a rate that suits it with": (
        trained(FALLING, rates(0.01), optimizer="sgd", learning_rate=0.01),
        ("T2", "optimizer.learning_rate=0.1"),
    ),
    "a rate that falls to a fifth in each epoch": (
        trained(FROZEN, rates(0.002, 0.2), optimizer="adam", learning_rate=0.002),
        ("T8", "schedule=constant"),
    ),
    "an optimizer of one's own that climbs now and then": (
        trained((2.2, 2.0, 2.1, 1.9, 1.95, 1.8, 1.9, 1.75, 1.8, 1.7, 1.75, 1.7), rates(0.001), optimizer="climbing"),
        ("T8", OWN_REPAIR),
    ),
    "all images in one step": (
        trained(FALLING, rates(0.002), steps=12, images_per_step=1200, optimizer="adam", learning_rate=0.002),
        ("T6", "training.batch_size=32"),
    ),
    "four images a step at a rate for thirty-two": (
        trained(SETTLED, rates(0.004), images_per_step=4, optimizer="adam", learning_rate=0.004),
        ("T5", "training.batch_size=32"),
    ),
    "four images a step for four epochs, which larger batches make few steps of": (
        trained(
            SETTLED[:4], rates(0.004)[:4], images_per_step=4, epochs=4, steps=800, optimizer="adam", learning_rate=0.004
        ),
        ("T5", "training.batch_size=32 training.epochs=16"),
    ),
    "an L2 penalty of thirty times the usual one": (
        trained(SETTLED, l2=0.03, penalties=(4.0, *[0.5] * 12)),
        ("M3", "regularization.l2=0.002"),
    ),
    "dropout of four fifths": (trained(SETTLED, dropout=0.8), ("M3", "regularization.dropout=0.3")),
    "a patience of one epoch, and six of thirty": (
        trained((*FALLING[:4], 0.94, 0.86), patience=1, epochs=30, train_accuracy=0.85, stopped_early=True, steps=200),
        ("T3", "training.patience=8"),
    ),
    "two epochs of 38 steps": (trained(FALLING[-2:], steps=76, epochs=2), ("T3", "training.epochs=10")),
    "four epochs of 30 steps": (trained(FALLING[-4:], steps=120, epochs=4), ("T3", "training.epochs=16")),
    "weight decay that halves weights in a few hundred steps": (
        trained(FALLING, rates(0.002), optimizer="adamw", weight_decay=1.0, learning_rate=0.002),
        ("M3", "optimizer.weight_decay=0.004"),
    ),
}


@pytest.mark.parametrize(("made", "named"), UNSUITABLE.values(), ids=UNSUITABLE)
def test_a_setting_that_costs_a_few_points_is_named_with_its_repair(made, named):
    first = diagnose(made)[0]
    assert (first.id, first.repair) == named
    assert f"{made.train_accuracy:.1%} of the training" in first.sentence
    assert failed_learning([first]) is None  # it learned: a sweep shows its score


NO_FAULT = {
    "the same rate, and training images are known by heart": trained(
        SETTLED, rates(0.03), optimizer="rmsprop", train_accuracy=0.99
    ),
    "the same rate, and the loss goes on falling": trained(FALLING, rates(0.03), optimizer="rmsprop", epochs=50),
    "the same rate with large batches, and the loss still falls, slowly": trained(
        SLOWING, rates(0.03), optimizer="rmsprop", images_per_step=256
    ),
    "the same rate, lowered by a schedule in time": trained(SETTLED, rates(0.03, 0.7), optimizer="rmsprop"),
    "the same course at a usual rate: the data are hard": trained(SETTLED, rates(0.002), optimizer="rmsprop"),
    "an optimizer of one's own, of which no rate is usual": trained(SETTLED, rates(0.3), optimizer="lion"),
    "trained weights, which want small steps": trained(FALLING, rates(0.00005), optimizer="adam", network=None),
    "a steep schedule that began too high, and what is left of the rate still serves": trained(
        (3.0, 2.0, 1.5, *FALLING[1:10]), rates(0.1, 0.5), optimizer="adam"
    ),
    "a rate that was lowered because nothing improved": trained(
        (0.9, 0.42, 0.43, 0.43, *[0.42] * 8), [*[0.004] * 4, *[0.0003] * 8], optimizer="adam", epochs=40
    ),
    "few steps of large batches were enough": trained(
        FALLING, rates(0.002), steps=48, images_per_step=256, train_accuracy=0.98
    ),
    "two epochs of many images": trained(FALLING[-2:], steps=3000, epochs=2),
    "two epochs of a network that began with trained weights": trained(FALLING[-2:], steps=76, epochs=2, network=None),
    "large batches of many images": trained(FALLING, rates(0.002), steps=2000, images_per_step=1024),
    "four images a step, at a rate for as few": trained(SETTLED, rates(0.0005), images_per_step=4, optimizer="adam"),
    "an L2 penalty that is usual": trained(SETTLED, l2=0.001, penalties=(4.0, *[0.5] * 12)),
    "dropout of four fifths of a network that fits its images": trained(SETTLED, dropout=0.8, train_accuracy=0.99),
    "a patience of one epoch, and over-fitting had begun": trained(
        FALLING[:6], patience=1, epochs=30, train_accuracy=0.91, stopped_early=True, steps=200
    ),
    "a usual patience": trained(FALLING[:6], patience=8, epochs=30, train_accuracy=0.85, stopped_early=True, steps=200),
    "the weight decay of recipes for transformers": trained(SETTLED, rates(0.001), optimizer="adamw", weight_decay=0.3),
}


SURE_LOSSES = {
    "train_loss": [1.4, 0.8, 0.6, 0.5],
    "val_loss": [6.0, 5.0, 4.0, 3.0],
    "val_accuracy": [0.5, 0.7, 0.8, 0.8],
    "spreads": [1.0, 2.0, 3.0, 4.0, 5.0],
}


@pytest.mark.parametrize(
    ("sharpness", "changes", "named"),
    [
        (10.0, {"temperature": None}, {"E3": "loss=cross_entropy"}),
        (10.0, {"temperature": 9.0}, {"E3": "loss=cross_entropy"}),
        (10.0, {"temperature": 9.0, "train_accuracy": 0.99}, {}),
        (1.0, {}, {"T1": "optimizer.learning_rate=0.0001"}),
        (0.6, {}, {"T1": "optimizer.learning_rate=0.0001"}),
    ],
)
def test_a_loss_that_asks_for_large_logits_raises_the_validation_loss_and_the_rate_does_not(sharpness, changes, named):
    """T1: the validation loss is far above ln K from the first epoch on."""
    loss = LossFacts(2.3, 0.0, 0.0, 10, sharpness)
    course = replace(history(**SURE_LOSSES), steps=400)
    found = diagnose(run(**UNFITTED | {"history": course, "loss": loss, "epochs": 4} | changes))
    assert {one.id: one.repair for one in found if one.id in ("E3", "T1")} == named


@pytest.mark.parametrize("made", NO_FAULT.values(), ids=NO_FAULT)
def test_neither_a_setting_nor_a_trace_alone_is_a_fault(made):
    assert not {"T1", "T2", "T3", "T5", "T6", "T8", "M3"} & {finding.id for finding in diagnose(made)}


def test_what_counts_as_usual_is_what_the_options_set():
    for name in sorted(path.stem for path in (CONF / "optimizer").glob("*.yaml")):
        optimizer = compose_config([f"optimizer={name}"]).optimizer
        momentum = getattr(optimizer, "momentum", 0.0)
        assert in_usual_rates(name, float(optimizer.learning_rate), momentum=momentum) == pytest.approx(1), name
    assert set(OWN_SCHEDULES) == {path.stem for path in (CONF / "schedule").glob("*.yaml")}
    assert compose_config(["optimizer=adamw"]).optimizer.weight_decay == USUAL_DECAY
    training = compose_config([]).training
    assert (training.batch_size, training.patience) == (USUAL_BATCH, USUAL_PATIENCE)
