"""The confusion matrix: what each class was taken for."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cnnexp.figures import canvas
from cnnexp.figures.canvas import INK, MUTED, RULE, SMALL_SIZE, TEXT_SIZE, heading, place, sheet, write_names
from cnnexp.records import Evaluation
from cnnexp.system.text import plural

SIDES = (2.6, 7.0)  # inches of the matrix: at least, at most
CELL = 0.56  # inches of a cell where there is room
SMALLEST_TEXT = 6.5  # points; a smaller number in a cell cannot be read
NAME_LIMIT = 18  # letters
MOST_RULED = 30  # classes; of more, rules between the cells would be all one sees
HEAD = 1.0  # inches above the matrix

CORRECT = colormaps["Blues"]
MISTAKEN = colormaps["Oranges"]


def confusion_matrix(evaluation: Evaluation, *, normalized: bool, split: str) -> Figure:
    """Rows are true classes, columns predicted ones; right answers are blue, mistakes orange.

    Cells hold counts or, `normalized`, the percentage of their row, where they are large enough to be read. The
    shade follows the square root of the value, so that one mistake in a hundred is seen.
    """
    counts = evaluation.confusion
    values = _row_shares(counts) if normalized else counts.astype(float)
    top = 1.0 if normalized else max(1.0, float(counts.max()))
    names = canvas.drawable([score.name for score in evaluation.per_class], limit=NAME_LIMIT)

    side = float(np.clip(CELL * len(names), *SIDES))
    texts = _cell_texts(values, normalized=normalized)
    text_size = _text_size(texts, side / len(names))
    step = _label_step(side / len(names))
    label_size = min(TEXT_SIZE, max(SMALLEST_TEXT, 0.8 * 72 * step * side / len(names)))
    margin = max(canvas.width(name, label_size) for name in names[::step])

    flat = margin <= side / len(names)
    left, bottom = 0.55 + margin, 0.6 + (label_size / 72 if flat else 0.75 * margin)
    right = 0.3 if text_size else 1.35
    figure = sheet(max(left + side + right, 4.9), bottom + side + HEAD)
    axes = place(figure, left=left, bottom=bottom, width=side, height=side)
    _paint(axes, np.sqrt(values / top))
    _name_axes(axes, names, step=step, size=label_size, flat=flat)
    _title_axes(axes, left=left, bottom=bottom, side=side)
    if text_size:
        _write_cells(axes, texts, np.sqrt(values / top), size=text_size)
    else:
        _legend(figure, left=left + side + 0.25, bottom=bottom, top=top, normalized=normalized)
    heading(figure, _title(normalized), *_summary(evaluation, names, split), family=canvas.families())
    return figure


def _row_shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    totals = counts.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    return shares


def _cell_texts(values: NDArray[np.float64], *, normalized: bool) -> list[list[str]]:
    """Percentages or counts; nothing where there is nothing, so that mistakes stand out."""

    def text(value: float) -> str:
        if not value > 0:  # NaN too: the class has no image
            return ""
        if not normalized:
            return f"{value:.0f}"
        return "<1" if value < 0.005 else f"{100 * value:.0f}"

    return [[text(value) for value in row] for row in values]


def _text_size(texts: list[list[str]], cell: float) -> float:
    """Points for the longest text to fit a cell of that many inches; 0 if it could not be read."""
    longest = max(len(text) for row in texts for text in row)
    size = min(10.0, 0.85 * cell * 72 / (0.62 * max(2, longest)))
    return size if size >= SMALLEST_TEXT else 0.0


def _label_step(cell: float) -> int:
    """Name every class, or only every fifth, tenth, ... where names would overlap."""
    needed = 1.2 * SMALLEST_TEXT / (72 * cell)
    return next(step for step in (1, 5, 10, 20, 50, 100, 500, 10**9) if step >= needed)


def _paint(axes: Axes, shades: NDArray[np.float64]) -> None:
    diagonal = np.eye(len(shades), dtype=bool)[..., None]
    colours = np.where(diagonal, CORRECT(0.95 * shades), MISTAKEN(0.9 * shades))
    colours[shades == 0] = 1.0
    colours[np.isnan(shades)] = (0.94, 0.94, 0.94, 1.0)
    if len(shades) <= MOST_RULED:
        edges = np.arange(len(shades) + 1) - 0.5
        axes.pcolormesh(edges, edges, colours, edgecolors=RULE, linewidth=0.6)
        axes.set_ylim(edges[-1], edges[0])
    else:
        axes.imshow(colours, interpolation="nearest", aspect="equal")
    axes.spines[:].set_visible(True)


def _name_axes(axes: Axes, names: Sequence[str], *, step: int, size: float, flat: bool) -> None:
    places = range(0, len(names), step)
    write_names(axes, names[::step], places, side="left", size=size)
    write_names(axes, names[::step], places, side="below", size=size, slanted=not flat)
    if step > 1:
        axes.set_xticks(places, [""] * len(places))
        axes.set_yticks(places, [""] * len(places))
        axes.tick_params(length=3)


def _title_axes(axes: Axes, *, left: float, bottom: float, side: float) -> None:
    """Say what rows and columns are, at the edges of the paper; all in inches."""
    axes.set_xlabel("predicted class", size=TEXT_SIZE, color=MUTED)
    axes.set_ylabel("true class", size=TEXT_SIZE, color=MUTED)
    axes.xaxis.set_label_coords(0.5, (0.35 - bottom) / side)
    axes.yaxis.set_label_coords((0.35 - left) / side, 0.5)


def _write_cells(axes: Axes, texts: list[list[str]], shades: NDArray[np.float64], *, size: float) -> None:
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            if text:
                colour = "white" if shades[row, column] > 0.75 else INK
                axes.text(column, row, text, size=size, color=colour, ha="center", va="center_baseline")


def _legend(figure: Figure, *, left: float, bottom: float, top: float, normalized: bool) -> None:
    """Two strips of shades, for matrices whose cells are too small for numbers."""
    ramp = np.linspace(0, 1, 128)[:, None]
    ticks = (
        np.array([0, 0.05, 0.25, 0.5, 1.0]) * top
        if normalized
        else np.unique(np.round(top * np.linspace(0, 1, 5) ** 2))
    )
    for number, (colours, word) in enumerate(((CORRECT(0.95 * ramp), "right"), (MISTAKEN(0.9 * ramp), "wrong"))):
        strip = place(figure, left=left + 0.45 * number, bottom=bottom + 0.3, width=0.16, height=2.2)
        strip.imshow(colours, aspect="auto", origin="lower", extent=(0, 1, 0, 1))
        strip.set_title(word, size=SMALL_SIZE, color=MUTED, pad=5)
        strip.set_xticks([])
        labels = [f"{100 * tick:.0f} %" if normalized else f"{tick:.0f}" for tick in ticks]
        strip.set_yticks(np.sqrt(ticks / top), labels if number else [])
        strip.yaxis.tick_right()


def _title(normalized: bool) -> str:
    return "Confusion matrix, percent of each true class" if normalized else "Confusion matrix, images"


def _summary(evaluation: Evaluation, names: Sequence[str], split: str) -> list[str]:
    counts = evaluation.confusion
    total, correct = int(counts.sum()), int(np.trace(counts))
    lines = [f"{split} split: {correct:,} of {plural(total, 'image')} right, accuracy {correct / max(total, 1):.3f}"]
    if "accuracy" in evaluation.intervals:
        low, high = evaluation.intervals["accuracy"]
        lines[0] += f" ({low:.3f} to {high:.3f})"
    mistakes = np.where(np.eye(len(counts), dtype=bool), 0, counts)
    worst = [divmod(int(flat), len(counts)) for flat in np.argsort(-mistakes, axis=None, kind="stable")[:3]]
    named = [
        f"{names[true]} as {names[taken]} ({counts[true, taken]})" for true, taken in worst if mistakes[true, taken]
    ]
    while len(named) > 1 and sum(map(len, named)) > 52:
        named.pop()
    return [*lines, f"most often mistaken: {', '.join(named)}" if named else "no mistakes"]
