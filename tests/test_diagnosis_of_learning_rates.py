"""Too high or too low: told by the outputs of a network where the loss, ln K in both cases, cannot tell."""

import dataclasses
import math

import numpy as np
import pytest

from cnnexp.diagnosis import diagnose, failed_learning, not_assessed
from cnnexp.evaluation import output_statistics
from support.diagnosed_runs import GUESSING, TEN_TO_ONE, diagonal, evaluation, history, run

FLAT = (2.304, 2.303, 2.303, 2.303, 2.303, 2.303)
ALIVE = (0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03)
UNMOVED = (0.0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006)
MOVED = (0.0, 0.02, 0.03, 0.03, 0.03, 0.03, 0.03)
DEAD = (0.03, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
GUESSED = evaluation(np.eye(10, dtype=int)[[0] * 10] * 40)
HALF = evaluation(diagonal([40] * 10, [0.5] * 10))
MAJORITY = TEN_TO_ONE | {"calibration": (0, 0)}


def course(train, val, spreads, changes=None, *, learning_rate=0.01, scores=GUESSED, penalties=(), **changed):
    return run(
        **GUESSING
        | {
            "history": history(train_loss=train, val_loss=val, spreads=spreads, changes=changes, penalties=penalties),
            "evaluation": scores,
            "learning_rate": learning_rate,
        }
        | changed
    )


TOO_HIGH = {
    "collapsed, at ln K from the first epoch on": course((2.33, *FLAT[1:]), FLAT, DEAD),
    "collapsed, creeping down as the shares of the classes are learned": course(
        (2.32, 2.31, 2.308, 2.307, 2.306, 2.305), (2.31, 2.308, 2.307, 2.306, 2.305, 2.304), DEAD
    ),
    "collapsed after one huge step": course((53.0, 2.34, 2.31, 2.31, 2.31, 2.31), (2.34, *FLAT[1:]), DEAD),
    "collapsed, the biases run about": course(
        (2.41, 2.44, 2.42, 2.56, 2.43, 2.4), (2.5, 2.4, 2.5, 2.4, 2.5, 2.4), DEAD
    ),
    "collapsed late": course(
        (2.2, 1.6, 1.2, 2.4, 2.31, 2.31), (1.9, 1.4, 1.1, 2.31, 2.31, 2.31), (0.03, 1.2, 2.1, 3.0, 0.0, 0.0, 0.0)
    ),
    "collapsed in its only epoch": course((2.9,), (2.303,), (0.03, 0.0)),
    "collapsed but for rounding": course(FLAT, FLAT, (0.03, 3e-5, 8e-7, 3e-8, 0.0, 1e-9, 2e-9)),
    "two classes, collapsed": course(
        (0.72, 0.693, 0.693),
        (0.693, 0.693, 0.693),
        (0.03, 0.0, 0.0, 0.0),
        scores=evaluation([[100, 0], [100, 0]]),
        class_counts=dict.fromkeys(("train", "validation", "calibration", "test"), (100, 100)),
    ),
    "always the majority, collapsed": course(
        (0.4, 0.31, 0.31),
        (0.31, 0.305, 0.305),
        (0.03, 0.0, 0.0, 0.0),
        scores=evaluation([[400, 0], [40, 0]]),
        class_counts=MAJORITY,
    ),
    "label smoothing, collapsed": course(FLAT, FLAT, DEAD, label_smoothing=0.3),
    "batch normalization hides the explosion from the training loss": course(
        (2.38, 1.84, 1.76, 1.48, 1.32, 1.11),
        (5829.0, 283.0, 210.0, 172.0, 15.2, 18.0),
        (0.6, 1900, 160, 79, 22, 25, 29),
    ),
    "a huge first step, then too large ones": course(
        (6.3, 2.30, 2.25, 2.16, 2.09, 1.83), (2.30, 2.28, 2.27, 2.08, 2.47, 3.02), ALIVE, MOVED, scores=HALF
    ),
}
UNSTABLE = {
    "the training loss rises again": course(
        (2.29, 2.16, 1.65, 1.72, 1.72, 1.80), (2.45, 1.66, 1.39, 1.68, 1.63, 1.71), ALIVE, MOVED, scores=HALF
    ),
    "nothing learned, the outputs nearly collapsed": course(
        (2.307, 2.303, 2.302, 2.303, 2.302, 2.302),
        (2.302, 2.302, 2.302, 2.302, 2.301, 2.3),
        (0.0038, 2.3e-4, 2.5e-4, 4.3e-4, 1.7e-4, 5e-4, 1.7e-3),
        MOVED,
    ),
    "the outputs nearly collapsed": course(
        (2.307, 2.304, 2.257, 1.999, 1.83, 1.782),
        (2.303, 2.299, 2.166, 1.86, 1.825, 1.732),
        (0.014, 0.0008, 0.043, 2.1, 3.0, 3.1, 5.9),
        MOVED,
        scores=HALF,
    ),
    "the validation loss jumps": course(
        (2.8, 2.3, 2.2, 1.83, 1.71, 1.47), (2.33, 2.39, 2.04, 2.0, 1.53, 2.88), ALIVE, MOVED, scores=HALF
    ),
}
TOO_LOW = {
    "unmoved": course(FLAT, FLAT, ALIVE, UNMOVED, learning_rate=1e-6),
    "unmoved, two epochs": course(FLAT[:2], FLAT[:2], ALIVE[:3], UNMOVED[:3], learning_rate=1e-6),
    "unmoved, one answer to all images all the same": course(FLAT, FLAT, ALIVE, UNMOVED, learning_rate=1e-5),
}
SLOW = {
    "falling in a straight line": course(
        (2.307, 2.294, 2.285, 2.276, 2.267, 2.258), (2.297, 2.282, 2.27, 2.259, 2.248, 2.234), ALIVE, MOVED
    ),
    "next to nothing, smoothly, and better than guessing all the same": course(
        (2.332, 2.316, 2.308, 2.304, 2.3, 2.298), (2.326, 2.312, 2.304, 2.299, 2.297, 2.295), ALIVE, MOVED, scores=HALF
    ),
    "the shares of the classes, and no more": course(
        (2.342, 2.324, 2.315, 2.313, 2.308, 2.306), (2.333, 2.321, 2.314, 2.31, 2.307, 2.305), ALIVE, MOVED
    ),
    "batch normalization: the validation loss follows its running statistics": course(
        (3.36, 3.32, 3.29, 3.26, 3.21, 3.19), (2.76, 2.65, 2.68, 2.73, 2.80, 2.85), (0.6,) * 7, (0.0, *[0.5] * 6)
    ),
    "penalties are not counted": course(
        (3.30, 3.28, 3.26, 3.24, 3.22, 3.20), (2.297, 2.282, 2.27, 2.259, 2.248, 2.234), ALIVE, MOVED,
        penalties=(1.0,) * 7,
    ),
}  # fmt: skip


SHORT = {
    "its first steps took the little spread away, then it began to learn": course(
        (2.3386, 2.3058, 2.3020, 2.2992), (2.3019, 2.3022, 2.3004, 2.2933), (0.019, 0.0012, 0.004, 0.009, 0.0184),
        (0.0, 0.019, 0.02, 0.02, 0.0257),
    ),
    "it has begun to learn": course(
        (2.3, 2.279, 2.261, 2.237, 2.203, 2.148), (2.281, 2.256, 2.229, 2.195, 2.139, 2.069), ALIVE, MOVED, scores=HALF
    ),
    "fast enough, and weakened so far that larger steps would kill it": course(
        (2.322, 2.301, 2.296, 2.302, 2.284, 2.261), (2.3, 2.295, 2.288, 2.287, 2.264, 2.242),
        (0.027, 0.012, 0.014, 0.021, 0.019, 0.041, 0.09), MOVED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("made", SHORT.values(), ids=SHORT)
def test_a_network_that_has_only_begun_is_advised_more_epochs(made):
    (finding,) = diagnose(made)
    assert (finding.id, finding.repair) == ("T3", f"training.epochs={2 * made.epochs}")
    assert not any("is not known" in note for note in not_assessed(made))
    assert failed_learning([finding]) is None


@pytest.mark.parametrize(
    ("made", "fault", "factor"),
    [
        *((made, "T1", 1 / 10) for made in TOO_HIGH.values()),
        *((made, "T1", 1 / 3) for made in UNSTABLE.values()),
        *((made, "T2", 10) for made in TOO_LOW.values()),
        *((made, "T2", 3) for made in SLOW.values()),
    ],
    ids=[*TOO_HIGH, *UNSTABLE, *TOO_LOW, *SLOW],
)
def test_the_first_finding_is_the_learning_rate_and_its_direction(made, fault, factor):
    finding = diagnose(made)[0]
    assert finding.id == fault
    advised = float(finding.repair.removeprefix("optimizer.learning_rate="))
    assert advised == pytest.approx(made.learning_rate * factor, rel=0.2)  # it is rounded to one digit
    assert "learning rate" in finding.title
    assert "rate" not in f"{finding.title} {finding.sentence}".replace("learning rate", "")
    assert all(math.isfinite(value) for value in finding.evidence.values())


NOT_THE_LEARNING_RATE = {
    "labels that images do not tell": course(FLAT, FLAT, ALIVE, MOVED),
    "memorizing such labels": course(
        (2.31, 2.25, 2.0, 1.5, 0.9, 0.4), (2.31, 2.33, 2.5, 3.1, 4.2, 5.5), ALIVE, (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    ),
    "very hard data, levelling off": course(
        (2.31, 2.27, 2.26, 2.255, 2.25, 2.245), (2.29, 2.27, 2.262, 2.266, 2.26, 2.262), ALIVE, MOVED, scores=HALF
    ),
    "hard data, levelling off": course(
        (2.2, 2.05, 2.0, 1.97, 1.96, 1.95), (2.15, 2.04, 2.01, 2.0, 1.99, 1.985), ALIVE, MOVED, scores=HALF
    ),
    "over-fitting on hard data": course(
        (2.1, 1.9, 1.7, 1.5, 1.3, 1.1), (2.0, 1.8, 1.7, 1.75, 1.85, 2.0), ALIVE, MOVED, scores=HALF
    ),
    "penalties that fall while nothing else does": course(
        (5.3, 4.3, 3.5, 3.0, 2.7, 2.5), FLAT, ALIVE, MOVED, penalties=(3.5, 2.5, 1.6, 0.9, 0.5, 0.3, 0.1)
    ),
    "one class": course(
        (0.01, 0.001, 0.0),
        (0.0, 0.0, 0.0),
        (0.03, 0.0, 0.0, 0.0),
        scores=evaluation([[100, 0], [0, 0]]),
        class_counts=dict.fromkeys(("train", "validation", "calibration", "test"), (100, 0)),
    ),
    "outputs that never depended on the image": course(FLAT, FLAT, (0.0,) * 7, (0.0,) * 7, learning_rate=1.0),
    "a first epoch that exploded before it was learned from": course(
        (1.6, 0.73, 0.56, 0.54, 0.56, 0.32), (14.3, 7.6, 4.8, 3.2, 2.2, 0.72), ALIVE, MOVED, scores=HALF
    ),
}


@pytest.mark.parametrize("made", NOT_THE_LEARNING_RATE.values(), ids=NOT_THE_LEARNING_RATE)
def test_what_another_cause_explains_is_not_blamed_on_the_learning_rate(made):
    assert not {"T1", "T2"} & {finding.id for finding in diagnose(made)}


@pytest.mark.parametrize("learning_rate", [1e-3, 1e-2])
@pytest.mark.parametrize(
    ("weights", "repair"),
    [
        ({"l2": 0.1}, "regularization.l2=0.001"),
        ({"l1": 0.01}, "regularization.l1=0.0001"),
        ({"l1": 0.01, "l2": 0.1}, "regularization.l1=0.0001 regularization.l2=0.001"),
    ],
)
def test_penalties_that_outweigh_the_loss_are_the_cause_of_a_collapse(weights, repair, learning_rate):
    fading = (0.03, 0.004, 7e-4, 4e-5, 2e-6, 7e-8, 3e-9)
    made = course(
        (13.0, 7.1, 4.5, 3.4, 2.8, 2.5), FLAT, fading, learning_rate=learning_rate,
        penalties=(21.0, 8.0, 3.0, 1.5, 0.7, 0.3, 0.1), **weights,
    )  # fmt: skip
    finding = diagnose(made)[0]
    assert (finding.id, finding.repair) == ("M3", repair)
    assert failed_learning(diagnose(made)) == "over-regularized"


def test_large_penalties_are_the_cause_where_the_outputs_fade_slowly():
    fading, at_once = (0.03, 0.02, 0.006, 1e-4, 0.0, 0.0, 0.0), DEAD
    found = [
        diagnose(
            course((5.7, 3.9, 2.6, 2.4, 2.3, 2.3), FLAT, spreads, l2=0.1, penalties=(4.5, 3, 1, 0.5, 0.1, 0.1, 0.1))
        )
        for spreads in (fading, at_once)
    ]
    assert [findings[0].id for findings in found] == ["M3", "T1"]


def test_modest_penalties_do_not_excuse_the_learning_rate():
    made = course((2.7, 2.4, 2.31, 2.31, 2.31, 2.31), FLAT, DEAD, l2=0.001, penalties=(0.4,) * 7)
    assert diagnose(made)[0].id == "T1"


def test_flattered_accuracy_is_a_symptom_of_a_collapse():
    (finding,) = diagnose(TOO_HIGH["always the majority, collapsed"])
    assert finding.id == "T1"


@pytest.mark.parametrize(
    ("made", "how"),
    [
        (TOO_HIGH["collapsed, at ln K from the first epoch on"], "collapsed"),
        (TOO_HIGH["batch normalization hides the explosion from the training loss"], "diverged"),
        (TOO_LOW["unmoved"], "stood still"),
        (SLOW["falling in a straight line"], "too slow"),
        (SHORT["it has begun to learn"], None),
        (NOT_THE_LEARNING_RATE["labels that images do not tell"], None),
        (NOT_THE_LEARNING_RATE["one class"], None),
        (course((2.2, 1.0, 2.4), (1.9, 1.1, 2.31), (0.03, 2.0, 0.0, 0.0), scores=HALF), None),  # its best epoch is kept
        (run(), None),
    ],
)
def test_a_run_that_learned_nothing_is_marked_by_how(made, how):
    assert failed_learning(diagnose(made)) == how


def test_that_nothing_was_learned_for_an_unknown_reason_is_said():
    (reason,) = not_assessed(NOT_THE_LEARNING_RATE["labels that images do not tell"])[:1]
    assert reason.startswith("Why the network learned nothing is not known")
    assert not any("learned nothing" in note for made in (run(), TOO_LOW["unmoved"]) for note in not_assessed(made))


def test_few_steps_do_not_blame_the_learning_rate():
    made = TOO_LOW["unmoved"]
    short = dataclasses.replace(made, history=dataclasses.replace(made.history, steps=99))
    assert diagnose(short) == ()
    assert failed_learning(diagnose(short)) is None
    assert not_assessed(short)[0].startswith("The network learned nothing in 99 steps, too few to tell")
    dead = TOO_HIGH["collapsed, at ln K from the first epoch on"]
    soon = dataclasses.replace(dead, history=dataclasses.replace(dead.history, steps=9))
    assert failed_learning(diagnose(soon)) == "collapsed"


def test_output_statistics_can_be_checked_by_hand():
    untrained = np.array([[0, 0], [0, 2], [0, 4], [0, 6], [0, 8]], np.float32)  # centred: ±0, ±1, ±2, ±3, ±4
    logits = untrained + np.array([[10, 10], [0, 0], [5, 5], [0, 0], [1, 1]], np.float32)  # what softmax ignores
    found = output_statistics(logits, untrained=untrained)
    assert (found.spread, found.change, found.top_share) == (2.0, 0.0, 0.8)


def test_a_dead_network_has_no_spread_whatever_a_few_images_get():
    logits = np.zeros((100, 10), np.float32)
    logits[:10, 3] = 1e6
    found = output_statistics(logits, untrained=np.zeros_like(logits))
    assert (found.spread, found.change, found.top_share) == (0.0, 0.0, 0.9)
