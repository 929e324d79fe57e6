"""Which class is answered: the most probable one, or, of two classes, one of them from a threshold on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """A threshold for one of two classes, what it was chosen for, and what it gives on the calibration split."""

    positive: str  # the class that is answered from the threshold on, even where the other one is more probable
    threshold: float  # of its probability, 0..1
    rule: str  # what it was chosen for: sensitivity | precision | cost
    wanted: float  # the sensitivity or precision, 0..1, or how many false alarms a missed image costs
    hits: int  # calibration images of the class that are answered so
    positives: int  # calibration images of the class
    false_alarms: int  # calibration images of the other class that are answered so
    negatives: int  # calibration images of the other class

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"a decision threshold must be at least 0 and at most 1; got {self.threshold}")


def decide(
    probabilities: NDArray[np.float32], class_names: Sequence[str], decision: Decision | None
) -> NDArray[np.int64]:
    """Return (N,) the class that is answered for each row of (N, K) probabilities; the first among equals.

    The probabilities stay what they are: a class can be answered although the other one is more probable.
    """
    if decision is None:
        most_probable: NDArray[np.int64] = probabilities.argmax(axis=1)
        return most_probable
    positive = list(class_names).index(decision.positive)
    reached = probabilities[:, positive].astype(np.float64) >= decision.threshold
    decided: NDArray[np.int64] = np.where(reached, positive, 1 - positive)
    return decided
