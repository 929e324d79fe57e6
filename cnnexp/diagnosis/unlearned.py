"""Is a score far below what the data allow? Nearest neighbours by pixels alone say how much is there to be learned.

No network that learned its training images is far below them on others. Which of its settings keeps it from learning,
the numbers of one training cannot always tell: `cnnexp diagnose` trains for a few steps with other ones.
"""

from collections.abc import Sequence
from dataclasses import replace

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, beats_majority, combination_interval
from cnnexp.diagnosis.learning_rate import MINIMUM_STEPS
from cnnexp.diagnosis.training_course import MINIMUM_EPOCHS, has_collapsed, has_learned_little, has_moved
from cnnexp.records import Finding
from cnnexp.records.catalogue import UNKNOWN
from cnnexp.system.text import listed, plural

# Neighbours by pixels are hardly better than a network that learned. Networks of development without a fault that hurts
# were up to 5 points below them on digits of 8 × 8 pixels, where 2 of these are chance, from 1 below to 3 above on
# Fashion-MNIST 0 to 4, and 10 to 15 above on CIFAR-10 airplane to deer. Five points are worth a finding.
LEAST_GAP = 0.05
SURE_GAP = 0.03  # low end of the 99 % interval; of a healthy run of digits by SGD it is 0.025
TINY_STEP = 8  # images: gradients of fewer are mostly noise, at any rate that suits larger batches
FEW_STEPS_AN_EPOCH = 5  # by theory: a step an image of a few hundred is an epoch of next to nothing
USUAL = 32  # images a step, that is advised
MANY_EPOCHS = 5  # from here on, few steps are due to large batches and not to few epochs
SPENT = 0.1  # of the highest rate: below, nothing is learned any more
SPENT_EARLY = 1 / 3  # share of the epochs in which it fell that far; a cosine takes 0.9, one_cycle and plateaus longer
ONE_BATCH_LEARNED = 0.9  # share of a batch that is seen again and again
USUAL_REASONS = ("T2", "M1", "M3", "T3", "T1")


def below_neighbours(run: RunEvidence) -> tuple[float, float, float] | None:
    """Return accuracy of the nearest neighbours minus that of the network on validation, if it is sure and matters."""
    near = run.neighbours
    if near is None or not near.answered:
        return None
    gap, low, high = combination_interval([1, -1], [near.accuracy, run.val_accuracy], [near.answered, run.val_images])
    return (gap, low, high) if gap >= LEAST_GAP and low >= SURE_GAP else None


def learned_too_little(run: RunEvidence) -> bool:
    """Return whether the network learned less than there is: it does not beat the most common class, or neighbours."""
    return below_neighbours(run) is not None or not beats_majority(run.evaluation)


def detect_unlearned(run: RunEvidence) -> Finding | None:
    """Report U0 when the network is far below its nearest neighbours; another finding may explain it."""
    gap = below_neighbours(run)
    if gap is None or run.neighbours is None:
        return None
    return Finding(
        id=UNKNOWN,
        cause=0,
        title="far below what the data allow",
        sentence=(
            f"Something keeps the network from learning: {run.val_accuracy:.1%} of the validation images are right, "
            f"while the most similar training images alone, by their pixels, answer {run.neighbours.accuracy:.1%} "
            f"({100 * gap[0]:.1f} points more, 99 % interval {100 * gap[1]:.1f} to {100 * gap[2]:.1f})."
        ),
        evidence={
            "validation_accuracy": run.val_accuracy,
            "accuracy_of_neighbours": run.neighbours.accuracy,
            "gap_low": gap[1],
        },
        confidence=confidence_by(Basis.UNNAMED),
        basis=Basis.UNNAMED,
        repair="cnnexp diagnose RUN, which tries the usual reasons",
        alternatives=USUAL_REASONS,
    )


def after_trials(finding: Finding, tried: Sequence[str], *, one_batch: float) -> Finding:
    """Return a finding that nothing explains with what was tried in vain, and what is left; another one as it is."""
    if finding.id != UNKNOWN:
        return finding
    learned = one_batch >= ONE_BATCH_LEARNED
    left = (
        "It can learn 32 images by heart, so its layers and its loss work: look at the labels and at what the images "
        "show."
        if learned
        else f"Of 32 images, seen again and again, it learns only {one_batch:.0%}: look at its layers and its loss."
    )
    vain = f" Tried without more success: {listed(tried, most=len(tried))}." if tried else ""
    return replace(
        finding,
        cause=finding.cause if learned else 2,
        sentence=f"{finding.sentence}{vain} {left}",
        evidence={**finding.evidence, "one_batch_learned": one_batch},
        repair="look at ten training images with their labels"
        if learned
        else "begin with a network that is known to work: model=baseline loss=cross_entropy",
        alternatives=(),
    )


def unlearnable(one_batch: float, *, train_accuracy: float) -> Finding | None:
    """Report U0 where nothing else was found, and the network cannot even learn `one_batch` (0..1 of it) by heart."""
    if one_batch >= ONE_BATCH_LEARNED:
        return None
    return Finding(
        id=UNKNOWN,
        cause=2,
        title="cannot learn a few images by heart",
        sentence=(
            f"Of 32 images, seen again and again at a usual rate, the network learns only {one_batch:.0%}, and of all "
            f"training images {train_accuracy:.1%}: it is its layers or its loss that keep it from learning."
        ),
        evidence={"one_batch_learned": one_batch, "train_accuracy": train_accuracy},
        confidence=confidence_by(Basis.UNNAMED),
        basis=Basis.UNNAMED,
        repair="begin with a network that is known to work: model=baseline loss=cross_entropy",
        alternatives=("M1", "M4", "M5", "M6"),
    )


def detect_tiny_batches(run: RunEvidence) -> Finding | None:
    """Report T5 when a network that learned too little was given only a few images a step."""
    stood_still = bool(run.history.outputs) and not (has_moved(run) or has_collapsed(run))  # noise moves outputs
    if run.images_per_step > TINY_STEP or stood_still or not learned_too_little(run):
        return None
    return Finding(
        id="T5",
        cause=3,
        title="too small a batch for the rate",
        sentence=(
            f"Each step saw {plural(run.images_per_step, 'image')} at a learning rate of {run.learning_rate:g}: the "
            f"gradient of so few is mostly noise, and the network learned too little, {run.val_accuracy:.1%} of the "
            f"validation images. Larger batches or a lower rate would both help."
        ),
        evidence={"images_per_step": run.images_per_step, "learning_rate": run.learning_rate} | _scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"training.batch_size={USUAL}",
        alternatives=("T1",),
    )


def detect_huge_batches(run: RunEvidence) -> Finding | None:
    """Report T6 when batches were so large that a network that learned too little made next to no steps."""
    epochs = len(run.history.epochs)
    few = run.history.steps < MINIMUM_STEPS and run.history.steps <= FEW_STEPS_AN_EPOCH * epochs
    little = learned_too_little(run) or has_learned_little(run)
    if not few or run.images_per_step <= USUAL or epochs < MANY_EPOCHS or not little:
        return None
    return Finding(
        id="T6",
        cause=3,
        title="too large a batch",
        sentence=(
            f"Batches of {run.images_per_step:,} images left {plural(run.history.steps, 'step')} in "
            f"{plural(epochs, 'epoch')}, too few to learn: {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={"images_per_step": run.images_per_step, "steps": run.history.steps, "epochs": epochs} | _scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"training.batch_size={USUAL}",
        alternatives=("T3", "T2"),
    )


def detect_spent_rate(run: RunEvidence) -> Finding | None:
    """Report T8 when the schedule had lowered the rate to next to nothing before the network had learned."""
    rates = [epoch.learning_rate for epoch in run.history.epochs]
    spent = 1 + max(place for place, rate in enumerate(rates) if rate >= SPENT * max(rates))  # from then on it is lower
    early = spent < len(rates) and spent <= SPENT_EARLY * len(rates)
    if not early or not (learned_too_little(run) or has_learned_little(run)):
        return None
    return Finding(
        id="T8",
        cause=3,
        title="the learning rate was gone too early",
        sentence=(
            f"The learning rate was set to {run.learning_rate:g}, and the schedule had lowered it to "
            f"{rates[spent]:.3g} at the end of epoch {spent + 1} of {len(rates)}, before the network had learned: "
            f"{run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={"highest_rate": max(rates), "last_rate": rates[-1], "epoch_of_a_tenth": spent + 1} | _scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair="schedule=constant",
        alternatives=("T2", "T3"),
    )


def detect_few_epochs(run: RunEvidence) -> Finding | None:
    """Report T3 when a network that learned too little saw its training images once or twice; a trend needs more.

    Of photographs, which nearest neighbours hardly tell, when most of the loss is left after a few dozen steps.
    """
    epochs = len(run.history.epochs)
    few_steps = run.history.steps < MINIMUM_STEPS and has_learned_little(run)
    little = below_neighbours(run) is not None or few_steps
    if epochs >= MINIMUM_EPOCHS or run.history.stopped_early or not little:
        return None
    return Finding(
        id="T3",
        cause=3,
        title="under-trained",
        sentence=(
            f"Training saw its images only {'once' if epochs == 1 else 'twice'}, and the network learned too little: "
            f"{run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={"epochs": epochs, "steps": run.history.steps} | _scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"training.epochs={max(10, 4 * run.epochs)}",
        alternatives=("T2", "T6"),
    )


def _scores(run: RunEvidence) -> dict[str, float]:
    found = {"validation_accuracy": run.val_accuracy, "beats_majority": float(beats_majority(run.evaluation))}
    return found if run.neighbours is None else found | {"accuracy_of_neighbours": run.neighbours.accuracy}
