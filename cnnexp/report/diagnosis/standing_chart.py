"""A small plot of where one image stands among the training images."""

import numpy as np

from cnnexp.report import svg
from cnnexp.saved.looks import Standing

_WIDTH, _HEIGHT, _TOP, _BOTTOM = 260.0, 84.0, 22.0, 66.0  # pixels
_BINS = 24
_EXTREME = 0.01  # share of the training images beyond which an image stands out


def standing_chart(standing: Standing) -> str:
    """Return the distribution of a property over the training images, with a mark where the image is."""
    values = standing.training
    low, high = svg.padded([float(values[0]), float(values[-1]), standing.value])
    across = svg.Scale(low, high, 4.0, _WIDTH - 4.0)
    counts, edges = np.histogram(values, bins=_BINS, range=(low, high))
    up = svg.Scale(0.0, float(counts.max()), _BOTTOM, _TOP)
    bars = [
        svg.element(
            "rect",
            x=across(float(start)),
            y=up(float(count)),
            width=(_WIDTH - 8) / _BINS - 1,
            height=_BOTTOM - up(float(count)),
            fill="var(--quiet)",
            opacity=0.45,
        )
        for count, start in zip(counts, edges[:-1], strict=True)
        if count
    ]
    at = across(standing.value)
    return svg.picture(
        _WIDTH,
        _HEIGHT,
        svg.text(4, 13, standing.name, class_="title"),
        *bars,
        svg.line(4, _BOTTOM, _WIDTH - 4, _BOTTOM, class_="axis"),
        svg.line(at, _TOP - 4, at, _BOTTOM + 4, class_="first", stroke_width=2.5),
        svg.text(4, _HEIGHT - 3, said(standing), class_="tick"),
        label=f"{standing.name}: {said(standing)}",
    )


def said(standing: Standing) -> str:
    """Return where the image stands, in words."""
    if _EXTREME <= standing.below <= 1 - _EXTREME:
        return f"more than {standing.below:.0%} of the training images"
    return "more than nearly all training images" if standing.below > 0.5 else "less than nearly all training images"
