"""Cause 1, the data: do images of one split have far fewer levels than those of another, or no colour?

A palette, a threshold, another bit depth or a conversion to grey leaves that. It is counted, whatever the network
answers; that a split is answered worse only says that it may matter.
"""

from dataclasses import dataclass

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import SplitsEvidence
from cnnexp.diagnosis.split_gap import LOOKS_THE_SAME, Gap, lower_split, unlike_train
from cnnexp.records import Finding, Images

LEAST_GAP = 0.02  # of accuracy, if only by chance: less does not matter
FEWER = 1 / 4  # of the levels of the other split's images, in the middle
FEW = 32  # levels; with more, nothing is lost that can be seen
GREY, COLOUR = 0.95, 0.5  # share of images without colour, of the one split at least and of the other one at most
COUNTED = "counted"  # evidence that it is no estimate: 1
TRAIN = "train"  # which is answered better, whatever its images are
ENOUGH = 30  # images of each


@dataclass(frozen=True, slots=True)
class Lost:
    """What images of a split do not have."""

    split: str
    what: str  # "test has images ..."
    sentence: str
    evidence: dict[str, float]
    repair: str


def detect_few_levels(run: SplitsEvidence) -> Finding | None:
    """Report S4 where images of the worse one of two splits, or of train, have few levels or no colour."""
    lower = lower_split(run)
    for gap in (lower if lower is not None and lower.gap >= LEAST_GAP else None, unlike_train(run)):
        samples = None if gap is None else run.samples(gap.worse, gap.better)
        if gap is None or samples is None or min(len(one.labels) for one in samples) < ENOUGH:
            continue
        images = {gap.worse: samples[0].images, gap.better: samples[1].images}
        lost = _without_colour(images) or _of_few_levels(images)
        if lost is not None and lost.split in (gap.worse, TRAIN):
            return _finding(lost, gap)
    return None


def _finding(lost: Lost, gap: Gap) -> Finding:
    return Finding(
        id="S4",
        cause=1,
        title=f"training images {lost.what}" if lost.split == TRAIN else f"{lost.split} has images {lost.what}",
        sentence=(
            f"{lost.sentence} {gap.gap:.1%} fewer of the {gap.worse} images are answered right than of those of "
            f"{gap.better}."
        ),
        evidence=lost.evidence | {COUNTED: 1} | {"gap": gap.gap} | gap.place,
        confidence=confidence_by(Basis.SPLITS),
        basis=Basis.SPLITS,
        repair=lost.repair,
        alternatives=LOOKS_THE_SAME,
    )


def _of_few_levels(images: dict[str, Images]) -> Lost | None:
    levels = {split: levels_of(own) for split, own in images.items()}
    few, many = sorted(levels, key=lambda split: levels[split])
    if levels[few] > min(FEW, FEWER * levels[many]):
        return None
    return Lost(
        few,
        "of few levels",
        f"Images of {few} have {levels[few]:.0f} different levels each, in the middle, and those of {many} "
        f"{levels[many]:.0f}: a palette, a threshold or another bit depth leaves so few.",
        {f"levels_of_{split}": count for split, count in levels.items()},
        f"save and read the images of {few} as those of {many}: with all 256 levels",
    )


def _without_colour(images: dict[str, Images]) -> Lost | None:
    grey = {split: share_without_colour(own) for split, own in images.items()}
    coloured, pale = sorted(grey, key=lambda split: grey[split])
    if grey[pale] < GREY or grey[coloured] > COLOUR:
        return None
    return Lost(
        pale,
        "without colour",
        f"{grey[pale]:.0%} of the images of {pale} have no colour, and {grey[coloured]:.0%} of those of {coloured}.",
        {f"share_without_colour_of_{split}": share for split, share in grey.items()},
        f"read the images of {pale} in colour, as those of {coloured}; or train on grey images: data.color=grey",
    )


def levels_of(images: Images) -> float:
    """Return how many different levels an image (H, W, C) of these has, in the middle."""
    return float(np.median([np.count_nonzero(np.bincount(image.ravel(), minlength=256)) for image in images]))


def share_without_colour(images: Images) -> float:
    """Return the share of images (N, H, W, C) whose channels are equal; 0 for images of one channel."""
    if images.shape[-1] == 1:
        return 0.0
    return float((images == images[..., :1]).all(axis=(1, 2, 3)).mean())
