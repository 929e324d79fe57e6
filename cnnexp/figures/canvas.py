"""What all figures share: paper, ink and the place of things, in inches from the lower left corner.

Places are computed instead of found by a layout engine: that would draw every figure twice.
"""

import io
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, fontManager, get_font
from matplotlib.transforms import offset_copy
from PIL import Image

LATIN = "DejaVu Sans"  # comes with Matplotlib
# the usual fonts with Chinese, Japanese and Korean letters, of Linux, macOS and Windows
FAR_EASTERN = ("Noto Sans CJK", "Noto Sans SC", "WenQuanYi", "Droid Sans Fallback", "Arial Unicode MS", "SimHei")


def drawable(names: Sequence[str], *, limit: int) -> tuple[str, ...]:
    """Each name in at most `limit` letters; ``#3`` for the fourth if no installed font has its letters."""
    return tuple(
        shorten(name, limit) if all(_has_letter(letter) for letter in name) else f"#{index}"
        for index, name in enumerate(names)
    )


def shorten(name: str, limit: int) -> str:
    """Cut out of the middle: names often begin alike and differ at the end."""
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return name[: limit - 1 - tail].rstrip() + "…" + name[len(name) - tail :].lstrip()


def width(text: str, size: float) -> float:
    """About how many inches `text` takes at `size` points."""
    letters = sum(1.0 if east_asian_width(letter) in "WF" else 0.6 for letter in text)
    return letters * size / 72


@cache
def families() -> tuple[str, ...]:
    """The fonts to look for a letter in, in this order."""
    installed = fontManager.get_font_names()
    return (LATIN, *(font for wanted in FAR_EASTERN for font in installed if font.startswith(wanted)))


@cache
def _has_letter(letter: str) -> bool:
    if not letter.isprintable():
        return False
    return any(get_font(findfont(family)).get_char_index(ord(letter)) for family in families())


DPI = 110
EDGE = 0.2  # inches left of a heading

INK = "#1f2328"
MUTED = "#656d76"
RULE = "#d8dee4"
BLUE = "#0072b2"  # blue and vermillion of Okabe & Ito 2008: told apart with every kind of colour vision
ORANGE = "#d55e00"

# Letters are as legible unhinted at these sizes, and a sixth of all drawing was hinting. Matplotlib has no setting for
# one figure: threads take turns at the global one.
_UNHINTED = threading.Lock()

TITLE_SIZE = 12.0  # points
TEXT_SIZE = 9.0
SMALL_SIZE = 8.0


class Sheet(Figure):
    """A figure that a notebook shows as the file that a run records, whether or not pyplot is in use."""

    def _repr_png_(self) -> bytes:
        return png(self)


def sheet(width: float, height: float) -> Figure:
    """An empty white figure of `width` by `height` inches."""
    figure = Sheet(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def place(figure: Figure, *, left: float, bottom: float, width: float, height: float) -> Axes:
    """Axes at that place, in inches, with only the rules that carry meaning."""
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, bottom / up, width / across, height / up))
    axes.spines[:].set_color(RULE)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=SMALL_SIZE, length=0, pad=4)
    return axes


def write_names(
    axes: Axes, names: Sequence[str], at: Sequence[int], *, side: str, size: float, slanted: bool = False
) -> None:
    """Write class names along the ``left`` side of the axes, or ``below`` them, at those data coordinates.

    As texts: a tick that stands for a name is three lines and two texts, and is laid out several times.
    """
    left = side == "left"
    (axes.set_yticks if left else axes.set_xticks)([])
    edge = axes.get_yaxis_transform() if left else axes.get_xaxis_transform()
    beside = offset_copy(edge, axes.get_figure(root=True), *((-4, 0) if left else (0, -4)), units="points")
    style: dict[str, Any] = {"ha": "right" if left or slanted else "center", "va": "center_baseline" if left else "top"}
    if slanted:
        style |= {"rotation": 45, "rotation_mode": "anchor"}
    for place, name in zip(at, names, strict=True):
        axes.text(
            *((0, place) if left else (place, 0)),
            name,
            transform=beside,
            size=size,
            color=INK,
            parse_math=False,
            family=families(),
            gid=side,
            **style,
        )


def heading(figure: Figure, title: str, *lines: str, family: Sequence[str] = (LATIN,)) -> None:
    """A title and muted lines under it, from the upper left corner; the lines may need more fonts."""
    across, up = figure.get_size_inches()
    figure.text(EDGE / across, 1 - 0.3 / up, title, size=TITLE_SIZE, weight="bold", color=INK)
    for number, line in enumerate(lines):
        y = 1 - (0.52 + 0.19 * number) / up
        figure.text(EDGE / across, y, line, size=SMALL_SIZE, color=MUTED, parse_math=False, family=list(family))


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes. The paper is white: it needs no alpha."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    with _UNHINTED, rc_context({"text.hinting": "none"}):
        canvas.draw()
    pixels = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=3, dpi=(DPI, DPI))
    return buffer.getvalue()
