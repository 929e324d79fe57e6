"""Cause 2, the fit: did the network memorize the training images?"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import theilslopes

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval, recalls
from cnnexp.diagnosis.split_gap import worse_split
from cnnexp.diagnosis.undertraining import improving_at_end
from cnnexp.records import Finding, History
from cnnexp.system.text import listed

MINIMUM_GAP = 0.03  # a repair closes part of a gap; below 3 points it cannot gain the 2 points that matter
# Where the best weights were kept, what the loss rose after them costs nothing: then the gap itself has to matter.
KEPT_GAP, SURE_KEPT_GAP = 0.05, 0.02
# Without a rising loss. Of CIFAR-10 airplane to deer, 1,200 images, healthy networks of development keep a gap of 0.12,
# ones with another fault of up to 0.18, and the over-fitted one 0.39.
GAP_ALONE = 0.25
SURE_GAP = 0.1  # low end of the 99 % interval of such a gap: of 50 validation images, chance makes 20 points
GAP_DIVERGING = 0.2  # where the accuracies part: train rose, and validation did not
LEAST_STALL = 5  # epochs in which validation accuracy gained nothing; the loss of a healthy run stalls for as long
MINIMUM_AFTER_BEST = 3  # epochs; one or two worse ones are noise
MINIMUM_RISE = 0.10  # relative to the lowest, smoothed validation loss; a healthy loss drifts by less within patience
LISTED_NAMES = 3
VISIBLE = 0.0005  # a difference visible in accuracies that are printed to a tenth of a point


@dataclass(frozen=True, slots=True)
class Turn:
    """The validation loss around and after its lowest epoch."""

    epoch: int  # of the lowest validation loss, from 1
    lowest: float  # median of it and its neighbours
    after: float  # median of all later epochs
    rise: float  # after / lowest - 1
    turned: bool  # it rose, steadily and by enough, while the training loss kept falling


def detect_overfitting(run: RunEvidence) -> Finding | None:
    """Report M2 when train accuracy is above validation accuracy, significantly and by enough, and the curves agree.

    The validation loss must have risen, or the accuracies parted, or the gap must be wide.
    """
    if _missing_from_validation(run) or _is_validation_alone_worse(run):
        return None
    gap, low, high = accuracy_gap(run)
    least, surely = (MINIMUM_GAP, 0.0) if run.keep == "last" else (KEPT_GAP, SURE_KEPT_GAP)
    if low <= surely or gap < least:
        return None
    turn = loss_turn(run.history)
    parted = gap >= GAP_DIVERGING and accuracies_part(run.history)
    alone = gap >= GAP_ALONE and not improving_at_end(run)
    if not turn.turned and not (low >= SURE_GAP and (parted or alone)):
        return None
    basis = Basis.CURVES if turn.turned else Basis.GAP
    return Finding(
        id="M2",
        cause=2,
        title="over-fitting",
        sentence=_sentence(run, turn, (gap, low, high)),
        evidence={
            "train_accuracy": run.train_accuracy,
            "validation_accuracy": run.val_accuracy,
            "gap": gap,
            "gap_low": low,
            "gap_high": high,
            "best_epoch": run.history.best_epoch,
            "lowest_loss_epoch": turn.epoch,
            "lowest_validation_loss": turn.lowest,
            "later_validation_loss": turn.after,
            "validation_loss_rise": turn.rise,
        },
        confidence=confidence_by(basis),
        basis=basis,
        repair=_repair(run),
    )


def _is_validation_alone_worse(run: RunEvidence) -> bool:
    """Return whether test images, not trained on either, are answered far better than those of validation."""
    found = worse_split(run)
    return found is not None and found.worse == "validation"


def overfitting_not_assessed(run: RunEvidence) -> str | None:
    """Return why over-fitting was not assessed; None if it was."""
    missing = _missing_from_validation(run)
    if not missing:
        return None
    return (
        f"Over-fitting was not assessed: validation has no image of {listed(missing, most=LISTED_NAMES)}, so its "
        "accuracy cannot be compared with that of train; raise data.validation or add images."
    )


def _missing_from_validation(run: RunEvidence) -> list[str]:
    """Return the classes of train without validation images, whose accuracy is therefore unknown."""
    pairs = zip(run.class_counts["train"], run.class_counts["validation"], strict=True)
    names = [score.name for score in run.evaluation.per_class]
    return [name for name, (train, val) in zip(names, pairs, strict=True) if train > 0 and val == 0]


def accuracy_gap(run: RunEvidence) -> tuple[float, float, float]:
    """Return train minus validation accuracy with its 99 % interval, as if both held the same shares of classes.

    Where only the training images are imbalanced, most of them are of easy, common classes. That part of the gap, the
    difference of the shares times the recalls on the test split, is not over-fitting and is subtracted.
    """
    support = run.evaluation.confusion.sum(axis=1)
    seen = support > 0
    train, val = (np.array(run.class_counts[split])[seen] for split in ("train", "validation"))
    return combination_interval(
        np.concatenate([[1, -1], val / val.sum() - train / train.sum()]),
        np.concatenate([[run.train_accuracy, run.val_accuracy], recalls(run.evaluation)]),
        np.concatenate([[run.train_images, run.val_images], support[seen]]),
    )


def loss_turn(history: History) -> Turn:
    """Find where the validation loss was lowest and whether it rose from there while the training loss fell."""
    val = np.array([epoch.val_loss for epoch in history.epochs])
    train = np.array([epoch.train_loss for epoch in history.epochs])
    best = int(val.argmin())
    lowest = float(np.median(val[max(best - 1, 0) : best + 2]))
    if len(val) - best - 1 < MINIMUM_AFTER_BEST:
        return Turn(epoch=best + 1, lowest=lowest, after=lowest, rise=0.0, turned=False)
    after = float(np.median(val[best + 1 :]))
    rise = after / lowest - 1 if lowest > 0 else 0.0
    steady = theilslopes(val[best:]).low_slope > 0  # 95 % interval of the slope
    falling = float(np.median(train[best + 1 :])) < train[best]
    return Turn(
        epoch=best + 1, lowest=lowest, after=after, rise=rise, turned=bool(rise >= MINIMUM_RISE and steady and falling)
    )


def accuracies_part(history: History) -> bool:
    """Return whether validation accuracy gained nothing after an epoch from which train accuracy kept rising."""
    val = np.array([epoch.val_accuracy for epoch in history.epochs])
    train = np.array([epoch.train_accuracy for epoch in history.epochs])
    if len(val) <= LEAST_STALL:
        return False
    smooth = np.array([np.median(val[max(place - 1, 0) : place + 2]) for place in range(len(val))])
    best = int(smooth.argmax())
    later = len(val) - best - 1
    return bool(later >= LEAST_STALL and np.median(train[-3:]) - train[best] >= MINIMUM_GAP)


def _sentence(run: RunEvidence, turn: Turn, gap: tuple[float, float, float]) -> str:
    value, low, high = (100 * number for number in gap)
    shifted = abs(run.train_accuracy - run.val_accuracy - gap[0]) >= VISIBLE
    reference = " at equal class shares" if shifted else ""
    text = (
        f"The network is better on its training images than on new ones: {run.train_accuracy:.1%} correct on train, "
        f"{run.val_accuracy:.1%} on validation; {value:.1f} points apart{reference} "
        f"(99 % interval {low:.1f} to {high:.1f})"
    )
    if turn.turned:
        rise = f"the validation loss rose by {turn.rise:.0%} while the training loss fell"
        return f"{text}; after epoch {turn.epoch} {rise}."
    return f"{text}; too few images or wrong labels could look the same."


def _stronger_augmentation(run: RunEvidence) -> str | None:
    """Return the next option that changes images more than the run did; None: there is none, or it is the user's own.

    Changes that were set one by one count as the basic ones; basic ones may change nothing, as of digits that must
    neither be mirrored nor moved.
    """
    match run.augmentation_group:
        case "none" if run.augmentation == "none":
            return "basic"
        case "none" | "basic":
            return "strong"
        case _:
            return None


def _repair(run: RunEvidence) -> str:
    patience = " training.patience=5" if run.patience is None else ""
    if run.dropout == 0 or run.l2 == 0:
        return f"regularization=dropout_l2{patience}"
    if (stronger := _stronger_augmentation(run)) is not None:
        return f"augmentation={stronger}{patience}"
    return f"model=small{patience}, or more training images"
