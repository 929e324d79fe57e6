"""Two models on the same images: confusion matrices, their difference, and the images that only one gets right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.same_images import aligned, correct
from cnnexp.records import Labels, RecordedPredictions, RunSummary
from cnnexp.report.matrix import confusion_matrix, difference_matrix

_IMAGES_LISTED = 24


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An image that one model gets right and the other does not."""

    file: str
    true: str
    predicted: str  # by the model that is wrong
    confidence: float  # of the wrong answer, 0..1


@dataclass(frozen=True, slots=True)
class SideBySide:
    """A model beside the reference model, ready for the page."""

    titles: tuple[str, str]  # of the reference, of the other
    matrices: tuple[str, str, str]  # SVG: reference, other, other minus reference
    only_reference: tuple[Disagreement, ...]  # the most confident wrong answers first, at most 24
    only_other: tuple[Disagreement, ...]
    counts: tuple[int, int]  # of all images that only the reference gets right, only the other


def side_by_side(reference: RunSummary, other: RunSummary, *, titles: tuple[str, str]) -> SideBySide | None:
    """Compare the predictions of two runs; None where one of them has none."""
    first, second = reference.read_predictions(), other.read_predictions()
    if first is None or second is None:
        return None
    both = (first, aligned(first, second))
    confusions = [_confusion(first.labels, each.predicted, len(first.class_names)) for each in both]
    is_correct = [correct(first.labels, each.predicted) for each in both]
    only = (is_correct[0] & ~is_correct[1], is_correct[1] & ~is_correct[0])
    names = first.class_names
    return SideBySide(
        titles=titles,
        matrices=(
            confusion_matrix(confusions[0], names, titles[0]),
            confusion_matrix(confusions[1], names, titles[1]),
            difference_matrix(confusions[1] - confusions[0], names),
        ),
        only_reference=_disagreements(only[0], first.files, first.labels, both[1], names),
        only_other=_disagreements(only[1], first.files, first.labels, both[0], names),
        counts=(int(only[0].sum()), int(only[1].sum())),
    )


def _confusion(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int64]:
    cells = labels * classes + predicted
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def _disagreements(
    chosen: NDArray[np.bool_], files: Sequence[str], labels: Labels, wrong: RecordedPredictions, names: Sequence[str]
) -> tuple[Disagreement, ...]:
    answers = wrong.predicted
    confidence = wrong.probabilities[np.arange(len(answers)), answers]
    indices = sorted(map(int, np.flatnonzero(chosen)), key=lambda index: -float(confidence[index]))[:_IMAGES_LISTED]
    return tuple(Disagreement(files[i], names[labels[i]], names[answers[i]], float(confidence[i])) for i in indices)
