"""Just enough SVG for charts that open from disk: scales, marks, and text that is always escaped."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from cnnexp.system.text import printable

Point = tuple[float, float]
_MOST_POWERS = 6  # of ten, labelled on an axis


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values ``low..high`` to ``start..end`` in pixels, by logarithm where asked."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of ``value``."""
        low, high, at = (self._position(number) for number in (self.low, self.high, value))
        share = 0.5 if high == low else (at - low) / (high - low)
        return self.start + share * (self.end - self.start)

    def _position(self, value: float) -> float:
        return math.log10(value) if self.log else value

    def ticks(self) -> list[float]:
        """Round values within the scale: powers of ten where they fit, else about five even steps."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            every = math.ceil(len(powers) / _MOST_POWERS)
            return [10.0**power for power in powers[::every]] if len(powers) > 1 else [self.low, self.high]
        if self.high == self.low:
            return [self.low]
        step = _round_step((self.high - self.low) / 4)
        first = math.ceil(self.low / step - 1e-9)
        return [index * step for index in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * (1 - 1e-9))


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
    """Lowest and highest of ``values`` with some air; never equal."""
    known = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(known), max(known)
    air = share * (high - low) or share * abs(high) or 1.0
    return low - air, high + air


def number(value: float) -> str:
    """A tick's label."""
    return f"{value:.4g}"


def element(name: str, content: str = "", /, **attributes: str | float | None) -> str:
    """An SVG element; ``content`` is SVG already, attributes are escaped, ``_`` in their names is ``-``."""
    pairs = (
        f' {key.rstrip("_").replace("_", "-")}="{escape(_attribute(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{''.join(pairs)}>{content}</{name}>"


def _attribute(value: str | float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x: float, y: float, content: str, /, **attributes: str | float | None) -> str:
    """A label."""
    return element("text", escape(printable(content)), x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, /, **attributes: str | float | None) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def path(points: Sequence[Point], /, title: str | None = None, **attributes: str | float | None) -> str:
    """A line through ``points``; ``title`` is what a browser shows under the pointer."""
    d = "M" + " L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("path", tooltip(title), d=d, fill="none", **attributes)


def tooltip(title: str | None) -> str:
    """What a browser shows under the pointer."""
    return "" if title is None else f"<title>{escape(printable(title))}</title>"


def picture(width: float, height: float, *parts: str, label: str) -> str:
    """The whole drawing, as wide as its place allows."""
    return element(
        "svg",
        "".join(parts),
        viewBox=f"0 0 {width:g} {height:g}",
        style=f"max-width:{width:g}px",
        role="img",
        aria_label=label,
        xmlns="http://www.w3.org/2000/svg",
    )
