"""Cause 1a, the data: does one spot tell the class, and does the network look there?

What a photograph shows is spread over it: the level of one small cell, alone, says little about the class. Where it
says nearly all, a stamp, a frame or a watermark came with the class; and where covering it costs the network its
answers, it has learned that instead of what the images show. A mark of one class alone tells no other class. There the
images of another split say whether it belongs to what is shown: if it does, it tells the class there, too.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cnnexp.diagnosis.between_splits import Predict, Sample
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import SplitsEvidence
from cnnexp.diagnosis.split_gap import OF_TRAIN, below_train, worse_split
from cnnexp.records import Finding, Images, Labels

GRID = 8  # cells of a side
VOTES = 5  # images of the nearest level that answer
# Share of images whose class one cell tells. Of the best cell of digits, Fashion-MNIST, CIFAR-10 and hand signs 0.25 to
# 0.55, which is 0.1 to 0.2 above the median cell; of a spot in the colour of the class in four of five images, 0.8.
LEAST_TOLD = 0.6
LEAST_ABOVE = 0.3
SAME_SPOT = 0.7  # of what the best cell tells; neighbours of it that tell as much are part of the spot
LEAST_DROP, P_VALUE = 0.05, 0.001  # of the answers, when the spot is covered (McNemar's exact test)
FEWEST, MOST = 60, 240  # images by whose levels cells are judged; the time grows with their square
# Of one class (F1 of the answers by one cell): what a mark tells, and what it no longer tells where it is missing.
# Cells by which a clean class is told so well tell it in all splits.
LEAST_TOLD_CLASS, MOST_TOLD_ELSEWHERE = 0.8, 0.5
LARGEST_SPOT = 0.25  # share of the cells: a mark is smaller; where more tell the class, it is what the images show ...
TOLD_LESS = 0.2  # ... unless another split lacks it: then the best cell tells so much less there
LEAST_DROP_CLASS = 0.2  # of the answers to the images of that class


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A spot that tells the class, and what the network does without it."""

    where: str
    told: float  # share of images whose class the spot tells
    usual: float  # the same of the median cell
    accuracy: float  # of the network
    covered: float  # of the same images with the spot covered
    label: int | None = None  # of the only class that it tells; all these numbers are about its images. None: of all


def find_shortcut(sample: Sample, predict: Predict, *, without: Sample | None = None) -> Shortcut | None:
    """Return the spot by which the network answers, if there is one.

    `without` are images of another split that may not have it: then one class alone may be told by it.
    """
    images, labels = sample.images, sample.labels
    if len(labels) < FEWEST:
        return None
    few = _some(sample)
    levels, bounds = _cells(few.images)
    elected = np.stack([_elected(cell, few.labels) for cell in levels])
    told = (elected == few.labels).mean(axis=1)
    best, usual = int(told.argmax()), float(np.median(told))
    others = _some(without) if without is not None and len(without.labels) >= FEWEST else None
    spot = np.flatnonzero(told >= SAME_SPOT * told[best])
    if others is None:
        is_mark = len(spot) <= LARGEST_SPOT * len(told)
    else:
        y, x = bounds[best]
        there = _elected(others.images[:, y, x].mean(axis=(1, 2), dtype=np.float32), others.labels)
        is_mark = float((there == others.labels).mean()) <= told[best] - TOLD_LESS
    if is_mark and told[best] >= max(LEAST_TOLD, usual + LEAST_ABOVE):
        covered = _covered(images, [bounds[cell] for cell in spot], like=images)
        shares = _drop(images, covered, labels, predict, least=LEAST_DROP)
        return None if shares is None else Shortcut(_place(best), float(told[best]), usual, *shares)
    return None if others is None else _of_one_class(sample, elected, bounds, others, predict)


def _of_one_class(
    sample: Sample,
    elected: NDArray[np.int64],
    bounds: list[tuple[slice, slice]],
    without: Sample,
    predict: Predict,
) -> Shortcut | None:
    """Return the spot that tells one class here and not in the images `without` it; `elected` (cells, N) answers."""
    elsewhere = [_elected(cell, without.labels) for cell in _cells(without.images)[0]]
    few = _some(sample)
    for label in np.unique(sample.labels):
        told = np.array([_f1(answers, few.labels, label) for answers in elected])
        there = np.array([_f1(answers, without.labels, label) for answers in elsewhere])
        best = int((told - there).argmax())
        spot = np.flatnonzero((told >= SAME_SPOT * told[best]) & (there <= MOST_TOLD_ELSEWHERE))
        is_mark = told[best] >= LEAST_TOLD_CLASS and there[best] <= MOST_TOLD_ELSEWHERE
        if not is_mark or len(spot) > LARGEST_SPOT * len(told):
            continue
        images, labels = (one[sample.labels == label] for one in (sample.images, sample.labels))
        covered = _covered(images, [bounds[cell] for cell in spot], like=without.images)
        shares = _drop(images, covered, labels, predict, least=LEAST_DROP_CLASS)
        if shares is not None:
            return Shortcut(_place(best), float(told[best]), float(there[best]), *shares, int(label))
    return None


def _some(sample: Sample) -> Sample:
    step = -(-len(sample.labels) // MOST)
    return Sample(sample.images[::step], sample.labels[::step])


def _drop(
    images: Images, covered: Images, labels: Labels, predict: Predict, *, least: float
) -> tuple[float, float] | None:
    """Return the accuracy before and after images are covered, if they lose `least` of the answers beyond chance."""
    before, after = (predict(one) == labels for one in (images, covered))
    gained, dropped = int((after & ~before).sum()), int((before & ~after).sum())
    if dropped - gained < least * len(labels):
        return None
    if binomtest(dropped, gained + dropped, alternative="greater").pvalue >= P_VALUE:
        return None
    return float(before.mean()), float(after.mean())


def detect_shortcut(run: SplitsEvidence) -> Finding | None:
    """Report D6 where a split is far below another, whose images have a spot that tells the class.

    The better split may be that of the training images: what is on these alone is learned, too.
    """
    gap = worse_split(run) or below_train(run)
    samples = None if gap is None else run.samples(gap.better, gap.worse)
    if gap is None or samples is None or run.images is None:
        return None
    found = find_shortcut(samples[0], run.images.predict, without=samples[1])
    if found is None:
        return None
    name = None if found.label is None else run.class_names[found.label]
    said = shortcut_finding(found, split=gap.better, worse=gap.worse, name=name)
    return replace(said, evidence={**said.evidence, OF_TRAIN: gap.gap}) if gap.better == "train" else said


def shortcut_finding(found: Shortcut, *, split: str, worse: str | None, name: str | None = None) -> Finding:
    """Return what is said of a shortcut; `worse` is a split far below, if there is one, `name` that of its class."""
    below = f" The {worse} images, which are answered far worse, may not have it." if worse is not None else ""
    if name is not None:
        return _finding(
            f"The network answers {name} by a spot at the {found.where} of the image and not by what it shows: its "
            f"level alone tells {name} in the {split} images (F1 {found.told:.0%}) and hardly in those of {worse} "
            f"({found.usual:.0%}), and with it covered the network answers {found.covered:.1%} of the {split} images "
            f"of {name} right instead of {found.accuracy:.1%}.",
            found,
        )
    return _finding(
        f"The network answers by a spot at the {found.where} of the image and not by what it shows: the level of that "
        f"spot alone tells the class of {found.told:.0%} of the {split} images (the median spot {found.usual:.0%}), "
        f"and with it covered the network answers {found.covered:.1%} of them right instead of "
        f"{found.accuracy:.1%}.{below}",
        found,
    )


def _finding(sentence: str, found: Shortcut) -> Finding:
    return Finding(
        id="D6",
        cause=1,
        title="a shortcut",
        sentence=sentence,
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


def _elected(levels: NDArray[np.float32], labels: Labels) -> NDArray[np.int64]:
    """Return for each image (N, C) the class that most of the others with the nearest levels have."""
    apart = ((levels[:, None] - levels[None]) ** 2).sum(axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = labels[np.argpartition(apart, VOTES, axis=1)[:, :VOTES]]
    classes = np.arange(int(labels.max()) + 1)
    return np.asarray((nearest[:, :, None] == classes).sum(axis=1).argmax(axis=1), np.int64)


def _f1(answers: NDArray[np.int64], labels: Labels, label: int) -> float:
    right = int(((answers == label) & (labels == label)).sum())
    return 2 * right / max(int((answers == label).sum() + (labels == label).sum()), 1)


def _covered(images: Images, bounds: list[tuple[slice, slice]], *, like: Images) -> Images:
    """Return images whose cells at `bounds` have the level that these have in other images, on average."""
    covered = images.copy()
    for y, x in bounds:
        covered[:, y, x] = like[:, y, x].mean(axis=(0, 1, 2)).astype(np.uint8)
    return covered


def _place(cell: int) -> str:
    """Return in words where a cell is; grids of images smaller than `GRID` pixels are not told apart."""
    down, across = (("upper", "middle", "lower")[3 * place // GRID] for place in divmod(cell, GRID))
    left = {"upper": "left", "middle": "middle", "lower": "right"}[across]
    return "middle" if down == left == "middle" else f"{down} {left}"
