"""Cause 1b, the labels: are some of them wrong at random?

Asked of the training images, because labels are wrong where a network learns from them. A network in inference mode is
better on its training images than on others, or as good: where it is worse, their labels contradict what it has learned
from them.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.answers import Answers, implausible_share, lifted, surest
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval
from cnnexp.diagnosis.flipped_pair import ALONE, FEWEST_ANSWERS, INDEPENDENT, Flip, flipped_pair, pair_shares
from cnnexp.diagnosis.split_gap import accuracy_difference
from cnnexp.records import Finding

# Of the surest quarter of the answers. Networks that learned their classes leave at most 0.04 of them to classes
# that they find implausible, noise of 10 % leaves 0.06 and more.
SUREST = 0.25
LEAST_NOISE = 0.05
SURELY = 0.025  # low end of its 99 % interval
SURELY_COMPARED = 0.01  # the same where test images, too, say that it is the labels
EXPLAINED = 0.9  # share of the surest answers that are correct or contradicted by an implausible label: no others are
LEARNED = 0.4  # of the way from chance to all correct: below, a network's surest answers are not sure


def detect_label_noise(run: RunEvidence) -> Finding | None:
    """Report L1 when the network is sure of answers that the labels of training images contradict at random."""
    train, test = run.answers.get("train"), run.answers.get("test")
    if train is None or test is None:
        return None
    if train.probabilities.shape[1] < 3:
        return _of_two_classes(run, train, test)
    rows, (noise, low, high) = random_labels(train, apart_from=flipped_pair(train, test))
    gap, gap_low, _ = accuracy_difference(run, "test", "train")
    compared = gap_low > 0
    if noise < LEAST_NOISE or low < (SURELY_COMPARED if compared else SURELY):
        return None
    correct = float((train.predicted == train.labels)[rows].mean())
    if not compared and (correct + noise < EXPLAINED or lifted(run.val_accuracy, train) < LEARNED):
        return None
    seen = (
        f" It answers {gap * 100:.1f} points more of the test images as labelled, which it has never seen."
        if compared
        else ""
    )
    basis = Basis.COMPARED_LABELS if compared else Basis.LABELS
    return Finding(
        id="L1",
        cause=1,
        title="wrong labels",
        sentence=(
            f"Many training labels are wrong: of the quarter of the training images that the network is surest of, "
            f"{1 - correct:.1%} have another label, and labels that it finds least plausible are as frequent as if "
            f"{min(noise, 1):.0%} of all labels had been drawn at random (99 % interval {low:.0%} to "
            f"{min(high, 1):.0%}).{seen}"
        ),
        evidence={
            "noise": noise,
            "noise_low": low,
            "noise_high": high,
            "contradicted_surest": 1 - correct,
            "train_accuracy": run.train_accuracy,
            "test_accuracy": run.evaluation.metrics["accuracy"],
        },
        confidence=confidence_by(basis),
        basis=basis,
        repair="look through the images that cnnexp check-data --labels lists, and correct their labels",
    )


def _of_two_classes(run: RunEvidence, train: Answers, test: Answers) -> Finding | None:
    """Report L1 where the surest answers are contradicted both ways, and those to test images, never seen, are not.

    Of two classes no label is less plausible than the other one, so that the test images have to tell.
    """
    own, other = pair_shares(train), pair_shares(test)
    wrong, unsure, unseen = (np.array([shares[0, 1], shares[1, 0]]) for shares in (own.sure, own.unsure, other.sure))
    if min(own.counts.min(), other.counts.min()) < FEWEST_ANSWERS or wrong.min() < LEAST_NOISE:
        return None
    gap, low, high = combination_interval(
        [0.5, 0.5, -0.5, -0.5], np.concatenate([wrong, unseen]), np.concatenate([own.counts, other.counts])
    )
    flat = bool((wrong >= INDEPENDENT * unsure).all())
    if not flat or low < SURELY or bool((unseen > ALONE * wrong).any()):
        return None
    return Finding(
        id="L1",
        cause=1,
        title="wrong labels",
        sentence=(
            f"Many training labels are wrong: of the surer half of the answers to training images {wrong.mean():.1%} "
            f"have the other label, and of those to test images {unseen.mean():.1%} ({100 * gap:.1f} points apart, "
            f"99 % interval {100 * low:.1f} to {100 * high:.1f}), although these were never seen."
        ),
        evidence={"noise": gap, "noise_low": low, "noise_high": high, "train_accuracy": run.train_accuracy},
        confidence=confidence_by(Basis.COMPARED_LABELS),
        basis=Basis.COMPARED_LABELS,
        repair="look through the images that cnnexp check-data --labels lists, and correct their labels",
    )


def random_labels(train: Answers, *, apart_from: Flip | None) -> tuple[NDArray[np.int64], tuple[float, float, float]]:
    """Return the rows of the surest answers, and the share of random labels among them with its interval."""
    rows = surest(train, np.arange(len(train.labels)), share=SUREST)
    if apart_from is not None:
        flips = (train.predicted[rows] == apart_from.true) & (train.labels[rows] == apart_from.labelled)
        rows = rows[~flips]
    return rows, implausible_share(train, rows)
