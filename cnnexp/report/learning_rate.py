"""The curve of a learning rate range test: in the terminal, as SVG, and as a page."""

import math
from collections.abc import Iterator
from itertools import groupby

import numpy as np
from markupsafe import Markup
from rich.console import Console
from rich.text import Text

from cnnexp.records import FoundLearningRate, LearningRateCurve
from cnnexp.report import svg
from cnnexp.report.pages import template
from cnnexp.system.text import plural

_ROWS, _MOST_COLUMNS, _AXIS = 10, 70, 8  # characters
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 720.0, 320.0, 56.0, 708.0, 34.0, 276.0  # pixels
_ABOVE = 1.3  # times the first smoothed loss: what is higher is not drawn


def print_found(console: Console, found: FoundLearningRate, *, about: str) -> None:
    """Print the curve, what it says, and the setting to type."""
    console.print(Text(about, style="title"))
    for line in terminal_curve(found.curve, columns=min(_MOST_COLUMNS, console.width - _AXIS - 4)):
        console.print(Text(f"  {line}"), soft_wrap=True)
    console.print(Text(f"  {summary(found.curve)}"))
    console.print()
    suggested = Text.assemble(("suggested  ", "label"), (setting(found), "best"), scaling_note(found))
    console.print(suggested, soft_wrap=True)


def setting(found: FoundLearningRate) -> str:
    """Return the override that sets the rate."""
    return f"optimizer.learning_rate={found.learning_rate:g}"


def scaling_note(found: FoundLearningRate) -> str:
    """Say what batch scaling makes of the setting; empty where there is none."""
    used = f"{found.curve.suggestion:.2g}"
    return "" if used == f"{found.learning_rate:.2g}" else f", which batch scaling makes {used}"


def summary(curve: LearningRateCurve) -> str:
    """Say where the loss was lowest, and how far it fell."""
    if not curve.losses:
        return "The loss was not finite at the lowest rate."
    lowest = int(np.argmin(curve.smoothed))
    return (
        f"{plural(len(curve.losses), 'step')}; the smoothed loss begins at {curve.smoothed[0]:.3g} and is lowest, "
        f"{curve.smoothed[lowest]:.3g}, at a rate of {curve.learning_rates[lowest]:.2g}; suggested is a tenth of it."
    )


def terminal_curve(curve: LearningRateCurve, *, columns: int) -> Iterator[str]:
    """Yield the lines of a plot of the smoothed loss over the logarithm of the rate."""
    if len(curve.losses) < 2:
        return
    low, high = _range(curve)
    heights = _heights(curve, columns)
    marked = _column(curve, curve.suggestion, columns)
    for row in range(_ROWS):
        upper = high - row * (high - low) / (_ROWS - 1)
        label = f"{upper:.3g}" if row in (0, _ROWS - 1) else ""
        dots = [_mark(height == row, column == marked) for column, height in enumerate(heights)]
        yield f"{label:>{_AXIS}} {''.join(dots)}".rstrip()
    first, last = (f"{curve.learning_rates[place]:.1g}" for place in (0, -1))
    middle = f"{curve.suggestion:.2g}".center(max(columns - len(first) - len(last), 0)) if columns < 20 else ""
    line = first + middle.ljust(columns - len(first) - len(last)) + last
    yield f"{'rate':>{_AXIS}} {line}"


def _mark(is_loss: bool, is_suggestion: bool) -> str:
    return "•" if is_loss else "│" if is_suggestion else " "


def _heights(curve: LearningRateCurve, columns: int) -> list[int | None]:
    """Return the row of the smoothed loss in each column; None: it is above the plot."""
    low, high = _range(curve)
    places = np.linspace(0, len(curve.losses) - 1, columns).round().astype(int)
    shares = [(high - curve.smoothed[place]) / (high - low) for place in places]
    return [round(share * (_ROWS - 1)) if share >= 0 else None for share in shares]


def _range(curve: LearningRateCurve) -> tuple[float, float]:
    low = min(curve.smoothed)
    return low, max(min(max(curve.smoothed), _ABOVE * curve.smoothed[0]), low + 1e-9)


def _column(curve: LearningRateCurve, rate: float, columns: int) -> int:
    first, last = math.log10(curve.learning_rates[0]), math.log10(curve.learning_rates[-1])
    return round((math.log10(rate) - first) / (last - first) * (columns - 1))


def rate_chart(curve: LearningRateCurve) -> str:
    """Draw the loss of each step and the smoothed one over the rate, the suggestion marked."""
    if len(curve.losses) < 2:
        return ""
    low, high = svg.padded(_range(curve))
    x = svg.Scale(min(curve.learning_rates[0], curve.suggestion), curve.learning_rates[-1], _LEFT, _RIGHT, log=True)
    y = svg.Scale(low, high, _BOTTOM, _TOP)
    return svg.picture(
        _WIDTH,
        _HEIGHT,
        *_axes(x, y),
        *_steps(curve, x, y),
        *(
            svg.path(points, class_="first", stroke_width=2.4, stroke_linejoin="round")
            for points in _smoothed(curve, x, y)
        ),
        svg.line(x(curve.suggestion), _TOP - 4, x(curve.suggestion), _BOTTOM, class_="mark"),
        svg.text(x(curve.suggestion), _TOP - 8, f"{curve.suggestion:.2g}", text_anchor="middle", class_="tick"),
        svg.text(_LEFT, 16, "training loss of each step", class_="title"),
        label=f"training loss over the learning rate. {summary(curve)}",
    )


def _axes(x: svg.Scale, y: svg.Scale) -> Iterator[str]:
    for value in y.ticks():
        yield svg.line(_LEFT, y(value), _RIGHT, y(value), class_="grid")
        yield svg.text(_LEFT - 8, y(value) + 4, svg.number(value), text_anchor="end", class_="tick")
    for value in x.ticks():
        yield svg.text(x(value), _BOTTOM + 18, svg.number(value), text_anchor="middle", class_="tick")
    yield svg.text(_RIGHT, _HEIGHT - 4, "learning rate (log axis)", text_anchor="end", class_="tick")


def _steps(curve: LearningRateCurve, x: svg.Scale, y: svg.Scale) -> Iterator[str]:
    for rate, loss in zip(curve.learning_rates, curve.losses, strict=True):
        if y.low <= loss <= y.high:
            yield svg.element("circle", cx=x(rate), cy=y(loss), r=1.6, class_="second", opacity=0.55)


def _smoothed(curve: LearningRateCurve, x: svg.Scale, y: svg.Scale) -> Iterator[list[svg.Point]]:
    """Yield the parts of the smoothed curve that are not above the chart."""
    pairs = zip(curve.learning_rates, curve.smoothed, strict=True)
    for inside, part in groupby(pairs, key=lambda pair: pair[1] <= y.high):
        if inside:
            yield [(x(rate), y(loss)) for rate, loss in part]


def page(found: FoundLearningRate, *, about: str, command: str) -> str:
    """Return the whole page as HTML; `command` makes it again."""
    return template("learning_rate.html.j2").render(
        setting=setting(found) + scaling_note(found),
        about=about,
        summary=summary(found.curve),
        chart=Markup(rate_chart(found.curve)),
        command=command,
    )
