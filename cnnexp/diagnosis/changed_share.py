"""What share of a split suffered a change of its pixels, where no single image shows whether it did?

Of photographs, pixels tell four of five whose red and blue are exchanged: too few to undo each, and plenty to say how
many there are. A number that tells the two apart has one mean over images of the better split, another over these once
they are changed, and between them where a share of a split is changed. Such a share is named where as many of the
better split's images, changed, then have the pixels of the worse split, and about as many wrong answers. So are noise
and blur of a share, which nothing undoes, where the pixels surely differ.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.non_iid import kolmogorov
from cnnexp.diagnosis.between_splits import BY_CHANCE, LEAST_RISE, P_VALUE, SURELY, Predict, Sample
from cnnexp.diagnosis.candidate_changes import Candidate, exact_changes, losses_of_a_part
from cnnexp.diagnosis.intervals import Z
from cnnexp.diagnosis.pixel_statistics import Statistics, by_chance, distances, statistics_of
from cnnexp.diagnosis.told_apart import fit_sorter

FEWEST = 100  # images of either split: the share of fewer is hardly known
# Means of plain and of changed images, in deviations of one image: two of three images are told where they are 0.86
# apart. Mirrored ones are 0.0 to 0.3 apart, and chance would be taken for a share.
APART = 0.8
# Of the distance of the pixels beyond chance, that may be left of noise or blur: of digits, Fashion-MNIST 0
# to 4 and CIFAR-10 airplane to deer 0.0 to 0.2 with the nearest strength, 0.4 and more with the next one.
LEFT = 0.25
LEAST_SHARE = 0.05  # the low end of the interval: what is less hardly costs what is worth a finding


@dataclass(frozen=True, slots=True)
class ChangedShare:
    """The change, and how many images of the worse split suffered it."""

    candidate: Candidate
    share: float  # of the worse split's images
    low: float  # 99 % interval
    high: float
    before: float  # accuracy of the worse split's images
    plain: float  # of the better split's
    made: float  # of the better split's, where as many are changed
    distance_before: float  # of the pixels of both splits
    distance_after: float  # where as many are changed


def find_changed_share(*, better: Sample, worse: Sample, predict: Predict, seed: int) -> ChangedShare | None:
    """Return the change that a share of the worse split suffered, if that explains its pixels and its answers."""
    if min(len(better.labels), len(worse.labels)) < FEWEST:
        return None
    plain, asked = statistics_of(better.images), statistics_of(worse.images)
    right = {"better": predict(better.images) == better.labels, "worse": predict(worse.images) == worse.labels}
    before, reached = float(right["worse"].mean()), float(right["better"].mean())
    if reached - before < LEAST_RISE:
        return None
    by_number = distances(plain, asked)
    apart, chance = float(by_number.mean()), by_chance(len(plain), len(asked))
    surely_apart = kolmogorov(float(by_number.max()), len(plain), len(asked)) < SURELY / len(by_number)
    found: list[ChangedShare] = []
    for candidate in (*exact_changes(better.images), *(losses_of_a_part() if surely_apart else ())):
        images = candidate.change(better.images, np.random.default_rng(seed))
        changed = statistics_of(images)
        estimate = _share(plain, changed, asked)
        if estimate is None or estimate[1] < LEAST_SHARE:
            continue
        share, low, high = estimate
        left = np.mean([distances(asked, mixed) for mixed in _mixtures(plain, changed, share, seed)], axis=0)
        none = kolmogorov(float(left.max()), len(plain), len(asked)) >= P_VALUE / len(left)  # differs beyond chance
        near = candidate.loses_detail and left.mean() <= chance + LEFT * (apart - chance)  # strengths are in steps
        if not (none or near) or left.mean() > apart:
            continue
        answered = predict(images) == better.labels
        made = float((1 - share) * reached + share * answered.mean())
        error = (made * (1 - made) / len(answered) + before * (1 - before) / len(asked)) ** 0.5
        if reached - made >= LEAST_RISE and abs(made - before) <= BY_CHANCE * error:
            found.append(ChangedShare(candidate, share, low, high, before, reached, made, apart, float(left.mean())))
    return min(found, key=lambda one: one.distance_after, default=None)


def _share(plain: Statistics, changed: Statistics, asked: Statistics) -> tuple[float, float, float] | None:
    """Return which share of the images asked are changed, with its 99 % interval; None: the two are too much alike.

    What tells them is fitted on one half of the plain images and applied to the other, by turns.
    """
    halves = np.arange(len(plain)) % 2 == 0
    shares, errors = [], []
    for half in (halves, ~halves):
        sorter = fit_sorter(plain[half], changed[half])
        own, other, here = (sorter.score(numbers) for numbers in (plain[~half], changed[~half], asked))
        step = float(other.mean() - own.mean())
        if step < APART * float(np.sqrt((own.var() + other.var()) / 2)):
            return None
        share = float(here.mean() - own.mean()) / step
        shares.append(share)
        errors.append(
            (here.var() / len(here) + (1 - share) ** 2 * own.var() / len(own) + share**2 * other.var() / len(other))
            ** 0.5
            / step
        )
    share, error = float(np.clip(np.mean(shares), 0, 1)), float(np.mean(errors))  # both halves ask the same images
    return share, max(0.0, share - Z * error), min(1.0, share + Z * error)


def _mixtures(plain: Statistics, changed: Statistics, share: float, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield the numbers of the better split's images, of which a share is changed; another share each time."""
    random = np.random.default_rng(seed)
    for _ in range(3):
        rows = random.random(len(plain)) < share
        yield np.where(rows[:, None], changed, plain)
