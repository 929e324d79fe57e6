"""Precision, recall and F1 of each class, beside the number of images they rest on."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnexp.figures import canvas
from cnnexp.figures.canvas import BLUE, INK, MUTED, RULE, SMALL_SIZE, heading, place, sheet, write_names
from cnnexp.records import ClassScore, Evaluation

MOST_ROWS = 30  # of more classes the worst are shown
ROOMY = 12  # up to this many rows stand further apart
NAME_LIMIT = 24  # letters
BARS = (
    ("precision", -0.26, "#8ecae6"),
    ("recall", 0.0, "#e69f00"),
    ("f1", 0.26, BLUE),
)  # name, place in the row, colour
BAR = 0.24  # height, as a share of the row


def per_class(evaluation: Evaluation, *, split: str) -> Figure:
    """Three bars a class and, on the right, its images; a score that is undefined has no bar.

    Up to thirty classes stand in their own order; of more, the thirty with the lowest F1.
    """
    scores = evaluation.per_class
    shown = _worst(scores)
    names = canvas.drawable([scores[index].name for index in shown], limit=NAME_LIMIT)
    chosen = [scores[index] for index in shown]
    left = 0.35 + max(canvas.width(name, SMALL_SIZE) for name in names)
    row = 0.44 if len(chosen) <= ROOMY else 0.27  # inches
    height = row * len(chosen)
    figure = sheet(left + 6.3, height + 1.55)
    bars = place(figure, left=left, bottom=0.5, width=4.3, height=height)
    images = place(figure, left=left + 4.95, bottom=0.5, width=0.95, height=height)
    _draw_scores(bars, chosen, names, row=row)
    _draw_support(images, chosen, row=row)
    _explain(figure, bars, evaluation, shown=len(chosen), split=split)
    return figure


def _worst(scores: Sequence[ClassScore]) -> list[int]:
    if len(scores) <= MOST_ROWS:
        return list(range(len(scores)))
    return sorted(range(len(scores)), key=lambda index: _known(scores[index].f1, 2.0))[:MOST_ROWS]


def _known(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _draw_scores(axes: Axes, scores: Sequence[ClassScore], names: Sequence[str], *, row: float) -> None:
    rows = np.arange(len(scores))
    for field, offset, colour in BARS:
        values = [_known(getattr(score, field), 0.0) for score in scores]
        label = "F1" if field == "f1" else field
        axes.hlines(rows + offset, 0, values, color=colour, linewidth=72 * BAR * row, label=label)
    for number, score in enumerate(scores):
        text = "–" if score.f1 is None else f"{score.f1:.3f}"
        axes.text(1.02, number, text, size=SMALL_SIZE, color=BLUE, va="center_baseline")
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.grid(axis="x", color=RULE, linewidth=0.7)
    write_names(axes, names, range(len(scores)), side="left", size=SMALL_SIZE)
    axes.set_ylim(len(scores) - 0.4, -0.6)


def _draw_support(axes: Axes, scores: Sequence[ClassScore], *, row: float) -> None:
    support = [score.support for score in scores]
    axes.hlines(range(len(scores)), 0, support, color="#c4ccd4", linewidth=72 * 0.5 * row)
    for number, count in enumerate(support):
        axes.annotate(f"{count:,}", (count, number), (4, 0), textcoords="offset points", size=SMALL_SIZE, va="center")
    axes.set_ylim(len(scores) - 0.4, -0.6)
    axes.set_xlim(0, 1.1 * max(1, *support))
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_title("images", size=SMALL_SIZE, color=MUTED, loc="left", pad=6)


def _explain(figure: Figure, axes: Axes, evaluation: Evaluation, *, shown: int, split: str) -> None:
    total = len(evaluation.per_class)
    which = f"the {shown} of {total} classes with the lowest F1" if shown < total else f"{total} classes"
    heading(figure, "Scores of each class", f"{split} split, {which}; F1 in numbers")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=3,
        frameon=False,
        fontsize=SMALL_SIZE,
        labelcolor=INK,
        handlelength=1.0,
        columnspacing=1.2,
        borderaxespad=0.2,
    )
