"""Intervals of shares, and the mean of an F1 over kinds."""

import math
from collections.abc import Sequence

Z = 1.959964  # of a 95 % interval


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Return the 95 % score interval of a share (Wilson 1927); (0, 1) of no trials."""
    if not trials:
        return 0.0, 1.0
    share, z2 = hits / trials, Z * Z
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials)) / (1 + z2 / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


def macro_f1(true: Sequence[str], named: Sequence[str]) -> float:
    """Return the mean F1 of the kinds in `true`; a kind that is never named has 0."""
    scores = []
    for kind in sorted(set(true)):
        hits = sum(one == other == kind for one, other in zip(true, named, strict=True))
        scores.append(2 * hits / (true.count(kind) + named.count(kind)))
    return sum(scores) / len(scores) if scores else 0.0
