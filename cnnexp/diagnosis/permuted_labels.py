"""Cause 1b, the labels: do those of a split belong to its images at all?

The most similar images answer, by their pixels: whatever a network made of wrong labels, they are what they were.
"""

import math

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, beats_majority, exact_interval
from cnnexp.diagnosis.split_gap import differs, worse_split
from cnnexp.records import Finding

# Standard errors of the agreement of neighbours above that of permuted labels. Of labels that belong to photographs
# it is 20 and more in a thousand images, of permuted ones below 3.
AT_CHANCE = 4.0
FEWEST_IMAGES = 200  # for fewer, neighbours of correct labels may agree by chance, too
UNLIFTED = 0.05  # of the way from chance to full agreement: correct labels of hard images may agree that little
LIFTED = 0.2  # of the same way: CIFAR-10 airplane to deer has 0.24, Fashion-MNIST 0 to 4 0.72, digits 0.93
# Lift of train by that of validation, which has fewer images and so less: 0.92 and more on digits, Fashion-MNIST 0 to 4
# and CIFAR-10 airplane to deer, also with a fifth of the images or noise; 0.38 with 40 % of the training labels wrong,
# at most 0.1 with 80 % out of step.
FAR_LESS, ERRORS = 0.3, 3.0


def detect_permuted_labels(run: RunEvidence) -> Finding | None:
    """Report L3 when neighbouring images agree in their labels no more than by chance, and the network learned nothing.

    The neighbours are those of the pixels: they do not depend on a training that may have failed for another reason.
    """
    near = None if run.neighbours is None else run.neighbours.labels
    if near is None or near.images < FEWEST_IMAGES:
        return None
    if beats_majority(run.evaluation) or near.lift >= LIFTED:
        return _permuted_validation(run, near.lift) or _mostly_permuted(run)
    if near.agreement > near.chance + AT_CHANCE * near.spread or near.lift > UNLIFTED:
        return None
    learned = run.train_accuracy - run.val_accuracy
    return Finding(
        id="L3",
        cause=1,
        title="labels do not belong to the images",
        sentence=(
            f"The labels of the most similar training images agree in {near.agreement:.1%} of all pairs, and "
            f"{near.chance:.1%} would agree by chance: the labels say nothing about the images, so there is nothing "
            "that any learning rate could learn. As when images and labels were shuffled apart."
        ),
        evidence={
            "agreement_of_neighbours": near.agreement,
            "agreement_by_chance": near.chance,
            "standard_error": near.spread,
            "images": near.images,
            "train_minus_validation_accuracy": learned,
            "beats_majority": 0.0,
        },
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair="look at ten training images and their labels; read images and labels in the same order",
    )


def _mostly_permuted(run: RunEvidence) -> Finding | None:
    """Report L3 when similar training images agree far less in their labels than similar validation images do."""
    near = run.neighbours
    if near is None or near.labels is None or near.others is None or differs("validation", run):
        return None
    train, others = near.labels, near.others
    most = train.lift + ERRORS * train.spread / (1 - train.chance)
    least = others.lift - ERRORS * others.spread / (1 - others.chance)
    if others.images < FEWEST_IMAGES or least <= 0 or most > FAR_LESS * least:
        return None
    right = math.sqrt(max(train.lift, 0.0) / others.lift)
    return Finding(
        id="L3",
        cause=1,
        title="labels do not belong to the training images",
        sentence=(
            f"The labels of the most similar training images agree in {train.agreement:.1%} of all pairs, where "
            f"{train.chance:.1%} would by chance; those of the validation images, of which there are fewer, in "
            f"{others.agreement:.1%}. So at most about {right:.0%} of the training labels belong to their images, "
            f"as where most were moved by some places. {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={
            "agreement_of_train": train.agreement,
            "agreement_of_validation": others.agreement,
            "agreement_by_chance": train.chance,
        },
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair="look at ten training images and their labels; read images and labels in the same order",
    )


def _permuted_validation(run: RunEvidence, lift: float) -> Finding | None:
    """Report L3 when labels of training images belong to them, and those of validation do not."""
    near, counts = run.neighbours, np.array(run.class_counts["validation"])
    if near is None or lift < LIFTED or near.answered < FEWEST_IMAGES / 2:
        return None
    chance = float(counts.max() / max(counts.sum(), 1))
    low, high = (float(bound) for bound in exact_interval(near.accuracy, near.answered))
    gap = worse_split(run)
    if low > chance or high > chance + lift * (1 - chance) / 2 or gap is None or gap.worse != "validation":
        return None
    return Finding(
        id="L3",
        cause=1,
        title="labels do not belong to the validation images",
        sentence=(
            f"The most similar training images answer {near.accuracy:.1%} of the validation images (99 % interval "
            f"{low:.1%} to {high:.1%}), and always answering the most common class {chance:.1%}, although labels "
            f"of similar training images agree. Test is {100 * gap.gap:.1f} points better: the labels of validation do "
            "not belong to its images, and the epoch was chosen by them."
        ),
        evidence={"accuracy_of_neighbours": near.accuracy, "chance": chance, "gap": gap.gap},
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair="look at ten validation images and their labels; read images and labels in the same order",
    )
