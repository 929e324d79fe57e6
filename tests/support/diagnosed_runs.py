"""What a diagnosis is made of, in a few numbers: a healthy run, of which a test changes what it is about."""

import math
from dataclasses import replace

import numpy as np

from cnnexp.diagnosis import RunEvidence
from cnnexp.records import ClassScore, EpochValues, Evaluation, History, OutputStatistics

# Ten epochs that level off, as those of a good run on the digits do.
VAL_LOSS = (0.60, 0.28, 0.17, 0.12, 0.10, 0.09, 0.085, 0.083, 0.081, 0.08)
TRAIN_LOSS = (1.00, 0.35, 0.20, 0.14, 0.10, 0.08, 0.06, 0.05, 0.045, 0.04)


def history(
    *,
    val_loss=VAL_LOSS,
    train_loss=None,
    val_accuracy=None,
    rates=None,
    stopped_early=False,
    spreads=(),
    changes=None,
    penalties=(),
):
    train_loss = train_loss or [0.9 * loss for loss in val_loss]
    val_accuracy = val_accuracy or [math.exp(-loss) for loss in val_loss]
    rates = rates or [0.001] * len(val_loss)
    epochs = tuple(
        EpochValues(epoch, train, accuracy, val, accuracy, rate, 0.1)
        for epoch, (train, val, accuracy, rate) in enumerate(
            zip(train_loss, val_loss, val_accuracy, rates, strict=True), start=1
        )
    )
    return History(
        epochs,
        1 + int(np.argmin(val_loss)),
        stopped_early,
        steps=100,
        seconds=1.0,
        outputs=tuple(
            OutputStatistics(top_share=1.0, spread=spread, change=change)
            for spread, change in zip(spreads, changes or spreads, strict=True)
        ),
        penalties=tuple(penalties),
    )


def evaluation(confusion, ece=0.01):
    confusion = np.array(confusion)
    support, right = confusion.sum(axis=1), np.diag(confusion)
    per_class = tuple(
        ClassScore(f"c{k}", int(n), None, float(r / n) if n else None, None, None)
        for k, (n, r) in enumerate(zip(support, right, strict=True))
    )
    return Evaluation({"accuracy": right.sum() / support.sum(), "ece": ece}, {}, per_class, confusion, ())


def diagonal(support, recalls):
    """A confusion matrix with these recalls; what is wrong goes to the first class, or to the second from it."""
    right = [round(n * recall) for n, recall in zip(support, recalls, strict=True)]
    confusion = np.diag(right)
    for k, (n, r) in enumerate(zip(support, right, strict=True)):
        confusion[k, 1 if k == 0 else 0] += n - r
    return confusion


def run(**changes):
    """A healthy run on balanced classes; a test changes what it is about."""
    healthy = {
        "history": history(train_loss=TRAIN_LOSS),
        "train_accuracy": 0.99,
        "train_images": 1_000,
        "val_accuracy": 0.98,
        "val_images": 200,
        "class_counts": {"train": (500, 500), "validation": (100, 100), "calibration": (60, 60), "test": (200, 200)},
        "evaluation": evaluation(diagonal([200, 200], [0.98, 0.98])),
        "confidences": np.full(400, 0.98, np.float32),
        "ece_uncalibrated": 0.02,
        "calibration_images": 120,
        "temperature": 1.2,
        "epochs": 10,
        "patience": None,
        "learning_rate": 0.001,
        "class_weight": "none",
        "sampling": "shuffled",
        "dropout": 0.0,
        "l1": 0.0,
        "l2": 0.0,
        "label_smoothing": 0.0,
        "gamma": 0.0,
        "augmentation": "none",
        "augmentation_group": "none",
        "seed": 0,
    }
    given = healthy | changes
    names = tuple(score.name for score in given["evaluation"].per_class)
    return RunEvidence(**({"class_names": names} | given))


TEN_TO_ONE = {"train": (1000, 100), "validation": (100, 10), "calibration": (60, 60), "test": (400, 40)}

# 40 of 400 right, as many as always answering one class of ten gives; ln 10 = 2.303
GUESSING = {
    "class_counts": {"train": (80,) * 10, "validation": (20,) * 10, "calibration": (12,) * 10, "test": (40,) * 10},
    "evaluation": evaluation(np.eye(10, dtype=int)[[0] * 10] * 40, ece=0.4),
    "confidences": np.full(400, 0.5, np.float32),
    "train_accuracy": 0.1,
    "val_accuracy": 0.1,
}

# Six epochs of three steps, of which each still brings much.
STILL_LEARNING = replace(history(val_loss=(2.2, 2.1, 2.0, 1.9, 1.8, 1.7)), steps=18)
