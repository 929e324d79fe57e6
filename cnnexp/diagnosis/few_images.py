"""Cause 1a, the data: are there enough training images?"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, Z
from cnnexp.diagnosis.overfitting import accuracy_gap
from cnnexp.diagnosis.training_course import has_collapsed, has_moved
from cnnexp.records import Finding

# Accuracy that nearest neighbours lose with half of the training images. Of digits, Fashion-MNIST and CIFAR-10 it is
# 0.03 at most with a thousand images and more, with a fifth of them 0.03 to 0.09, with a twentieth 0.02 to 0.31.
LEAST_RISE = 0.07
SURE_RISE = 0.02  # low end of its 99 % interval
# Fewer images of a class than this do not show a network from scratch what its images have in common, once it has
# learned them by heart; and of next to none it cannot learn that at all.
FEW_OF_A_CLASS, NEXT_TO_NONE = 50, 20
GAP = 0.10  # of train over validation accuracy, where there are so few; its 99 % interval excludes 0
GOOD = 0.95  # validation accuracy from which more images matter little


def detect_few_images(run: RunEvidence) -> Finding | None:
    """Report D5 when half of the training images would be answered far worse, so that twice as many would help.

    Or when a network that begins with random weights has learned a few images of each class by heart.
    """
    stood_still = bool(run.history.outputs) and not has_moved(run)
    if run.val_accuracy >= GOOD or has_collapsed(run) or stood_still:  # more images help no network that learns none
        return None
    return _by_neighbours(run) or _by_number(run)


def _by_neighbours(run: RunEvidence) -> Finding | None:
    near = run.neighbours
    if near is None or near.rise < LEAST_RISE or near.rise - Z * near.rise_error < SURE_RISE:
        return None
    low, high = near.rise - Z * near.rise_error, near.rise + Z * near.rise_error
    says = (
        f"with half of them, nearest neighbours would answer {100 * near.rise:.1f} points fewer correctly (99 % "
        f"interval {100 * low:.1f} to {100 * high:.1f}), so twice as many should bring about as much."
    )
    numbers = {"rise": near.rise, "rise_low": low, "rise_high": high}
    return _finding(run, says, numbers, basis=Basis.NEIGHBOURS)


def _by_number(run: RunEvidence) -> Finding | None:
    if run.network is None or run.train_images >= FEW_OF_A_CLASS * _classes(run):
        return None
    gap, low, _ = accuracy_gap(run)
    by_heart = gap >= GAP and low > 0
    if not by_heart and run.train_images >= NEXT_TO_NONE * _classes(run):
        return None
    says = (
        f"the network answers {run.train_accuracy:.1%} of them right and {run.val_accuracy:.1%} of the validation "
        f"images{': it has learned them by heart, and' if by_heart else ', and'} so few do not show what the images of "
        "a class have in common."
    )
    basis = Basis.FILES if run.train_images < NEXT_TO_NONE * _classes(run) else Basis.GAP
    return _finding(run, says, {"gap": gap, "gap_low": low}, basis=basis)


def _finding(run: RunEvidence, says: str, numbers: dict[str, float], *, basis: Basis) -> Finding:
    other_start = "" if run.network is None else " or start from a pretrained network"  # this one may have
    return Finding(
        id="D5",
        cause=1,
        title="too few images",
        sentence=f"There are too few training images, {run.train_images:,} of {_classes(run)} classes: {says}",
        evidence={"training_images": run.train_images, "validation_accuracy": run.val_accuracy} | numbers,
        confidence=confidence_by(basis),
        basis=basis,
        repair=f"collect at least twice as many images; until then, augment{other_start}",
        alternatives=("M2", "T3"),
    )


def _classes(run: RunEvidence) -> int:
    return sum(count > 0 for count in run.class_counts["train"])
