"""Levels of more than 8 bits: is the range that becomes 0..255 the one that the images of a data set use?

A camera of 12 bits writes files of 16, whose levels then end at 4,095 of 65,535: read by the type of the file, all of
its images are almost black.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.decoding.decode import Headers
from cnnexp.system.text import plural

COMMON = 0.95  # share of the images whose range counts, so that single bright pixels decide nothing
UNUSED = 0.5  # share of the range, from above, that is unused where it is remarkable
FEWEST = 16  # grey levels out of which images are compared with each other
SPARSE = 0.25  # share of a range of whole bits below which the levels themselves are suggested


def range_notes(headers: Headers) -> tuple[str, ...]:
    """Return sentences about images whose levels use little of their range, go beyond it, or have no known one."""
    deep = headers[headers["kind"] != b""]
    known = deep["black"] < deep["white"]
    return (*_about_unknown(deep[~known]), *_about_unused(deep[known]), *_about_clipped(deep[known]))


def are_coarse(headers: Headers) -> NDArray[np.bool_]:
    """Return (N,) whether so little is left of an image's levels that it may look like images that it differs from."""
    is_deep = headers["kind"] != b""
    used, range_ = headers["high"] - headers["low"], headers["white"] - headers["black"]
    coarse: NDArray[np.bool_] = is_deep & (used * 255 < FEWEST * range_)
    return coarse


def _about_unknown(headers: Headers) -> tuple[str, ...]:
    finite = headers[np.isfinite(headers["low"]) & np.isfinite(headers["high"])]
    if not len(finite):
        return ()
    low, high = finite["low"].min(), finite["high"].max()
    return (
        f"The range of {plural(len(headers), 'image')} is not known: their levels are {_kinds(headers)} from "
        f"{low:.9g} to {high:.9g}. {_setting(low, high)}",
    )


def _about_unused(headers: Headers) -> tuple[str, ...]:
    """Compare what most images use with what becomes 0..255."""
    if not len(headers):
        return ()
    black, white = headers["black"].min(), headers["white"].max()
    common = float(np.quantile(headers["high"], COMMON, method="lower"))
    if common > black + (1 - UNUSED) * (white - black):
        return ()
    bits = _bits(common, headers)
    within = headers[headers["high"] <= (2 * common if bits is None else bits)]
    low, high = float(within["low"].min()), float(within["high"].max())
    left = int((high - low) * 255 / (white - black)) + 1
    of_bits = bits is not None and low >= 0 and high - low >= SPARSE * bits
    return (
        f"{plural(len(within), 'image')} of {len(headers):,} with more than 8 bits ({_kinds(headers)}) use the levels "
        f"{low:.9g} to {high:.9g} of the range {black:.9g} to {white:.9g}: about {left} of 256 grey levels are left of "
        f"them. {_setting(*((0, bits) if of_bits else (low, high)))}",
    )


def _bits(level: float, headers: Headers) -> int | None:
    """Return the largest level of as many bits as a level has, at least 8; None for floating point."""
    if not all(kind.startswith((b"int", b"uint")) for kind in headers["kind"].tolist()):
        return None
    return int(2 ** max(int(level).bit_length(), 8) - 1)


def _about_clipped(headers: Headers) -> tuple[str, ...]:
    beyond = headers[(headers["low"] < headers["black"]) | (headers["high"] > headers["white"])]
    if not len(beyond):
        return ()
    black, white = beyond["black"][0], beyond["white"][0]
    return (
        f"{plural(len(beyond), 'image has', 'images have')} levels beyond the range {black:.9g} to {white:.9g}, which "
        f"become black or white: they lie in {beyond['low'].min():.9g} to {beyond['high'].max():.9g}.",
    )


def _setting(low: float, high: float) -> str:
    if not low < high:
        return "Set the levels that are black and white: data.value_range=[LOW,HIGH]"
    return f"Set the levels that are black and white: data.value_range=[{low:.9g},{high:.9g}]"


def _kinds(headers: Headers) -> str:
    return ", ".join(sorted({kind.decode() for kind in headers["kind"].tolist()}))
