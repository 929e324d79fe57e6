"""Causes 2 and 4, the fit and the metrics: does a user's own loss lead to right answers, as sure as they are right?"""

import math

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.network_faults import GOOD
from cnnexp.diagnosis.training_course import asks_to_be_too_sure, has_learned_little, is_unfitted
from cnnexp.diagnosis.unlearned import learned_too_little
from cnnexp.records import Finding, LossFacts
from cnnexp.records.catalogue import NAMES

# Follow from what a loss is for; those of Keras for classes, by logits, keep all three: cross-entropy, focal, squared
# error of probabilities, hinge. Squared error of logits keeps none of the second.
MOST_STUCK = 0.25  # share of undecided and wrong answers without a gradient
USUAL_AT_UNIFORM = (0.002, 10.0)  # times ln K, for equal logits
MOST_LEFT = 0.45  # of the loss of equal logits, that a sure and right answer may keep; label smoothing keeps 0.25


def loss_fault(loss: LossFacts) -> str | None:
    """Return in a sentence what is wrong with a loss; None: nothing is."""
    uniform = math.log(loss.classes)
    if loss.stuck >= MOST_STUCK:
        return (
            f"The loss has no gradient for {loss.stuck:.0%} of undecided and wrong answers, so that nothing leads a "
            "network away from them."
        )
    if not USUAL_AT_UNIFORM[0] <= loss.at_uniform / uniform <= USUAL_AT_UNIFORM[1]:
        return (
            f"The loss of equal logits is {loss.at_uniform:.3g}, and that of cross-entropy ln {loss.classes} = "
            f"{uniform:.3g}: it was made for another output than logits."
        )
    if loss.least > MOST_LEFT * loss.at_uniform:
        return (
            f"The loss of right and sure answers is still {loss.least:.3g}, and of equal logits {loss.at_uniform:.3g}: "
            "there is little to gain by being right, as where a softmax is applied twice."
        )
    return None


def detect_loss_mismatch(run: RunEvidence) -> Finding | None:
    """Report M5 when a loss does not fit the logits of a network that did not learn its training images."""
    if run.loss is None or run.val_accuracy >= GOOD:
        return None
    says = loss_fault(run.loss)
    unfitted = is_unfitted(run) or learned_too_little(run) or has_learned_little(run)
    return loss_finding(run.loss, says, accuracy=run.val_accuracy) if says is not None and unfitted else None


def loss_finding(loss: LossFacts, says: str, *, accuracy: float) -> Finding:
    """Return what is said where no training has tried another loss."""
    return Finding(
        id="M5",
        cause=2,
        title=NAMES["M5"],
        sentence=f"{says} {accuracy:.1%} of the validation images are right.",
        evidence={
            "loss_of_equal_logits": loss.at_uniform,
            "least_loss": loss.least,
            "share_without_gradient": loss.stuck,
            "validation_accuracy": accuracy,
        },
        confidence=confidence_by(Basis.STRUCTURE),
        basis=Basis.STRUCTURE,
        repair="loss=cross_entropy",
    )


def detect_sharp_loss(run: RunEvidence) -> Finding | None:
    """Report E3 when a loss asks for logits that are far too large.

    The weights that are kept are those of the lowest cross-entropy of validation, which rises with them, so that it may
    end training at an epoch at which little was learned; a temperature, which is fitted afterwards, does not undo that.
    """
    if run.loss is None or not asks_to_be_too_sure(run):
        return None
    if run.temperature is not None and not is_unfitted(run):
        return None
    fitted = "no temperature was fitted that would make them right"
    if run.temperature is not None:
        fitted = f"a temperature of {run.temperature:.1f}, fitted afterwards, made them right, but not the choice"
    return Finding(
        id="E3",
        cause=4,
        title="over-confident",
        sentence=(
            f"The loss asks for probabilities that are too high: it is least where logits are {run.loss.sharpness:.1f} "
            "times as large as those that are right as often as they say. The validation loss, which is cross-entropy, "
            f"rises with them and chooses too early an epoch; {fitted}. {run.train_accuracy:.1%} of the training and "
            f"{run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={"sharpness_of_the_loss": run.loss.sharpness, "calibration_images": run.calibration_images},
        confidence=confidence_by(Basis.STRUCTURE),
        basis=Basis.STRUCTURE,
        repair="loss=cross_entropy",
        alternatives=("M5",),
    )
