"""The properties of single images that are compared, each on a scale where equal steps look equally large."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.facts import Facts, Rows
from cnnexp.datasets.measures import Measures

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Property:
    """One number of each image."""

    name: str
    of: Callable[[Measures], Values]
    step: float  # the smallest difference worth the name; nothing is told apart more finely
    shown: Callable[[Measures, int], str]  # of one image


def _size(measures: Measures) -> Values:
    sides = measures.headers["height"].astype(float) * measures.headers["width"]
    return np.asarray(np.log2(np.maximum(sides, 1)) / 2)


def _aspect(measures: Measures) -> Values:
    width, height = (np.maximum(measures.headers[side], 1) for side in ("width", "height"))
    return np.asarray(np.log2(width / height))


def _sharpness(measures: Measures) -> Values:
    return np.log2(np.maximum(measures.sharpness, 0.5)).astype(float)  # half a grey level: nothing to be seen


def _brightness(measures: Measures) -> Values:
    return measures.brightness.astype(float)


def pixels(measures: Measures, row: int) -> str:
    """Write the size of an image."""
    header = measures.headers[row]
    return f"{header['width']} × {header['height']} pixels"


PROPERTIES = (
    Property("size", _size, 0.1, pixels),  # log2 of the side of a square: steps of 7 %
    Property("aspect ratio", _aspect, 0.05, pixels),  # log2: steps of 3.5 %
    Property("brightness", _brightness, 1.0, lambda m, row: f"brightness {m.brightness[row]:.0f}"),  # grey levels
    Property("sharpness", _sharpness, 0.1, lambda m, row: f"sharpness {m.sharpness[row]:.3g}"),  # log2: steps of 7 %
)


def modes(facts: Facts, rows: Rows) -> NDArray[np.str_]:
    """Give the colour mode of each file, as Pillow names it."""
    return facts.measures.headers["mode"][rows].astype(str)
