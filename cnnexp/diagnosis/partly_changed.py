"""Which change of pixels did a part of a split suffer?

Undoing a change on all images helps little where half of them never had it. So each image is judged by its pixels: is
it more like the better split's images, or like these once they are changed? Those that look changed are undone, and the
network says whether that brings their answers back. No answer is looked at before.

Pixels do not tell a turned image from an upright one of most things. There the images that are answered wrongly are
undone: hard ones, or ones with wrong labels, do not become right by that, in all classes alike. Of photographs a third
may be hard. There each image is answered as the version of it that the network is surer of, as it is or undone; that
brings nothing where none was changed, which the better split shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cnnexp.diagnosis.between_splits import EVEN, LEAST_RISE, P_VALUE, REGAINED, Predict, Probable, Sample
from cnnexp.diagnosis.candidate_changes import Candidate, exact_changes
from cnnexp.diagnosis.intervals import Z, exact_interval
from cnnexp.diagnosis.pixel_statistics import Statistics, by_chance, distance, statistics_of
from cnnexp.diagnosis.told_apart import Sorter, fit_sorter
from cnnexp.records import Images

# Share of the better split's own images, half of them changed, that are sorted rightly by those of the other half. Of
# inverted digits and garments it is 1.0, of photographs with red and blue exchanged 0.8, of mirrored ones 0.5.
TOLD_APART = 0.9
FEWEST = 40  # images of the better split, by which others are sorted
LEAST_PART, MOST_PART = 0.05, 0.95  # of the worse split: less hardly matters, more is the whole
# Of the wrong answers, those that undoing makes right, in units of the accuracy of the better split: nearly all where
# the change is the reason. Wrong for one of 14 other reasons, at most 0.39 of those of digits and of Fashion-MNIST 0 to
# 4 are made right by any of the changes; 0.61 where each image is turned in another way.
MADE_RIGHT = 0.75
# Of what was lost, and by as much more than the better split gains: half of the images that were changed are answered
# by the right version where the network is sure of its answers at all.
BY_SURENESS = 0.4
FEWEST_WRONG = 5  # answers of a class
# Of one class: as many images in both splits, of which so much more is wrong; and no more of all others may be answered
# so once they are changed. Of three in ten turned or inverted images one class gets half.
FEWEST_OF_CLASS, LEAST_OF_CLASS, SAID_OF_OTHERS = 15, 0.3, 0.3
LEARNED = 0.5  # of the better split's answers, that are right
FEWEST_CLASSES = 3  # with so many; of two, a guess is often right


@dataclass(frozen=True, slots=True)
class PartlyChanged:
    """The change, and what undoing it on the images that show it does."""

    candidate: Candidate
    share: float  # of the worse split's images
    before: float  # accuracy of the worse split's images
    after: float  # once those that look changed are undone
    told_apart: float | None  # share of the better split's own images that are sorted rightly; None: by answers
    by_sureness: bool = False  # of answers to both versions of each image; else of the wrong ones
    of_class: int | None = None  # all images of this one alone


def name_partial_change(
    *, better: Sample, worse: Sample, predict: Predict, seed: int, probabilities: Probable | None = None
) -> PartlyChanged | None:
    """Return the change that a part of the worse split suffered, if undoing it there brings back what was lost."""
    if len(better.images) < FEWEST:
        return None
    reached = float((predict(better.images) == better.labels).mean())
    correct = predict(worse.images) == worse.labels
    if reached - float(correct.mean()) < LEAST_RISE:  # of these images; chance may have drawn others
        return None
    by_pixels = _by_pixels(better, worse, correct, reached, predict, seed)
    found = by_pixels or _by_answers(better, worse, correct, reached, predict, seed)
    found = found or (_of_one_class(better, worse, correct, predict, seed) if reached >= LEARNED else None)
    return found if found is not None or probabilities is None else _by_sureness(better, worse, probabilities, seed)


def _by_pixels(
    better: Sample, worse: Sample, correct: NDArray[np.bool_], reached: float, predict: Predict, seed: int
) -> PartlyChanged | None:
    plain, asked = statistics_of(better.images), statistics_of(worse.images)
    possible = list(told_apart(better.images, plain, seed))
    found: list[PartlyChanged] = []
    for candidate, sorter, told in possible:
        rows = np.flatnonzero(sorter.changed(asked))
        share = len(rows) / len(asked)
        if not LEAST_PART <= share <= MOST_PART:
            continue
        undone = correct.copy()
        repaired = candidate.change(worse.images[rows], np.random.default_rng(seed))
        undone[rows] = predict(repaired) == worse.labels[rows]
        gained, dropped = int((undone & ~correct).sum()), int((correct & ~undone).sum())
        if gained - dropped < REGAINED * (reached - correct.mean()) * len(correct):
            continue
        if binomtest(gained, gained + dropped, alternative="greater").pvalue < P_VALUE / len(possible):
            found.append(PartlyChanged(candidate, share, float(correct.mean()), float(undone.mean()), told))
    return max(found, key=lambda one: one.after, default=None)


def _by_answers(
    better: Sample, worse: Sample, correct: NDArray[np.bool_], reached: float, predict: Predict, seed: int
) -> PartlyChanged | None:
    wrong = np.flatnonzero(~correct)
    labels = worse.labels[wrong]
    classes = [label for label in np.unique(labels) if (labels == label).sum() >= FEWEST_WRONG]
    if len(classes) < FEWEST_CLASSES:
        return None
    guessed = 1 / (len(np.unique(better.labels)) - 1)  # of wrong answers, what any other answer makes right
    hard = np.flatnonzero(predict(better.images) != better.labels)
    best: PartlyChanged | None = None
    tried = list(exact_changes(better.images))
    for candidate in tried:
        made = predict(candidate.change(worse.images[wrong], np.random.default_rng(seed))) == labels
        by_class = np.mean([made[labels == label].mean() for label in classes])
        low, _ = exact_interval(float(made.mean()), len(made))
        if min(float(by_class), 2 * float(low)) < MADE_RIGHT * reached or low <= guessed:
            continue
        turned = candidate.change(better.images[hard], np.random.default_rng(seed))
        usual = int((predict(turned) == better.labels[hard]).sum()) if len(hard) else 0
        rate = max(guessed, (usual + guessed) / (len(hard) + 1))  # of hard images, which were not changed
        if binomtest(int(made.sum()), len(made), min(rate, 1.0), alternative="greater").pvalue >= P_VALUE / len(tried):
            continue
        after = float((correct.sum() + made.sum()) / len(correct))
        if best is None or after > best.after:
            best = PartlyChanged(candidate, len(wrong) / len(correct), float(correct.mean()), after, None)
    return best


def _of_one_class(
    better: Sample, worse: Sample, correct: NDArray[np.bool_], predict: Predict, seed: int
) -> PartlyChanged | None:
    """Return the change whose undoing on the images of one class brings its answers back.

    Not where the network answers most other images so, once they are changed: then it is no evidence of what they show.
    """
    known = predict(better.images)
    classes = [
        label
        for label in np.unique(better.labels)
        if min((better.labels == label).sum(), (worse.labels == label).sum()) >= FEWEST_OF_CLASS
    ]
    recalls = {label: float((known[better.labels == label] == label).mean()) for label in classes}
    lost = {label: recalls[label] - float(correct[worse.labels == label].mean()) for label in classes}
    label = max(lost, key=lambda one: lost[one], default=None)
    if label is None or lost[label] < LEAST_OF_CLASS:
        return None
    rows, others = worse.labels == label, better.images[better.labels != label]
    best: PartlyChanged | None = None
    tried = list(exact_changes(better.images))
    for candidate in tried:
        undone = candidate.change(worse.images[rows], np.random.default_rng(seed))
        made = predict(undone) == label
        gained, dropped = int((made & ~correct[rows]).sum()), int((correct[rows] & ~made).sum())
        if made.mean() < MADE_RIGHT * recalls[label] or gained - dropped < REGAINED * lost[label] * rows.sum():
            continue
        if binomtest(gained, gained + dropped, alternative="greater").pvalue >= P_VALUE / (len(tried) * len(classes)):
            continue
        if (predict(candidate.change(others, np.random.default_rng(seed))) == label).mean() > SAID_OF_OTHERS:
            continue
        shown = [statistics_of(images) for images in (undone, better.images[better.labels == label])]
        if distance(*shown) > EVEN * by_chance(*map(len, shown)):
            continue  # its images differ in another way
        after = float((correct[~rows].sum() + made.sum()) / len(correct))
        if best is None or after > best.after:
            share = float(rows.mean())
            best = PartlyChanged(candidate, share, float(correct.mean()), after, None, of_class=int(label))
    return best


def _by_sureness(better: Sample, worse: Sample, probabilities: Probable, seed: int) -> PartlyChanged | None:
    """Return the change after which images are right as the version, as they are or undone, that is answered surest."""
    asked = {"better": better, "worse": worse}
    tried = list(exact_changes(better.images))
    versions = {name: _all_versions(sample, tried, probabilities, seed) for name, sample in asked.items()}
    before = {name: versions[name][0][0] == sample.labels for name, sample in asked.items()}
    lost = float(before["better"].mean() - before["worse"].mean())
    best: PartlyChanged | None = None
    for place, candidate in enumerate(tried, start=1):
        after, shares, errors = {}, {}, {"better": 0.0, "worse": 0.0}
        for name, sample in asked.items():
            answers, surely = versions[name]
            surer = surely[place] > surely[0]
            after[name] = np.where(surer, answers[place], answers[0]) == sample.labels
            shares[name] = float(surer.mean())
            errors[name] = float((after[name].astype(int) - before[name]).std() / len(sample.labels) ** 0.5)
        gains = {name: float(after[name].mean() - before[name].mean()) for name in asked}
        more = gains["worse"] - max(gains["better"], 0.0)
        # Two views of an image are answered better than one, as a rule, whatever it suffered.
        if (
            more < max(LEAST_RISE, BY_SURENESS * lost)
            or more < Z * (errors["worse"] ** 2 + errors["better"] ** 2) ** 0.5
        ):
            continue
        gained = int((after["worse"] & ~before["worse"]).sum())
        dropped = int((before["worse"] & ~after["worse"]).sum())
        if binomtest(gained, gained + dropped, alternative="greater").pvalue >= P_VALUE / len(tried):
            continue
        reached = float(after["worse"].mean())
        if best is None or reached > best.after:
            now = float(before["worse"].mean())
            best = PartlyChanged(candidate, shares["worse"], now, reached, None, by_sureness=True)
    return best


def _all_versions(
    sample: Sample, tried: Sequence[Candidate], probabilities: Probable, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return answers and their probabilities (1 + candidates, N): of the images as they are, and undone in each way."""
    changed = [one.change(sample.images, np.random.default_rng(seed)) for one in tried]
    found = probabilities(np.concatenate([sample.images, *changed]))
    shape = (1 + len(tried), len(sample.labels))
    return found.argmax(axis=1).reshape(shape), found.max(axis=1).reshape(shape)


def told_apart(images: Images, plain: Statistics, seed: int) -> Iterator[tuple[Candidate, Sorter, float]]:
    """Yield the changes of images (N, H, W, C) that pixels alone tell from no change, each with what tells them.

    `plain` are the numbers of the images as they are.
    """
    halves = np.arange(len(plain)) % 2 == 0
    for candidate in exact_changes(images):
        changed = statistics_of(candidate.change(images, np.random.default_rng(seed)))
        told = float(np.mean([_sorted_rightly(plain, changed, fitted=half) for half in (halves, ~halves)]))
        if told >= TOLD_APART:
            yield candidate, fit_sorter(plain, changed), told


def _sorted_rightly(plain: Statistics, changed: Statistics, *, fitted: NDArray[np.bool_]) -> float:
    sorter = fit_sorter(plain[fitted], changed[fitted])
    return float((1 - sorter.changed(plain[~fitted]).mean() + sorter.changed(changed[~fitted]).mean()) / 2)
