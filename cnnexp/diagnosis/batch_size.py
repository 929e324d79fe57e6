"""Cause 3, the training method: do steps see so few images that they are noise, or so many that there are too few?"""

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.learning_rate import MINIMUM_STEPS
from cnnexp.diagnosis.training_course import (
    FEW_STEPS,
    MANY_EPOCHS,
    STOOD_STILL,
    fall_at_end,
    has_collapsed,
    has_learned_little,
    has_moved,
    is_unfitted,
    last_quarter,
    training_losses,
)
from cnnexp.diagnosis.unlearned import FEW_EPOCHS, enough_epochs, learned_too_little, scores
from cnnexp.diagnosis.unusual_rate import USUAL_BATCH, times_usual
from cnnexp.records import Finding
from cnnexp.system.text import plural

TINY = 8  # images a step: gradients of fewer are mostly noise, at any rate that suits larger batches
LARGE = 128  # images a step; ordinary runs of development have 16 to 64
WHOLE = 2  # steps an epoch
FEW_STEPS_AN_EPOCH = 6  # by theory: a step an image of a few hundred is an epoch of next to nothing
# Usual rates for batches of 32 images that are as noisy (Goyal et al. 2017); ordinary runs have up to 10.
NOISY = 20.0


def detect_tiny_batches(run: RunEvidence) -> Finding | None:
    """Report T5 when a network was given only a few images a step, and learned too little or did not fit its images."""
    stood_still = bool(run.history.outputs) and not (has_moved(run) or has_collapsed(run))  # noise moves outputs
    if run.images_per_step > TINY or stood_still or not (learned_too_little(run) or _is_noisy(run)):
        return None
    return Finding(
        id="T5",
        cause=3,
        title="too small a batch for the rate",
        sentence=(
            f"Each step saw {plural(run.images_per_step, 'image')} at a learning rate of {run.learning_rate:g}: the "
            f"gradient of so few is mostly noise. {run.train_accuracy:.1%} of the training and {run.val_accuracy:.1%} "
            "of the validation images are right. Larger batches or a lower rate would likely help."
        ),
        evidence={"images_per_step": run.images_per_step, "learning_rate": run.learning_rate} | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"training.batch_size={USUAL_BATCH}{_longer(run)}",
        alternatives=("T1",),
    )


def _longer(run: RunEvidence) -> str:
    """Return the setting of more epochs where larger batches would leave a short training too few steps."""
    return f" training.epochs={enough_epochs(run.epochs)}" if run.epochs < FEW_EPOCHS else ""


def _is_noisy(run: RunEvidence) -> bool:
    """Return whether the rate is unusually high for so few images, and training left images unfitted."""
    times = times_usual(run, max(epoch.learning_rate for epoch in run.history.epochs))
    return times is not None and times * USUAL_BATCH / run.images_per_step >= NOISY and is_unfitted(run)


def detect_huge_batches(run: RunEvidence) -> Finding | None:
    """Report T6 when batches were so large that training made too few steps to learn, or to fit its images."""
    epochs, steps = len(run.history.epochs), run.history.steps
    is_large = run.images_per_step >= LARGE
    few = steps < (FEW_STEPS if is_large else MINIMUM_STEPS) and steps <= FEW_STEPS_AN_EPOCH * epochs
    whole = steps <= WHOLE * epochs  # batches of nearly all images, however few these are
    if not (few and (is_large or whole)) or run.images_per_step <= USUAL_BATCH or epochs < MANY_EPOCHS:
        return None
    fall = fall_at_end(training_losses(run))
    unfinished = is_large and is_unfitted(run) and fall > STOOD_STILL
    if not (unfinished or learned_too_little(run) or has_learned_little(run)):
        return None
    return Finding(
        id="T6",
        cause=3,
        title="too large a batch",
        sentence=(
            f"Batches of {run.images_per_step:,} images left {plural(steps, 'step')} in {plural(epochs, 'epoch')}, too "
            f"few: {run.train_accuracy:.1%} of the training and {run.val_accuracy:.1%} of the validation images are "
            f"right{_going_on(fall, epochs)}."
        ),
        evidence={"images_per_step": run.images_per_step, "steps": steps, "epochs": epochs, "fall_at_end": fall}
        | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"training.batch_size={USUAL_BATCH}",
        alternatives=("T3", "T2"),
    )


def _going_on(fall: float, epochs: int) -> str:
    if fall <= STOOD_STILL:
        return ""
    return f", and the training loss still fell by {fall:.0%} in the last {last_quarter(epochs)} epochs"
