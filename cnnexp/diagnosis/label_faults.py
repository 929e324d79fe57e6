"""Cause 1b, the labels: do they belong to the images, and which of them are wrong?

Asked of the training images, because labels are wrong where a network learns from them. A network in inference mode is
better on its training images than on others, or as good: where it is worse, their labels contradict what it has learned
from them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.answers import Answers, implausible_share, surest
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, beats_majority, combination_interval, exact_interval
from cnnexp.diagnosis.split_gap import accuracy_difference, differs, worse_split
from cnnexp.records import Finding

# L3: standard errors of the agreement of neighbours above that of permuted labels. Of labels that belong to photographs
# it is 20 and more in a thousand images, of permuted ones below 3.
AT_CHANCE = 4.0
FEWEST_IMAGES = 200  # for fewer, neighbours of correct labels may agree by chance, too
LIFTED = 0.2  # of the same way: CIFAR-10 airplane to deer has 0.24, Fashion-MNIST 0 to 4 0.72, digits 0.93
# Lift of train by that of validation, which has fewer images and so less: 0.92 and more on digits, Fashion-MNIST 0 to 4
# and CIFAR-10 airplane to deer, also with a fifth of the images or noise; 0.38 with 40 % of the training labels wrong,
# at most 0.1 with 80 % out of step.
FAR_LESS, ERRORS = 0.3, 3.0
UNLIFTED = 0.05  # of the way from chance to full agreement: correct labels of hard images may agree that little

# L1: of the surest quarter of the answers. Networks that learned their classes leave at most 0.04 of them to classes
# that they find implausible, noise of 10 % leaves 0.06 and more.
SUREST = 0.25
LEAST_NOISE = 0.05
SURELY = 0.025  # low end of its 99 % interval
SURELY_COMPARED = 0.01  # the same where test images, too, say that it is the labels
EXPLAINED = 0.9  # share of the surest answers that are correct or contradicted by an implausible label: no others are
LEARNED = 0.4  # of the way from chance to all correct: below, a network's surest answers are not sure

# L2: a pair of classes, of the surest half of the answers with one of them.
LEAST_FLIPPED = 0.1
FEWEST_ANSWERS = 20  # of such answers; with less, two images would be a tenth
INDEPENDENT = 0.5  # share among the surest half, in units of that among the others: of hard images it is far smaller
LEARNED_PAIR = 0.2  # as above; a pair is compared with other pairs, or with test images
ALONE = 1 / 3  # of the share of the pair: the next pair, of another class
# Accuracy on training images that nearest neighbours may have more than the network. With flipped labels both lose as
# much; healthy networks of development are 3 below to 12 above.
LEARNED_LESS = 0.05
AS_MANY = 1 / 2  # of the share, that the most similar images must contradict, too, if only at the end of the interval


def detect_permuted_labels(run: RunEvidence) -> Finding | None:
    """Report L3 when neighbouring images agree in their labels no more than by chance, and the network learned nothing.

    The neighbours are those of the pixels: they do not depend on a training that may have failed for another reason.
    """
    near = None if run.neighbours is None else run.neighbours.labels
    if near is None or near.images < FEWEST_IMAGES:
        return None
    if beats_majority(run.evaluation) or near.lift >= LIFTED:
        return _permuted_validation(run, near.lift) or _mostly_permuted(run)
    if near.agreement > near.chance + AT_CHANCE * near.spread or near.lift > UNLIFTED:
        return None
    learned = run.train_accuracy - run.val_accuracy
    return Finding(
        id="L3",
        cause=1,
        title="labels do not belong to the images",
        sentence=(
            f"The labels of the most similar training images agree in {near.agreement:.1%} of all pairs, and "
            f"{near.chance:.1%} would agree by chance: the labels say nothing about the images, so there is nothing "
            "that any learning rate could learn. As when images and labels were shuffled apart."
        ),
        evidence={
            "agreement_of_neighbours": near.agreement,
            "agreement_by_chance": near.chance,
            "standard_error": near.spread,
            "images": near.images,
            "train_minus_validation_accuracy": learned,
            "beats_majority": 0.0,
        },
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair="look at ten training images and their labels; read images and labels in the same order",
    )


def _mostly_permuted(run: RunEvidence) -> Finding | None:
    """Report L3 when similar training images agree far less in their labels than similar validation images do."""
    near = run.neighbours
    if near is None or near.labels is None or near.others is None or differs("validation", run):
        return None
    train, others = near.labels, near.others
    most = train.lift + ERRORS * train.spread / (1 - train.chance)
    least = others.lift - ERRORS * others.spread / (1 - others.chance)
    if others.images < FEWEST_IMAGES or most > FAR_LESS * least:
        return None
    right = math.sqrt(max(train.lift, 0.0) / others.lift)
    return Finding(
        id="L3",
        cause=1,
        title="labels do not belong to the training images",
        sentence=(
            f"The labels of the most similar training images agree in {train.agreement:.1%} of all pairs, where "
            f"{train.chance:.1%} would by chance; those of the validation images, of which there are fewer, in "
            f"{others.agreement:.1%}. So at most about {right:.0%} of the training labels belong to their images, "
            f"as where most were moved by some places. {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={
            "agreement_of_train": train.agreement,
            "agreement_of_validation": others.agreement,
            "agreement_by_chance": train.chance,
        },
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair="look at ten training images and their labels; read images and labels in the same order",
    )


def _permuted_validation(run: RunEvidence, lift: float) -> Finding | None:
    """Report L3 when labels of training images belong to them, and those of validation do not."""
    near, counts = run.neighbours, np.array(run.class_counts["validation"])
    if near is None or lift < LIFTED or near.answered < FEWEST_IMAGES / 2:
        return None
    chance = float(counts.max() / max(counts.sum(), 1))
    low, high = (float(bound) for bound in exact_interval(near.accuracy, near.answered))
    gap = worse_split(run)
    if low > chance or high > chance + lift * (1 - chance) / 2 or gap is None or gap.worse != "validation":
        return None
    return Finding(
        id="L3",
        cause=1,
        title="labels do not belong to the validation images",
        sentence=(
            f"The most similar training images answer {near.accuracy:.1%} of the validation images (99 % interval "
            f"{low:.1%} to {high:.1%}), and always answering the most common class {chance:.1%}, although labels "
            f"of similar training images agree. Test is {100 * gap.gap:.1f} points better: the labels of validation do "
            "not belong to its images, and the epoch was chosen by them."
        ),
        evidence={"accuracy_of_neighbours": near.accuracy, "chance": chance, "gap": gap.gap},
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair="look at ten validation images and their labels; read images and labels in the same order",
    )


def detect_label_noise(run: RunEvidence) -> Finding | None:
    """Report L1 when the network is sure of answers that the labels of training images contradict at random."""
    train, test = run.answers.get("train"), run.answers.get("test")
    if train is None or test is None or train.probabilities.shape[1] < 3:
        return None
    rows, (noise, low, high) = _noise(train, apart_from=_flipped(train, test))
    gap, gap_low, _ = accuracy_difference(run, "test", "train")
    compared = gap_low > 0
    if noise < LEAST_NOISE or low < (SURELY_COMPARED if compared else SURELY):
        return None
    correct = float((train.predicted == train.labels)[rows].mean())
    if not compared and (correct + noise < EXPLAINED or lifted(run.val_accuracy, train) < LEARNED):
        return None
    seen = (
        f" It answers {gap * 100:.1f} points more of the test images as labelled, which it has never seen."
        if compared
        else ""
    )
    return Finding(
        id="L1",
        cause=1,
        title="wrong labels",
        sentence=(
            f"Many training labels are wrong: of the quarter of the training images that the network is surest of, "
            f"{1 - correct:.1%} have another label, and labels that it finds least plausible are as frequent as if "
            f"{min(noise, 1):.0%} of all labels had been drawn at random (99 % interval {low:.0%} to "
            f"{min(high, 1):.0%}).{seen}"
        ),
        evidence={
            "noise": noise,
            "noise_low": low,
            "noise_high": high,
            "contradicted_surest": 1 - correct,
            "train_accuracy": run.train_accuracy,
            "test_accuracy": run.evaluation.metrics["accuracy"],
        },
        confidence=confidence_by(_basis(compared)),
        basis=_basis(compared),
        repair="look through the images that cnnexp check-data --labels lists, and correct their labels",
    )


def _noise(train: Answers, *, apart_from: "Flip | None") -> tuple[NDArray[np.int64], tuple[float, float, float]]:
    """Return the rows of the surest answers, and the share of random labels among them with its interval."""
    rows = surest(train, np.arange(len(train.labels)), share=SUREST)
    if apart_from is not None:
        flips = (train.predicted[rows] == apart_from.true) & (train.labels[rows] == apart_from.labelled)
        rows = rows[~flips]
    return rows, implausible_share(train, rows)


@dataclass(frozen=True, slots=True)
class Flip:
    """Images of one class that are labelled as another."""

    true: int
    labelled: int
    share: float  # of the surest half of the answers `true`, that are labelled so
    low: float  # 99 % interval
    high: float
    compared: bool  # the test images do not have it


def detect_flipped_class(run: RunEvidence) -> Finding | None:
    """Report L2 when images that surely look like one class are often labelled as one other class."""
    train, test = run.answers.get("train"), run.answers.get("test")
    if train is None or test is None or lifted(run.train_accuracy, train) < LEARNED_PAIR:
        return None
    flip = _flipped(train, test)
    if flip is None or _pixels_contradict(run, flip) or (not flip.compared and _knows_less_than_neighbours(run)):
        return None
    if train.probabilities.shape[1] > 2 and _noise(train, apart_from=flip)[1][0] >= LEAST_NOISE:
        return None  # of labels that are wrong at random, some pair is always the most frequent one
    names = [score.name for score in run.evaluation.per_class]
    true, labelled = names[flip.true], names[flip.labelled]
    seen = ", while next to none of the test images are" if flip.compared else ""
    return Finding(
        id="L2",
        cause=1,
        title="two classes mixed up",
        sentence=(
            f"Many images of {true} are labelled {labelled}: of the training images that the network takes for {true} "
            f"most surely, {flip.share:.1%} are labelled {labelled} (99 % interval {flip.low:.1%} to "
            f"{flip.high:.1%}){seen}. Hard images would be those that it is less sure of."
        ),
        evidence={"share": flip.share, "share_low": flip.low, "share_high": flip.high},
        confidence=confidence_by(_basis(flip.compared)),
        basis=_basis(flip.compared),
        repair=f"look at the images labelled {labelled} that are answered {true}; correct them, or merge the two",
    )


def _knows_less_than_neighbours(run: RunEvidence) -> bool:
    """Return whether other training images answer far more of the training images than the network does.

    Then it may just not tell the two apart yet. Labels that are wrong would mislead both.
    """
    counts = None if run.neighbours is None else run.neighbours.confusion
    return counts is not None and bool(np.trace(counts) / counts.sum() >= run.train_accuracy + LEARNED_LESS)


def _pixels_contradict(run: RunEvidence, flip: Flip) -> bool:
    """Return whether by the most similar training images far fewer labels of the pair are wrong, either way.

    A label that is wrong differs from those of the images around it, whatever the network has learned of the two.
    """
    counts = None if run.neighbours is None else run.neighbours.confusion
    if counts is None or max(flip.true, flip.labelled) >= len(counts):
        return False
    ways = ((flip.labelled, flip.true), (flip.true, flip.labelled))
    elected = [int(counts[:, answer].sum()) for _, answer in ways]
    shares = [counts[way] / max(total, 1) for way, total in zip(ways, elected, strict=True)]
    most = [exact_interval(share, max(total, 1))[1] for share, total in zip(shares, elected, strict=True)]
    return bool(max(most) < AS_MANY * flip.share)


def _flipped(train: Answers, test: Answers) -> Flip | None:
    """Return the pair of which most is flipped, if it stands out from all other pairs or from the test images."""
    shares = pair_shares(train)
    true, labelled = np.unravel_index(shares.sure.argmax(), shares.sure.shape)
    share, count = float(shares.sure[true, labelled]), int(shares.counts[true])
    if count < FEWEST_ANSWERS or share < LEAST_FLIPPED:
        return None
    low, high = (float(bound) for bound in exact_interval(share, count))
    others = np.delete(shares.sure, true, axis=0)
    unrelated = float(np.delete(others, true, axis=1).max(initial=0)) if others.shape[1] > 2 else 0.0
    mutual = float(shares.sure[labelled, true])
    one_way = mutual < share / 2
    flat = share >= INDEPENDENT * shares.unsure[true, labelled]
    reference = pair_shares(test)
    _, gap_low, _ = combination_interval(
        [1, -1], [share, reference.sure[true, labelled]], [count, max(int(reference.counts[true]), 1)]
    )
    expected = reference.sure[true, labelled]
    compared = gap_low > 0 and reference.counts[true] > 0 and expected <= ALONE * share
    stands_out = max(unrelated, mutual) <= ALONE * share
    if not (one_way and flat and low > LEAST_FLIPPED / 2 and (compared or stands_out)):
        return None
    return Flip(int(true), int(labelled), share, low, high, bool(compared))


@dataclass(frozen=True, slots=True)
class PairShares:
    """Of the answers with a class (row), the share that is labelled as another (column), 0 on the diagonal."""

    sure: NDArray[np.float64]  # (K, K) of the surest half
    unsure: NDArray[np.float64]  # (K, K) of the others
    counts: NDArray[np.int64]  # (K,) answers in the surest half


def pair_shares(answers: Answers) -> PairShares:
    """Return how labels contradict answers, by how sure these are."""
    classes = answers.probabilities.shape[1]
    sure, unsure = np.zeros((classes, classes)), np.zeros((classes, classes))
    counts = np.zeros(classes, np.int64)
    for answer in range(classes):
        order = surest(answers, np.flatnonzero(answers.predicted == answer), share=1)
        half = len(order) // 2
        counts[answer] = half
        for rows, shares in ((order[:half], sure), (order[half:], unsure)):
            if len(rows):
                shares[answer] = np.bincount(answers.labels[rows], minlength=classes) / len(rows)
    for shares in (sure, unsure):
        np.fill_diagonal(shares, 0)
    return PairShares(sure, unsure, counts)


def lifted(accuracy: float, answers: Answers) -> float:
    """Return how far an accuracy is on the way from the most common label of these images to all correct."""
    common = float(np.bincount(answers.labels).max() / len(answers.labels))
    return (accuracy - common) / (1 - common) if common < 1 else 0.0


def _basis(compared: bool) -> Basis:
    return Basis.COMPARED_LABELS if compared else Basis.LABELS
