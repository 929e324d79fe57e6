"""Which change of pixels makes one split differ from another?

The trained network is the judge: a change of pixels is named where undoing it on the images of the worse split brings
back correct answers, beyond chance and image by image, and where their pixels then agree with those of the better
split. What loses information, blur and noise, cannot be undone; it is named where the same change of the better split's
images reproduces both the loss and the pixels.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cnnexp.diagnosis.image import changes
from cnnexp.diagnosis.image.changes import Transform
from cnnexp.diagnosis.intervals import combination_interval
from cnnexp.diagnosis.pixel_statistics import Fit, distance, fit, statistics_of
from cnnexp.records import Images, Labels

# Set on digits, Fashion-MNIST 0 to 4 and CIFAR-10 airplane to deer with the test faults of development, answered by a
# support vector machine and by narrow networks. P_VALUE and LEAST_RISE follow from what a finding is for.
P_VALUE = 0.01  # over all changes after which the pixels agree
LEAST_RISE = 0.02  # of accuracy: less does not matter
REGAINED = 0.7  # of what the worse split lost, that undoing must bring back ...
REGAINED_FITTED = 0.4  # ... or, where levels were fitted, this: what was cut off at black or white is lost
AGREE = 0.75  # of the distance of the pixels before, that may be left where levels were fitted
EVEN = 1.5  # times the distance of two halves of the better split, that may be left where all is undone
PLAIN = 3.0  # times what is left: of digits, inverted, 4 with 80 images and 8 with 400; turned or mirrored, about 1
REPRODUCED = 0.05  # accuracy by which the same change of the better split may miss that of the worse one, and ...
BY_CHANCE = 1.5  # standard errors by which it may miss it, where they are more
AGREE_REPRODUCED = 0.6  # ... the distance of the pixels, as a share of that before; also where blur or noise is undone
TILTS = (10, 20, 30, 45)  # degrees to either side
SAME_IMAGES = 0.6  # two standard errors, by the root of the number of images, where one answer in ten differs
SIMPLER = 0.02  # of the distance: a change with one number more must agree so much better
# Levels of which one may stay the same under a gain and an offset that were made around a mean: exposures keep black.
MIDDLE = (25.0, 230.0)
CHANGED_GAIN = 0.1  # logarithm of a gain, below which contrast stays
ASPECTS = (0.5, 0.6, 0.75)  # share of one side that is left where the other one is whole

Predict = Callable[[Images], Labels]
Sure = Callable[[Images], tuple[Labels, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Sample:
    """Images of a split; entry i of both is the same."""

    images: Images  # (N, H, W, C)
    labels: Labels  # (N,)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A change that the worse split may have suffered."""

    id: str  # of the fault catalogue
    title: str  # "test is ..."
    how: str  # what is done to the images that are compared, in words
    repair: str
    change: Transform
    undoes: bool  # it is made to the worse split's images; else to the better one's
    loses_detail: bool  # it cannot be undone on the images that suffered it
    numbers: int  # that were fitted


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


def name_change(*, better: Sample, worse: Sample, predict: Predict, seed: int) -> NamedChange | None:
    """Return the change that explains why the network is worse on one sample than on the other; None if none does."""
    reached, correct = predict(better.images) == better.labels, predict(worse.images) == worse.labels
    wanted = statistics_of(better.images)
    apart, even = distance(wanted, statistics_of(worse.images)), distance(wanted[::2], wanted[1::2])
    chance = min(even / 2**0.5, apart)  # distance of as many images of one kind: halves are half as many
    lost = float(reached.mean() - correct.mean())
    agreeing: list[tuple[Candidate, Images, float]] = []  # chosen without looking at an answer, so only they are tests
    for candidate in _candidates(fit(source=worse.images, target=better.images), worse.images):
        generator = np.random.default_rng(seed)
        changed = candidate.change(worse.images if candidate.undoes else better.images, generator)
        other = wanted if candidate.undoes else statistics_of(worse.images)
        after = distance(other, statistics_of(changed))
        if after <= _most_distance(candidate, apart=apart, chance=chance, even=even):
            agreeing.append((candidate, changed, after))
    found: list[NamedChange] = []
    for candidate, changed, after in agreeing:
        answers = predict(changed) == (worse if candidate.undoes else better).labels
        plain = apart > PLAIN * max(after, chance)  # the pixels alone say which it is: it must only matter
        if candidate.undoes:
            least = max(LEAST_RISE, _share_to_regain(candidate, apart=apart, left=max(after, even)) * lost)
            accepted = _rises(correct, answers, tried=1 if plain else len(agreeing), least=least)
        else:
            accepted = _reproduces(reached, answers, correct, tried=len(agreeing), plain=plain)
            accepted &= apart > EVEN * chance  # splits drawn alike need no explanation by their pixels
        if accepted:
            found.append(_named(candidate, correct, answers, apart, after))
    return _best(found, count=len(worse.labels))


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


def _reproduces(
    reached: NDArray[np.bool_], made: NDArray[np.bool_], correct: NDArray[np.bool_], *, tried: int, plain: bool
) -> bool:
    """Return whether a change of the better split loses about what the worse one lost.

    `reached` (N,) are its right answers, `made` those once it is changed, `correct` (M,) those of the worse split. A
    small loss is enough where the change costs answers beyond chance, image by image; so small a one may be missed.
    """
    lost, missed = float(reached.mean() - correct.mean()), abs(float(made.mean() - correct.mean()))
    shares, counts = [float(made.mean()), float(correct.mean())], [len(made), len(correct)]
    error = sum(share * (1 - share) / count for share, count in zip(shares, counts, strict=True)) ** 0.5
    if missed > max(REPRODUCED, BY_CHANCE * error) or lost < LEAST_RISE:
        return False
    return lost > 2 * REPRODUCED or _rises(made, reached, tried=1 if plain else tried, least=lost / 2)


def _rises(before: NDArray[np.bool_], after: NDArray[np.bool_], *, tried: int, least: float) -> bool:
    """Return whether more answers are correct, beyond chance over all changes that are tried (McNemar's exact test)."""
    gained, dropped = int((after & ~before).sum()), int((before & ~after).sum())
    rise = (gained - dropped) / len(before)
    if rise < least:
        return False
    return bool(binomtest(gained, gained + dropped, 0.5, alternative="greater").pvalue < P_VALUE / tried)


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
    return NamedChange(
        best.candidate,
        best.before,
        best.after,
        best.rise_low,
        best.rise_high,
        best.distance_before,
        best.distance_after,
        tuple(others),
    )


def exact_changes(images: Images) -> Iterator[Candidate]:
    """Yield the changes that are possible with these images, and that are undone exactly, with no number fitted."""
    yield _undo("P6", "inverted", "255 - x", "invert its pixels: image = 255 - image", changes.invert)
    if images.shape[-1] == 3:
        swap = "exchange its channels: image = image[..., ::-1]; OpenCV reads blue first"
        yield _undo("P5", "with red and blue exchanged", "red and blue exchanged", swap, changes.swap_channels)
        for order in ((1, 2, 0), (2, 0, 1), (0, 2, 1), (1, 0, 2)):
            back = f"image = image[..., {list(order)}]"
            title = "with channels in another order"
            yield _undo("P5", title, back, f"put its channels in order: {back}", changes.reorder_channels(order))
    yield from _orientations()


def _candidates(found: Fit, images: Images) -> Iterator[Candidate]:
    """Yield the changes that are possible with these images."""
    yield from exact_changes(images)
    turned = "leave out random turns and mirroring where images are judged, or read files with their orientation (EXIF)"
    own_way = "a turn and a mirroring of each image, drawn at random"
    title = "turned or mirrored, each image in its own way"
    yield Candidate("P8", title, own_way, turned, changes.turn_each, undoes=False, loses_detail=True, numbers=1)
    yield from _tilts()
    yield from _levels(found)
    yield from _sizes()
    yield from _losses(found)


def _undo(
    fault: str,
    title: str,
    how: str,
    repair: str,
    change: Transform,
    *,
    numbers: int = 0,
) -> Candidate:
    return Candidate(fault, title, how, repair, change, undoes=True, loses_detail=False, numbers=numbers)


def _orientations() -> Iterator[Candidate]:
    turned = "read it with its orientation (EXIF), or turn it as the training images are"
    for title, how, change in (
        ("turned a quarter to the left", "turned a quarter to the right", changes.turn(3)),
        ("turned a quarter to the right", "turned a quarter to the left", changes.turn(1)),
        ("upside down", "turned by half", changes.turn(2)),
        ("mirrored", "mirrored", changes.mirror),
        ("flipped top to bottom", "flipped", changes.flip),
        ("with rows and columns exchanged", "rows and columns exchanged", changes.transpose),
    ):
        yield _undo("P8", title, how, turned, change)


def _tilts() -> Iterator[Candidate]:
    for degrees in TILTS:
        for side, other, angle in (("left", "right", -degrees), ("right", "left", degrees)):
            title, how = f"tilted to the {side}", f"turned by {degrees}° to the {other}"
            straight = "take it upright, as the training images are, or train with augmentation.rotation"
            yield _undo("P8", title, how, straight, changes.tilt(angle), numbers=1)


def _levels(found: Fit) -> Iterator[Candidate]:
    """Yield fitted changes of levels. A gain of 1/255 and the like is a scaling that was forgotten or made twice."""
    gain, offset = found.gain, found.offset
    formula = f"{gain:.3g} x {'+' if offset >= 0 else '-'} {abs(offset):.3g}"
    title, once = "on another scale of values", "scale its pixels as the training images are: 0 to 255, once"
    if found.range_gain is not None:
        whole = changes.affine(found.range_gain, 0.0)
        yield _undo("P3", title, f"{found.range_gain:.3g} x", once, whole, numbers=1)
    if found.is_scaled:  # so few levels are left that the ends of the range say little
        yield _undo("P3", title, formula, once, changes.affine(gain, offset), numbers=1)
    same = "expose and convert it as the training images were, or train with augmentation.brightness and contrast"
    darker = "darker" if found.is_darker else "brighter"
    if _is_around_a_mean(found):
        normalized = "of another mean and deviation of its values (gain and offset)"
        twin = "normalize it by the mean and deviation that the training images were normalized by"
        yield _undo("P4", normalized, formula, twin, changes.affine(gain, offset), numbers=2)
    else:
        yield _undo("P9", f"{darker} (gain and offset)", formula, same, changes.affine(gain, offset), numbers=2)
    yield _undo("P9", f"{darker} (gamma)", f"gamma {found.gamma:.3g}", same, changes.gamma(found.gamma), numbers=1)
    if len(found.channel_gains) == 3:
        cast = ", ".join(f"{one:.2g}" for one in found.channel_gains)
        yield _undo(
            "P9",
            "of another colour cast",
            f"channels times {cast}",
            "balance its white as that of the training images, or train with augmentation.hue",
            changes.channel_gains(*found.channel_gains),
            numbers=3,
        )


def _is_around_a_mean(found: Fit) -> bool:
    """Return whether a gain and an offset move both ends of the levels, to or from one in the middle that stays.

    Light, exposure and gamma keep black, and what adds light to all levels keeps none.
    """
    if found.gain <= 0 or abs(np.log(found.gain)) < CHANGED_GAIN:
        return False
    stays = found.offset / (1 - found.gain)
    return bool(MIDDLE[0] <= stays <= MIDDLE[1])


def _sizes() -> Iterator[Candidate]:
    """Yield crops of the worse split, reproduced on the better one, and frames, which are cropped off."""
    same = "resize and crop it by the same rule as the training images (data.resize)"
    wholes = [(f"the middle {share:.0%} enlarged", share, share) for share in (0.5, 0.6, 0.7, 0.8, 0.85, 0.9)]
    wholes += [(f"the middle {share:.0%} of the height stretched", share, 1.0) for share in ASPECTS]
    wholes += [(f"the middle {share:.0%} of the width stretched", 1.0, share) for share in ASPECTS]
    for middle, height, width in wholes:
        crop = changes.crop(height, width)
        yield _undo("P7", "padded or zoomed out", middle, same, crop, numbers=1)
        yield Candidate("P7", "cropped or zoomed in", middle, same, crop, undoes=False, loses_detail=True, numbers=1)


def _losses(found: Fit) -> Iterator[Candidate]:
    """Yield blur and noise: of the worse split, reproduced on the better one, or of the better one, and then undone."""
    sharp = "take it in focus, at least as large as the network's input, and by the same resize rule"
    clean = "take the images of all splits from one source, or train with noise"
    blurred = "blurred" if found.worse_is_blurred else "sharper"
    noisy = "noisy" if found.worse_is_noisy else "less noisy"
    for amount in found.blurs:
        change, how = changes.gaussian_blur(amount), f"a blur of {amount:.2g} px"
        yield Candidate("D2", blurred, how, sharp, change, not found.worse_is_blurred, True, 1)
    for amount in found.noises:
        change, how = changes.gaussian_noise(amount), f"noise of {amount:.2g} levels"
        yield Candidate("D3", noisy, how, clean, change, not found.worse_is_noisy, True, 1)
