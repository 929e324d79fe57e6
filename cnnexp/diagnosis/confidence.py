"""How sure a finding is: as sure as its kind of evidence was right where that was counted, and no surer.

What is counted are the findings of development cases of `benchmarks/faults`, healthy ones among them, that no rule was
written by: of each kind of evidence how many findings there were, and how many of them named the fault, or of a kind
without a name its cause. Few cases say little, so that a kind is drawn towards the share of all findings together.

    python -m benchmarks.faults confidences --state FOLDER
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np


class Basis(StrEnum):
    """The kinds of evidence, those that exclude most first."""

    RECORD = "compared with the record"  # model, data or predictions asked again
    UNDONE = "undone"  # a change undone on the same images brings answers back, or covering a spot loses them
    CONFIRMED = "repaired"  # what the structure shows, its repair tried in a short training
    TRIED = "tried"  # a short training with one setting changed
    FILES = "files"  # counted in the data, whatever is trained on them
    REPRODUCED = "reproduced"  # the same change of other images makes their pixels agree
    STRUCTURE = "structure"  # of the network or its loss, before training
    NEIGHBOURS = "neighbours"  # labels or answers of the most similar images
    REFITTED = "refitted head"  # and nearest neighbours: both are still better with all images than with half
    COMPARED_LABELS = "labels against test"  # answers contradict labels, and not those of the test
    LABELS = "labels"  # answers contradict labels
    SPLITS = "splits"  # answers of two splits differ, and so do their images
    SETTINGS = "settings"  # extreme ones, of a network that learned too little
    OUTPUTS = "outputs"  # how the network's outputs and losses went where it learned next to nothing
    CURVES = "curves"  # the course of losses and accuracies
    GAP = "gap"  # of train and validation accuracy, and no more
    SCORES = "scores"  # of the classes of the test split
    PROBABILITIES = "probabilities"  # of the test split
    UNNAMED = "unnamed"  # something is wrong, whatever it is


class Counted(NamedTuple):
    """Findings of one kind of evidence."""

    right: int
    findings: int


PRIOR_FINDINGS = 4.0  # that the share of all findings counts as, beside those of the kind
# 190 runs as they were first asked: digits, Fashion-MNIST 0 to 4 and CIFAR-10 airplane to deer, `small` and `baseline`.
# 104 of 29 November 2026 without probes: 41 cases of the catalogue, 30 that were added, 33 healthy ones; of 72 findings
# 48 were right. 86 of 30 November with probes: 72 cases of the catalogue, most of settings and structure, 14 healthy
# ones; of 61 findings 57 were right.
COUNTED: dict[Basis, Counted] = {
    Basis.RECORD: Counted(2, 2),
    Basis.UNDONE: Counted(17, 18),
    Basis.CONFIRMED: Counted(7, 7),
    Basis.TRIED: Counted(30, 32),
    Basis.FILES: Counted(6, 7),
    Basis.REPRODUCED: Counted(2, 2),
    Basis.STRUCTURE: Counted(11, 11),
    Basis.NEIGHBOURS: Counted(3, 4),
    Basis.REFITTED: Counted(0, 0),
    Basis.COMPARED_LABELS: Counted(2, 2),
    Basis.LABELS: Counted(1, 6),
    Basis.SPLITS: Counted(4, 5),
    Basis.SETTINGS: Counted(4, 4),
    Basis.OUTPUTS: Counted(5, 9),
    Basis.CURVES: Counted(1, 4),
    Basis.GAP: Counted(2, 9),
    Basis.SCORES: Counted(3, 4),
    Basis.PROBABILITIES: Counted(0, 1),
    Basis.UNNAMED: Counted(5, 6),
}


def shrunken(own: Counted, everything: Counted) -> float:
    """Return the share of right findings of a kind, drawn towards that of all; of all, one more was right or wrong."""
    share = (everything.right + 1) / (everything.findings + 2)
    return (own.right + PRIOR_FINDINGS * share) / (own.findings + PRIOR_FINDINGS)


def confidence_by(basis: Basis) -> float:
    """Return how sure evidence of this kind is, 0..1."""
    everything = Counted(sum(one.right for one in COUNTED.values()), sum(one.findings for one in COUNTED.values()))
    return shrunken(COUNTED.get(basis, Counted(0, 0)), everything)


def of_likeliest(confidences: Sequence[float]) -> float:
    """Return how sure the first of several names is of which at most one is right, each by its own evidence."""
    odds = [one / (1 - one) for one in np.clip(confidences, 0.01, 0.99).tolist()]
    return float(odds[0] / (1 + sum(odds)))
