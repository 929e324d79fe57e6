"""Two models on the same images: confusion matrices, their difference, and the images that only one gets right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.same_images import aligned, correct
from cnnexp.records import Labels, Probabilities, RunSummary
from cnnexp.report.svg import element, picture, text, tooltip

_SIDE, _LEFT, _TOP = 330.0, 74.0, 34.0  # pixels: the drawing, and where the matrix begins in it
_BLUE, _GREEN, _RED = "0,114,178", "0,121,92", "179,38,30"
_MOST_NUMBERED = 15  # classes; of more, colours alone
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
    probabilities = (first.probabilities, aligned(first, second))
    confusions = [_confusion(first.labels, each) for each in probabilities]
    is_correct = [correct(first.labels, each) for each in probabilities]
    only = (is_correct[0] & ~is_correct[1], is_correct[1] & ~is_correct[0])
    names = first.class_names
    return SideBySide(
        titles=titles,
        matrices=(
            confusion_matrix(confusions[0], names, titles[0]),
            confusion_matrix(confusions[1], names, titles[1]),
            difference_matrix(confusions[1] - confusions[0], names),
        ),
        only_reference=_disagreements(only[0], first.files, first.labels, probabilities[1], names),
        only_other=_disagreements(only[1], first.files, first.labels, probabilities[0], names),
        counts=(int(only[0].sum()), int(only[1].sum())),
    )


def _confusion(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    classes = probabilities.shape[1]
    cells = labels * classes + probabilities.argmax(axis=1)
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


def _disagreements(
    chosen: NDArray[np.bool_], files: Sequence[str], labels: Labels, wrong: Probabilities, names: Sequence[str]
) -> tuple[Disagreement, ...]:
    confidence = wrong.max(axis=1)
    indices = sorted(map(int, np.flatnonzero(chosen)), key=lambda index: -float(confidence[index]))[:_IMAGES_LISTED]
    return tuple(
        Disagreement(files[i], names[labels[i]], names[int(wrong[i].argmax())], float(confidence[i])) for i in indices
    )


def confusion_matrix(counts: NDArray[np.int64], names: Sequence[str], title: str) -> str:
    """Counts (K, K), row = true class, coloured by their share of the row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return _matrix(counts, names, title, shades=shares, hues=np.full(counts.shape, _BLUE), signed=False)


def difference_matrix(difference: NDArray[np.int64], names: Sequence[str]) -> str:
    """Other minus reference (K, K): green where the other does better, red where it does worse.

    On the diagonal more is better, elsewhere less.
    """
    better = np.where(np.eye(len(names), dtype=bool), difference, -difference)
    size = np.abs(difference) / max(1, int(np.abs(difference).max()))
    shades = np.where(difference == 0, 0.0, 0.15 + 0.75 * size)
    hues = np.where(better > 0, _GREEN, _RED)
    return _matrix(difference, names, "difference: right minus left", shades=shades, hues=hues, signed=True)


def _matrix(
    values: NDArray[np.int64],
    names: Sequence[str],
    title: str,
    *,
    shades: NDArray[np.float64],
    hues: NDArray[np.str_],
    signed: bool,
) -> str:
    cell = (_SIDE - 80) / len(names)
    parts = [text(_LEFT, 14, title if len(title) <= 44 else f"{title[:43]}…", class_="title")]
    if len(names) <= _MOST_NUMBERED:
        parts += [_class_names(index, name, cell, len(names)) for index, name in enumerate(names)]
    parts += [
        _cell(
            f"{values[i, j]:+d}" if signed else str(values[i, j]),
            f"true {names[i]}, predicted {names[j]}",
            (_LEFT + j * cell, _TOP + i * cell, cell),
            hue=str(hues[i, j]),
            shade=float(shades[i, j]),
        )
        for i in range(len(names))
        for j in range(len(names))
    ]
    return picture(_SIDE, _SIDE + 24, *parts, label=title)


def _class_names(index: int, name: str, cell: float, classes: int) -> str:
    middle, below = (index + 0.5) * cell, _TOP + classes * cell + 12
    turned = f"rotate(-40 {_LEFT + middle:.1f} {below:.1f})"
    return text(_LEFT - 6, _TOP + middle + 4, _cut(name), text_anchor="end", class_="tick") + text(
        _LEFT + middle, below, _cut(name), text_anchor="end", class_="tick", transform=turned
    )


def _cell(value: str, title: str, place: tuple[float, float, float], *, hue: str, shade: float) -> str:
    x, y, side = place
    color = f"rgba({hue},{shade:.3f})"
    drawn = element("rect", tooltip(f"{title}: {value}"), x=x, y=y, width=side, height=side, fill=color, class_="cell")
    if shade == 0 or side < (_SIDE - 80) / _MOST_NUMBERED:
        return drawn
    ink = "light" if shade > 0.55 else "count"
    return drawn + text(x + side / 2, y + side / 2 + 3.5, value, text_anchor="middle", class_=ink)


def _cut(name: str) -> str:
    return name if len(name) <= 10 else f"{name[:9]}…"
