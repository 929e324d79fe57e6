"""What the numbers of an image mean: how levels of any type become 8 bits, 0 black and 255 white.

Types whose range is known map all of it. Every other type needs the value range of the spec; which numbers one file
happens to hold decides nothing, or images of one data set would be read by different rules.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UnknownRangeError, UnreadableImageError

ValueRange = tuple[float, float]  # the levels that become black and white

_UNIT = (0.0, 1.0)  # the range of floating point
_BLOCK = 2**20  # levels converted at once, in floating point


@dataclass(frozen=True, slots=True)
class Levels:
    """Colours of more than 8 bits, and which of their levels became 0 and 255."""

    values: NDArray[Any]  # (H, W) or (H, W, 3)
    black: float
    white: float


def eight_bit(levels: NDArray[Any], value_range: ValueRange | None) -> NDArray[np.uint8]:
    """Return levels as 8 bits.

    Levels of 8 bits and bool are what they are. Of others, the value range is mapped to 0..255, and what lies outside
    becomes black or white. Without one, 16 bits become their upper byte (12,000 → 46), and floating point must lie in
    0..1.

    Raises:
        UnknownRangeError: the levels are of another type, or out of that range, and there is no value range.
        UnreadableImageError: they are no numbers.

    """
    if levels.dtype == np.uint8:
        return levels
    if levels.dtype == np.bool_:
        return levels.astype(np.uint8) * np.uint8(255)
    if levels.dtype.kind not in "iuf":
        raise UnreadableImageError(f"pixels must be numbers; got {levels.dtype}.")
    if value_range is not None:
        return _scaled(levels, value_range)
    if levels.dtype == np.uint16:
        return (levels >> 8).astype(np.uint8)
    low, high = levels.min().item(), levels.max().item()
    if levels.dtype.kind == "f":
        if low >= 0 and high <= 1:  # also false for NaN
            return _scaled(levels, _UNIT)
        rule = f"floating-point pixels must lie in 0..1; got {low:g}..{high:g}."
    else:
        rule = f"the range of {levels.dtype} pixels must be known; got {levels.dtype} from {low} to {high}."
    raise UnknownRangeError(f"{rule} {_how_to_set(low, high)}", kind=str(levels.dtype), low=low, high=high)


def _how_to_set(low: float, high: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return "Set the levels that are black and white by data.value_range=[LOW,HIGH], or convert them to 8 bits."
    return (
        f"Set the levels that are black and white, such as data.value_range=[{low:g},{high:g}], "
        "or convert them to 8 bits."
    )


def _scaled(levels: NDArray[Any], value_range: ValueRange) -> NDArray[np.uint8]:
    """Map the value range to 0..255, a block at a time."""
    low, high = value_range
    flat = np.ascontiguousarray(levels).reshape(-1)
    scaled = np.empty(len(flat), np.uint8)
    for start in range(0, len(flat), _BLOCK):
        block = (flat[start : start + _BLOCK].astype(np.float64) - low) * (255 / (high - low))
        if np.isnan(block).any():
            raise UnreadableImageError("a pixel is no number (NaN). Replace it by a number.")
        scaled[start : start + _BLOCK] = np.rint(np.clip(block, 0, 255))
    return scaled.reshape(levels.shape)


def levels_of(values: NDArray[Any], value_range: ValueRange | None) -> Levels | None:
    """Return what :func:`eight_bit` has made 8 bits of; None: those say it all.

    The lower bytes of 16-bit levels that were made of 8 bits are all 0, or repeat the upper ones.
    """
    if values.dtype in (np.uint8, np.bool_):
        return None
    if value_range is not None:
        return Levels(values, *value_range)
    if values.dtype != np.uint16:
        return Levels(values, *_UNIT)
    return Levels(values, 0, 65535) if _needs_lower_bytes(values) else None


def _needs_lower_bytes(values: NDArray[np.uint16]) -> bool:
    """Look at a few rows at a time; the first ones usually settle it."""
    are_zero = repeat_upper = True
    step = max(1, _BLOCK * len(values) // values.size)
    for start in range(0, len(values), step):
        rows = values[start : start + step]
        lower = rows & 255
        are_zero = are_zero and not lower.any()
        repeat_upper = repeat_upper and bool((lower == rows >> 8).all())
        if not are_zero and not repeat_upper:
            return True
    return False


def joined(upper: NDArray[np.uint8], lower: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Return the levels of two arrays of the same shape, (H, W) or (H, W, C), with little further memory."""
    values = lower.astype(np.uint16)
    for row in range(len(values)):
        values[row] |= np.left_shift(upper[row], 8, dtype=np.uint16)
    return values
