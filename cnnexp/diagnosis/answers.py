"""What a network answers to the images of a split, and how its mistakes depend on how sure it is.

A mistake of a network that has learned its classes is a hard image: the network is less sure of it than of others, and
the label is its second choice. A wrong label looks like any other image: the network is as sure of its answer, and the
label is any class. That tells the two apart without knowing which labels are wrong.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.intervals import exact_interval
from cnnexp.records import Labels, Probabilities

SURE = 0.5  # share of the images, those of the surest answers


@dataclass(frozen=True, slots=True)
class Answers:
    """Entry i of both is the same image of a split."""

    labels: Labels  # (N,)
    probabilities: Probabilities  # (N, K) of the network as it is saved

    @property
    def predicted(self) -> Labels:
        """The most probable class (N,)."""
        best: Labels = self.probabilities.argmax(axis=1)
        return best

    @property
    def accuracy(self) -> float:
        """Share of correct answers, 0..1."""
        return float((self.predicted == self.labels).mean())

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Images (K, K), row = label, column = answer."""
        counts = np.zeros((self.probabilities.shape[1],) * 2, np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts


def surest(answers: Answers, rows: NDArray[np.int64], *, share: float = SURE) -> NDArray[np.int64]:
    """Return those of the rows (n,) whose answers are the surest, at least one, the surest first."""
    order = rows[np.argsort(-answers.probabilities[rows].max(axis=1), kind="stable")]
    return order[: max(1, round(share * len(order)))]


def implausible_share(answers: Answers, rows: NDArray[np.int64]) -> tuple[float, float, float]:
    """Return an estimate of the share of labels that have nothing to do with the image, with its 99 % interval.

    Of random labels of K classes, all but the network's answer are equally frequent, so that the less plausible half of
    the classes gets its part of them. Of correct labels they get next to none. Needs three classes.
    """
    own = answers.probabilities[rows, answers.labels[rows]]
    rank = (answers.probabilities[rows] > own[:, None]).sum(axis=1)  # 0: it is the answer
    classes = answers.probabilities.shape[1]
    half = classes // 2
    share, factor = float((rank >= classes - half).mean()), (classes - 1) / half
    low, high = exact_interval(share, len(rows))
    return share * factor, float(low) * factor, float(high) * factor


def lifted(accuracy: float, answers: Answers) -> float:
    """Return how far an accuracy is on the way from the most common label of these images to all correct."""
    common = float(np.bincount(answers.labels).max() / len(answers.labels))
    return (accuracy - common) / (1 - common) if common < 1 else 0.0
