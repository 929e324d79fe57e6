"""How a class does among the test images of the run: what a single image of it may expect."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnexp.records import Labels

MOST_CONFUSED = 3  # classes that are named


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """One row of a confusion matrix, and the column of the same class."""

    name: str
    images: int  # of this class, in the test split
    recall: float | None  # share of them that were answered right, 0..1; None: there are none
    confused_with: tuple[tuple[str, int], ...]  # answers that were wrong, the most frequent first
    answered: int  # images that were answered with this class
    answered_right: int


def class_record(name: str, class_names: Sequence[str], labels: Labels, predicted: Labels) -> ClassRecord:
    """Return the record of a class among images with labels (N,) and answers (N,)."""
    place = list(class_names).index(name)
    answers = np.bincount(predicted[labels == place], minlength=len(class_names))
    count = int(answers.sum())
    order = [other for other in np.argsort(-answers, kind="stable").tolist() if other != place and answers[other]]
    return ClassRecord(
        name=name,
        images=count,
        recall=float(answers[place] / count) if count else None,
        confused_with=tuple((class_names[other], int(answers[other])) for other in order[:MOST_CONFUSED]),
        answered=int((predicted == place).sum()),
        answered_right=int(answers[place]),
    )
