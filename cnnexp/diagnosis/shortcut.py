"""Cause 1a, the data: does one spot tell the class, and does the network look there?

What a photograph shows is spread over it: the level of one small cell, alone, says little about the class. Where it
says nearly all, a stamp, a frame or a watermark came with the class; and where covering it costs the network its
answers, it has learned that instead of what the images show.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cnnexp.diagnosis.between_splits import Predict, Sample
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.split_gap import worse_split
from cnnexp.records import Finding, Images, Labels

GRID = 8  # cells of a side
VOTES = 5  # images of the nearest level that answer
# Share of images whose class one cell tells. Of the best cell of digits, Fashion-MNIST, CIFAR-10 and hand signs 0.25 to
# 0.55, which is 0.1 to 0.2 above the median cell; of a spot in the colour of the class in four of five images, 0.8.
LEAST_TOLD = 0.6
LEAST_ABOVE = 0.3
SAME_SPOT = 0.7  # of what the best cell tells; neighbours of it that tell as much are part of the spot
LEAST_DROP, P_VALUE = 0.05, 0.001  # of the answers, when the spot is covered (McNemar's exact test)
FEWEST = 60  # images


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A spot that tells the class, and what the network does without it."""

    where: str
    told: float  # share of images whose class the spot tells
    usual: float  # the same of the median cell
    accuracy: float  # of the network
    covered: float  # of the same images with the spot covered


def find_shortcut(sample: Sample, predict: Predict) -> Shortcut | None:
    """Return the spot by which the network answers, if there is one."""
    images, labels = sample.images, sample.labels
    if len(labels) < FEWEST:
        return None
    levels, bounds = _cells(images)
    told = np.array([_told(cell, labels) for cell in levels])
    best, usual = int(told.argmax()), float(np.median(told))
    if told[best] < max(LEAST_TOLD, usual + LEAST_ABOVE):
        return None
    spot = np.flatnonzero(told >= SAME_SPOT * told[best])
    before, after = (predict(one) == labels for one in (images, _covered(images, [bounds[cell] for cell in spot])))
    gained, dropped = int((after & ~before).sum()), int((before & ~after).sum())
    if dropped - gained < LEAST_DROP * len(labels):
        return None
    if binomtest(dropped, gained + dropped, alternative="greater").pvalue >= P_VALUE:
        return None
    return Shortcut(_place(best), float(told[best]), usual, float(before.mean()), float(after.mean()))


def detect_shortcut(run: RunEvidence) -> Finding | None:
    """Report D6 where a split is far below another, whose images have a spot that tells the class."""
    gap = worse_split(run)
    if gap is None or run.images is None:
        return None
    found = find_shortcut(run.images.sample(gap.better), run.images.predict)
    return None if found is None else shortcut_finding(found, split=gap.better, worse=gap.worse)


def shortcut_finding(found: Shortcut, *, split: str, worse: str | None) -> Finding:
    """Return what is said of a shortcut; `worse` is a split far below, if there is one."""
    below = f" The {worse} images, which are answered far worse, may not have it." if worse is not None else ""
    return Finding(
        id="D6",
        cause=1,
        title="a shortcut",
        sentence=(
            f"The network answers by a spot at the {found.where} of the image and not by what it shows: the level of "
            f"that spot alone tells the class of {found.told:.0%} of the {split} images (the median spot "
            f"{found.usual:.0%}), and with it covered the network answers {found.covered:.1%} of them right instead of "
            f"{found.accuracy:.1%}.{below}"
        ),
        evidence={"told_by_the_spot": found.told, "told_by_others": found.usual, "accuracy_covered": found.covered},
        confidence=confidence_by(Basis.UNDONE),
        basis=Basis.UNDONE,
        repair=f"look at the {found.where} of training images of two classes; cover or "
        "crop it in all images, or take the images of all classes from one source",
    )


def _cells(images: Images) -> tuple[NDArray[np.float32], list[tuple[slice, slice]]]:
    """Return the mean levels (cells, N, C) of cells, and where these are."""
    rows, columns = (np.linspace(0, side, min(GRID, side) + 1).astype(int) for side in images.shape[1:3])
    bounds = [
        (slice(rows[down], rows[down + 1]), slice(columns[across], columns[across + 1]))
        for down in range(len(rows) - 1)
        for across in range(len(columns) - 1)
    ]
    return np.stack([images[:, y, x].mean(axis=(1, 2), dtype=np.float32) for y, x in bounds]), bounds


def _told(levels: NDArray[np.float32], labels: Labels) -> float:
    """Return the share of images (N, C) whose class most of the others with the nearest levels have."""
    apart = ((levels[:, None] - levels[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = labels[np.argpartition(apart, VOTES, axis=1)[:, :VOTES]]
    classes = np.arange(int(labels.max()) + 1)
    return float(((nearest[:, :, None] == classes).sum(axis=1).argmax(axis=1) == labels).mean())


def _covered(images: Images, bounds: list[tuple[slice, slice]]) -> Images:
    covered = images.copy()
    for y, x in bounds:
        covered[:, y, x] = images[:, y, x].mean(axis=(0, 1, 2)).astype(np.uint8)
    return covered


def _place(cell: int) -> str:
    """Return in words where a cell is; grids of images smaller than `GRID` pixels are not told apart."""
    down, across = (("upper", "middle", "lower")[3 * place // GRID] for place in divmod(cell, GRID))
    left = {"upper": "left", "middle": "middle", "lower": "right"}[across]
    return "middle" if down == left == "middle" else f"{down} {left}"
