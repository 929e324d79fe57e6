"""Confusion matrices as SVG: counts, and the difference of two."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.report.svg import element, picture, text, tooltip

_SIDE, _LEFT, _TOP = 330.0, 74.0, 34.0  # pixels: the drawing, and where the matrix begins in it
_BLUE, _GREEN, _RED = "0,114,178", "0,121,92", "179,38,30"
_MOST_NUMBERED = 15  # classes; of more, colours alone, and no cell where there is nothing


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
        for i, j in _cells(values)
    ]
    side = cell * len(names)
    parts.append(element("rect", x=_LEFT, y=_TOP, width=side, height=side, class_="cell", fill="none"))
    return picture(_SIDE, _SIDE + 24, *parts, label=title)


def _cells(values: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return row and column of each cell that is drawn: of a large matrix, which is mostly empty, only the others."""
    drawn = values != 0 if len(values) > _MOST_NUMBERED else np.ones(values.shape, bool)
    return [(int(row), int(column)) for row, column in np.argwhere(drawn)]


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
