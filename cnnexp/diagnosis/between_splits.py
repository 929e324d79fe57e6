"""Which change of pixels makes one split differ from another?

The trained network is the judge: a change of pixels is named where undoing it on the images of the worse split brings
back correct answers, beyond chance and image by image, and where their pixels then agree with those of the better
split. What loses information, blur and noise, cannot be undone; it is named where the same change of the better split's
images reproduces both the loss and the pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest, wilcoxon

from cnnexp.data_check.non_iid import kolmogorov
from cnnexp.diagnosis.candidate_changes import Candidate, candidates
from cnnexp.diagnosis.intervals import combination_interval
from cnnexp.diagnosis.pixel_statistics import distance, distances, fit, statistics_of
from cnnexp.records import Images, Labels, Probabilities

# Set on digits, Fashion-MNIST 0 to 4 and CIFAR-10 airplane to deer with the test faults of development, answered by a
# support vector machine and by narrow networks. P_VALUE and LEAST_RISE follow from what a finding is for.
P_VALUE = 0.01  # over all changes after which the pixels agree
# The same of how likely the network finds the labels: that tells smaller effects than answers that turn right or wrong
# do, also such as hardly matter.
P_VALUE_OF_LIKELIHOODS = P_VALUE / 10
LEAST_RISE = 0.02  # of accuracy: less does not matter
REGAINED = 0.7  # of what the worse split lost, that undoing must bring back ...
REGAINED_FITTED = 0.4  # ... or, where levels were fitted, this: what was cut off at black or white is lost
AGREE = 0.75  # of the distance of the pixels before, that may be left where levels were fitted
EVEN = 1.5  # times the distance of two halves of the better split, that may be left where all is undone
PLAIN = 3.0  # times what is left: of digits, inverted, 4 with 80 images and 8 with 400; turned or mirrored, about 1
REPRODUCED = 0.05  # accuracy by which the same change of the better split may miss that of the worse one, and ...
BY_CHANCE = 1.5  # standard errors by which it may miss it, where they are more
AGREE_REPRODUCED = 0.6  # ... the distance of the pixels, as a share of that before; also where blur or noise is undone
AGREE_LEARNED = 0.5  # ... and where the better split was trained on, of what is beyond chance
SAME_IMAGES = 0.6  # two standard errors, by the root of the number of images, where one answer in ten differs
LOOKED_AT = 160  # images whose pixels are compared after each change; answers are asked of all, for those that agree
# What loses detail moves few of the numbers: where one surely differs before, over all numbers, and none afterwards.
SURELY = 0.001
SIMPLER = 0.02  # of the distance: a change with one number more must agree so much better
LEAST_LIKELIHOOD = 1e-6  # of a label, that float32 tells from 0

Predict = Callable[[Images], Labels]
Probable = Callable[[Images], Probabilities]


@dataclass(frozen=True, slots=True)
class Sample:
    """Images of a split; entry i of both is the same."""

    images: Images  # (N, H, W, C)
    labels: Labels  # (N,)


@dataclass(frozen=True, slots=True)
class NamedChange:
    """The change, and what the network says of it."""

    candidate: Candidate
    before: float  # accuracy of the worse split's images
    after: float  # of the same, undone; or of the better split's, changed
    rise_low: float  # 99 % interval of the rise, or of what the reproduction misses
    rise_high: float
    distance_before: float  # of the pixels, 0..1: Kolmogorov-Smirnov, mean over statistics
    distance_after: float
    others: tuple[str, ...]  # ids of other changes that do as well
    better: float = 1.0  # accuracy of the better split's images as they are


@dataclass(frozen=True, slots=True)
class Judged:
    """What the network makes of images (N,)."""

    right: NDArray[np.bool_]
    log_likelihood: NDArray[np.float64] | None  # of their labels; None: it says its answers alone


def name_change(
    *,
    better: Sample,
    worse: Sample,
    predict: Predict,
    seed: int,
    probabilities: Probable | None = None,
    learned: bool = False,
) -> NamedChange | None:
    """Return the change that explains why the network is worse on one sample than on the other; None if none does.

    Where the better images are `learned` by heart, any change of them costs answers, so that their pixels must tell.
    """

    def judge(images: Images, labels: Labels) -> Judged:
        if probabilities is None:
            return Judged(predict(images) == labels, None)
        found = probabilities(images)
        likelihood = np.maximum(found[np.arange(len(labels)), labels], LEAST_LIKELIHOOD).astype(np.float64)
        return Judged(found.argmax(axis=1) == labels, np.log(likelihood))

    reached, correct = judge(better.images, better.labels), judge(worse.images, worse.labels)
    few = {undoes: _some(one.images) for undoes, one in ((True, worse), (False, better))}
    wanted, given = statistics_of(few[False]), statistics_of(few[True])
    sizes, by_number = (len(wanted), len(given)), distances(wanted, given)
    apart, even = float(by_number.mean()), distance(wanted[::2], wanted[1::2])
    surely_apart = kolmogorov(float(by_number.max()), *sizes) < SURELY / len(by_number)
    chance = min(even / 2**0.5, apart)  # distance of as many images of one kind: halves are half as many
    lost = float(reached.right.mean() - correct.right.mean())
    # Chosen without looking at an answer, so only they are tests; of each whether no number differs any more.
    agreeing: list[tuple[Candidate, float, bool]] = []
    for candidate in candidates(fit(source=few[True], target=few[False]), few[True]):
        changed = candidate.change(few[candidate.undoes], np.random.default_rng(seed))
        left = distances(wanted if candidate.undoes else given, statistics_of(changed))
        after, none = float(left.mean()), kolmogorov(float(left.max()), *sizes) >= P_VALUE / len(left)
        told = candidate.loses_detail and surely_apart and none
        if told or after <= _most_distance(candidate, apart=apart, chance=chance, even=even):
            agreeing.append((candidate, after, told))
    found: list[NamedChange] = []
    for candidate, after, told in agreeing:
        asked = worse if candidate.undoes else better
        answers = judge(candidate.change(asked.images, np.random.default_rng(seed)), asked.labels)
        plain = told or apart > PLAIN * max(after, chance)  # the pixels alone say which it is: it must only matter
        if candidate.undoes:
            least = max(LEAST_RISE, _share_to_regain(candidate, apart=apart, left=max(after, even)) * lost)
            # Levels that were fitted to chance alone make answers a little surer, too.
            fitted_to_chance = bool(candidate.numbers) and apart <= EVEN * chance
            before = replace(correct, log_likelihood=None) if fitted_to_chance else correct
            accepted = _rises(before, answers, tried=1 if plain else len(agreeing), least=least)
        else:
            agrees = plain or not learned or after <= chance + AGREE_LEARNED * (apart - chance)
            accepted = agrees and _reproduces(reached, answers, correct, tried=len(agreeing), plain=plain)
            accepted &= told or apart > EVEN * chance  # splits drawn alike need no explanation by their pixels
        if accepted:
            named = _named(candidate, correct.right, answers.right, apart, after)
            found.append(replace(named, better=float(reached.right.mean())))
    return _best(found, count=len(worse.labels))


def _some(images: Images) -> Images:
    return images[:: -(-len(images) // LOOKED_AT) or 1]


def _most_distance(candidate: Candidate, *, apart: float, chance: float, even: float) -> float:
    """Return the distance of the pixels that may be left, of what is beyond chance; `even`: that of two halves."""
    if not candidate.loses_detail and not candidate.numbers:
        return EVEN * even
    return chance + (AGREE_REPRODUCED if candidate.loses_detail else AGREE) * (apart - chance)


def _share_to_regain(candidate: Candidate, *, apart: float, left: float) -> float:
    """Return how much of what the worse split lost undoing must bring back.

    Nothing where pixels that were far apart then are the same although nothing was fitted: what else is wrong, such as
    an epoch that was chosen by spoilt images, is another matter.
    """
    if candidate.numbers:
        return REGAINED_FITTED
    return 0.0 if apart > PLAIN * left else REGAINED


def _reproduces(reached: Judged, made: Judged, correct: Judged, *, tried: int, plain: bool) -> bool:
    """Return whether a change of the better split loses about what the worse one lost.

    `reached` is what the network makes of it, `made` of it once it is changed, `correct` of the worse split. A
    small loss is enough where the change costs answers beyond chance, image by image; so small a one may be missed.
    Where the pixels alone say which change it is, what counts is what it costs on the same images: the worse split may
    have easier ones.
    """
    own, other = float(made.right.mean()), float(correct.right.mean())
    lost, missed = float(reached.right.mean()) - (own if plain else other), own - other if plain else abs(own - other)
    shares, counts = [own, other], [len(made.right), len(correct.right)]
    error = sum(share * (1 - share) / count for share, count in zip(shares, counts, strict=True)) ** 0.5
    if missed > max(REPRODUCED, BY_CHANCE * error) or lost < LEAST_RISE:
        return False
    return lost > 2 * REPRODUCED or _rises(made, reached, tried=1 if plain else tried, least=lost / 2)


def _rises(before: Judged, after: Judged, *, tried: int, least: float) -> bool:
    """Return whether more answers are correct, beyond chance over all changes that are tried.

    By McNemar's exact test of the answers, or by Wilcoxon's of how likely the labels are found.
    """
    gained, dropped = int((after.right & ~before.right).sum()), int((before.right & ~after.right).sum())
    if (gained - dropped) / len(before.right) < least:
        return False
    if binomtest(gained, gained + dropped, 0.5, alternative="greater").pvalue < P_VALUE / tried:
        return True
    if before.log_likelihood is None or after.log_likelihood is None:
        return False
    rises = after.log_likelihood - before.log_likelihood
    return bool(wilcoxon(rises, alternative="greater").pvalue < P_VALUE_OF_LIKELIHOODS / tried)


def _named(
    candidate: Candidate, before: NDArray[np.bool_], after: NDArray[np.bool_], apart: float, left: float
) -> NamedChange:
    shares, counts = [float(after.mean()), float(before.mean())], [len(after), len(before)]
    _, low, high = combination_interval([1, -1], shares, counts)
    return NamedChange(candidate, shares[1], shares[0], low, high, apart, left, ())


def _best(found: list[NamedChange], *, count: int) -> NamedChange | None:
    """Return the change that restores most; of those that restore as much, the simplest whose pixels agree best."""
    if not found:
        return None
    most = max((one.after for one in found if one.candidate.undoes), default=0.0)
    as_much = max(LEAST_RISE, SAME_IMAGES / count**0.5)
    near = [one for one in found if not one.candidate.undoes or one.after >= most - as_much]
    near.sort(key=lambda one: one.distance_after + SIMPLER * one.candidate.numbers)
    best = near[0]
    others = dict.fromkeys(one.candidate.id for one in near[1:] if one.candidate.id != best.candidate.id)
    return replace(best, others=tuple(others))
