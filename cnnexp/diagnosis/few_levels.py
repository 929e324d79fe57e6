"""Cause 1, the data: do images of one split have far fewer levels than those of another?

A palette, a threshold or another bit depth leaves so few. They are counted, whatever the network answers; that it
answers worse only says that it may matter.
"""

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import SplitsEvidence
from cnnexp.diagnosis.split_gap import LOOKS_THE_SAME, OF_TRAIN, differing_split, unlike_train
from cnnexp.records import Finding, Images

FEWER = 1 / 4  # of the levels of the other split's images, in the middle
FEW = 32  # levels; with more, nothing is lost that can be seen
TRAIN = "train"  # which is answered better, whatever its images are
ENOUGH = 30  # images of each, of which the middle one is known


def detect_few_levels(run: SplitsEvidence) -> Finding | None:
    """Report S4 where images of one of two splits, of which one is answered worse, have few levels."""
    for gap in (differing_split(run), unlike_train(run)):
        samples = None if gap is None else run.samples(gap.worse, gap.better)
        if gap is None or samples is None or min(len(one.labels) for one in samples) < ENOUGH:
            continue
        levels = {name: levels_of(one.images) for name, one in zip((gap.worse, gap.better), samples, strict=True)}
        few, many = sorted(levels, key=lambda name: levels[name])
        if few not in (gap.worse, TRAIN) or levels[few] > min(FEW, FEWER * levels[many]):
            continue
        return Finding(
            id="S4",
            cause=1,
            title="training images of few levels" if few == TRAIN else f"{few} has images of few levels",
            sentence=(
                f"Images of {few} have {levels[few]:.0f} different levels each, in the middle, and those of {many} "
                f"{levels[many]:.0f}: a palette, a threshold or another bit depth leaves so few. "
                f"{gap.gap:.1%} fewer of the {gap.worse} images are answered right than of those of {gap.better}."
            ),
            evidence={f"levels_of_{name}": count for name, count in levels.items()}
            | {"gap": gap.gap}
            | ({OF_TRAIN: gap.gap} if few == TRAIN else {}),
            confidence=confidence_by(Basis.SPLITS),
            basis=Basis.SPLITS,
            repair=f"save and read the images of {few} as those of {many}: with all 256 levels",
            alternatives=LOOKS_THE_SAME,
        )
    return None


def levels_of(images: Images) -> float:
    """Return how many different levels an image (H, W, C) of these has, in the middle."""
    return float(np.median([np.count_nonzero(np.bincount(image.ravel(), minlength=256)) for image in images]))
