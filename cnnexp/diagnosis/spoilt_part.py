"""Cause 1a, the data: is a part of the images of one split exposed badly, blurred or noisy, and all others as usual?

Images that lie far out by their pixels, beside those of another split, are taken out. Where the rest then is like the
other split, these were spoilt, and it is not that the splits were made in another way, as where one has all bright
images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.pixel_statistics import Statistics, distance, statistics_of
from cnnexp.records import Finding, Images

FAR = 0.98  # quantile of the clean images' own distances, beyond which an image lies far out
LEAST_SHARE = 0.1  # of the images that are asked, beyond what lies far out of the clean ones
MOST_SHARE = 0.7  # more is the split, and no part of it
FEWEST = 60  # clean images
REST = 0.6  # of the distance of the pixels, that may be left without those that lie far out ...
EVEN = 1.5  # ... or this many times that of two halves of the clean images
CLEAR = 2.0  # robust deviations, in the middle of those that lie far out in one way
RIDGE = 0.05
# Names and columns of `statistics_of`, counted from the end: 9 cells, then mean and middle noise, and sharpness.
SHARPNESS, NOISE = -12, -11
DARK, BRIGHT, BLURRED, NOISY = "too dark", "too bright", "blurred", "noisy"


@dataclass(frozen=True, slots=True)
class SpoiltPart:
    """Images that lie far out, and in which ways."""

    rows: NDArray[np.int64]  # of the images that were asked
    ways: dict[str, float]  # share of all that were asked, by way, the most frequent one first
    before: float  # distance of the pixels
    after: float  # without these


def find_spoilt_part(*, clean: Images, asked: Images) -> SpoiltPart | None:
    """Return the part of the images asked (N, H, W, C) that is spoilt beside clean ones; None: there is none."""
    if min(len(clean), len(asked)) < FEWEST:
        return None
    usual, own = statistics_of(clean), statistics_of(asked)
    far = _far_out(usual, own)
    share = float(far.mean()) - (1 - FAR)
    if not LEAST_SHARE <= share <= MOST_SHARE:
        return None
    before, even = distance(usual, own), distance(usual[::2], usual[1::2])
    after = distance(usual, own[~far])
    if after > max(REST * before, even) or after > EVEN * even:
        return None
    rows = np.flatnonzero(far)
    ways = _ways(usual, own[rows], channels=clean.shape[-1])
    named = {way: float(chosen.sum() / len(own)) for way, chosen in ways.items()}
    if sum(named.values()) < LEAST_SHARE:
        return None
    return SpoiltPart(rows, dict(sorted(named.items(), key=lambda one: -one[1])), before, after)


def _far_out(usual: Statistics, own: Statistics) -> NDArray[np.bool_]:
    """Return which images lie farther from the middle of the usual ones than nearly all of these; halves by turns."""
    limits, distances = [], []
    for half in (slice(0, None, 2), slice(1, None, 2)):
        fitted, other = usual[half], usual[1 - half.start :: 2]
        middle = fitted.mean(axis=0)
        covariance = np.cov(fitted.T) + np.diag(RIDGE * fitted.var(axis=0) + 1e-6)
        inverse = np.linalg.inv(covariance)
        limits.append(np.quantile(_lengths(other - middle, inverse), FAR))
        distances.append(_lengths(own - middle, inverse))
    return np.asarray(np.mean(distances, axis=0) > np.mean(limits))


def _lengths(vectors: Statistics, inverse: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("nd,de,ne->n", vectors, inverse, vectors))


def _ways(usual: Statistics, own: Statistics, *, channels: int) -> dict[str, NDArray[np.bool_]]:
    """Return which images (n,) are spoilt in which way: that in which they lie farthest out, if that is clear.

    Sharpness is that of an image of the same contrast: exposure takes away both.
    """
    known, asked = _levels(usual, channels), _levels(own, channels)
    middle = np.median(known, axis=0)
    spread = np.maximum(1.4826 * np.median(np.abs(known - middle), axis=0), 1e-3)
    level, sharpness, noise = ((asked - middle) / spread).T
    by_way = np.stack([-level, level, -sharpness, np.minimum(noise, sharpness)])
    way = by_way.argmax(axis=0)
    found = {name: (way == place) & (by_way[place] > 0) for place, name in enumerate((DARK, BRIGHT, BLURRED, NOISY))}
    return {name: rows for name, rows in found.items() if rows.any() and np.median(by_way.max(axis=0)[rows]) >= CLEAR}


def _levels(statistics: Statistics, channels: int) -> Statistics:
    """Return level, sharpness by contrast and noise (N, 3) of images."""
    level, contrast = statistics[:, :channels].mean(axis=1), np.log(statistics[:, channels] + 0.5)
    return np.stack([level, statistics[:, SHARPNESS] - contrast, statistics[:, NOISE]], axis=1)


def spoilt_finding(part: SpoiltPart, asked: str, clean: str, *, right: NDArray[np.bool_] | None) -> Finding:
    """Return what is said; `right` (N,) tells which of the images asked are answered so, None: it does not matter."""
    noisy = next(iter(part.ways)) == NOISY
    ways = " or ".join(f"{way} ({share:.0%})" for way, share in part.ways.items())
    sentence = (
        f"{sum(part.ways.values()):.0%} of the {asked} images are {ways}, by their pixels beside those of {clean}. "
        f"Without these both splits are alike: the distance of their pixels falls from {part.before:.2f} to "
        f"{part.after:.2f}."
    )
    evidence = {"distance_of_pixels": part.before, "distance_without_them": part.after}
    if right is not None:
        others = np.delete(right, part.rows)
        sentence += f" {right[part.rows].mean():.1%} of them are answered right, and {others.mean():.1%} of the others."
        evidence |= {"accuracy": float(right[part.rows].mean()), "accuracy_of_others": float(others.mean())}
    return Finding(
        id="D3" if noisy else "D2",
        cause=1,
        title=f"a part of {asked} is {' or '.join(part.ways)}",
        sentence=sentence,
        evidence=evidence | {f"share {way}": share for way, share in part.ways.items()},
        confidence=confidence_by(Basis.REPRODUCED),
        basis=Basis.REPRODUCED,
        repair=f"{asked}: look at the images that are {' or '.join(part.ways)}, and leave them out or take them again",
    )
