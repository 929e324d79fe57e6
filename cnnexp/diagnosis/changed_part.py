"""What change did a part of the training images suffer, by their pixels alone?

A network has learned them as they are, so that its answers do not tell. Images that look more like those of another
split once these are changed are undone. Where both splits then are alike, that was it.
"""

from dataclasses import dataclass

import numpy as np

from cnnexp.diagnosis.candidate_changes import Candidate
from cnnexp.diagnosis.partly_changed import FEWEST, told_apart
from cnnexp.diagnosis.pixel_statistics import distance, statistics_of
from cnnexp.diagnosis.spoilt_part import EVEN, REST
from cnnexp.records import Images

LEAST_PART, MOST_PART = 0.1, 0.95  # of the images: less hardly matters, more is the whole


@dataclass(frozen=True, slots=True)
class ChangedPart:
    """The change, and what undoing it on the images that show it does."""

    candidate: Candidate
    share: float  # of the images
    told_apart: float  # share of the clean images, half of them changed, that are sorted rightly
    before: float  # distance of the pixels
    after: float  # once those that look changed are undone


def find_changed_part(*, clean: Images, asked: Images, seed: int) -> ChangedPart | None:
    """Return the change after whose undoing, where it shows, the images asked are like clean ones; None: none is."""
    if min(len(clean), len(asked)) < FEWEST:
        return None
    plain, own = statistics_of(clean), statistics_of(asked)
    before, even = distance(plain, own), distance(plain[::2], plain[1::2])
    found: list[ChangedPart] = []
    for candidate, sorter, told in told_apart(clean, plain, seed):
        rows = np.flatnonzero(sorter.changed(own))
        share = len(rows) / len(own)
        if not LEAST_PART <= share <= MOST_PART:
            continue
        undone = own.copy()
        undone[rows] = statistics_of(candidate.change(asked[rows], np.random.default_rng(seed)))
        after = distance(plain, undone)
        if after <= min(max(REST * before, even), EVEN * even):
            found.append(ChangedPart(candidate, share, told, before, after))
    return min(found, key=lambda one: one.after, default=None)
