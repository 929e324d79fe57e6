"""Cause 1b, the labels: are many images of one class labelled as one other?

Asked of the training images, because labels are wrong where a network learns from them. A network in inference mode is
better on its training images than on others, or as good: where it is worse, their labels contradict what it has learned
from them.
"""

import numpy as np

from cnnexp.diagnosis.answers import lifted
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, exact_interval
from cnnexp.diagnosis.flipped_pair import Flip, flipped_pair
from cnnexp.diagnosis.label_noise import LEAST_NOISE, random_labels
from cnnexp.records import Finding

LEARNED_PAIR = 0.2  # of the way from chance to all correct; a pair is compared with other pairs, or with test images
# The same where the test images have it, too, so that answers alone say so. A network that answers 0.68 of the training
# images of CIFAR-10 airplane to deer, 0.6 of the way, finds 0.32 of the surest birds labelled deer.
LEARNED_ALONE = 0.7
# Accuracy on training images that nearest neighbours may have more than the network. With flipped labels both lose as
# much; healthy networks of development are 3 below to 12 above.
LEARNED_LESS = 0.05
AS_MANY = 1 / 2  # of the share, that the most similar images must contradict, too, if only at the end of the interval


def detect_flipped_class(run: RunEvidence) -> Finding | None:
    """Report L2 when images that surely look like one class are often labelled as one other class."""
    train, test = run.answers.get("train"), run.answers.get("test")
    if train is None or test is None or lifted(run.train_accuracy, train) < LEARNED_PAIR:
        return None
    flip = flipped_pair(train, test)
    if flip is None or _pixels_contradict(run, flip):
        return None
    if not flip.compared and (lifted(run.train_accuracy, train) < LEARNED_ALONE or _knows_less_than_neighbours(run)):
        return None
    if train.probabilities.shape[1] > 2 and random_labels(train, apart_from=flip)[1][0] >= LEAST_NOISE:
        return None  # of labels that are wrong at random, some pair is always the most frequent one
    names = [score.name for score in run.evaluation.per_class]
    true, labelled = names[flip.true], names[flip.labelled]
    seen = ", while next to none of the test images are" if flip.compared else ""
    basis = Basis.COMPARED_LABELS if flip.compared else Basis.LABELS
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
        confidence=confidence_by(basis),
        basis=basis,
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
