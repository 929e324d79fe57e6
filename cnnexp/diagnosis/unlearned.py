"""Is a score far below what the data allow? Nearest neighbours by pixels alone say how much is there to be learned.

No network that learned its training images is far below them on others. Which of its settings keeps it from learning,
the numbers of one training cannot always tell: `cnnexp diagnose` trains for a few steps with other ones.
"""

from collections.abc import Sequence
from dataclasses import replace

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, beats_majority, combination_interval
from cnnexp.diagnosis.learning_rate import MINIMUM_STEPS
from cnnexp.diagnosis.training_course import (
    FEW_STEPS,
    MANY_EPOCHS,
    MINIMUM_EPOCHS,
    STOOD_STILL,
    fall_at_end,
    has_learned_little,
    is_unfitted,
    training_losses,
)
from cnnexp.records import Finding
from cnnexp.records.catalogue import UNKNOWN
from cnnexp.system.text import listed, plural

# Neighbours by pixels are hardly better than a network that learned. Networks of development without a fault that hurts
# were up to 5 points below them on digits of 8 × 8 pixels, where 2 of these are chance, from 1 below to 3 above on
# Fashion-MNIST 0 to 4, and 10 to 15 above on CIFAR-10 airplane to deer. Five points are worth a finding.
LEAST_GAP = 0.05
SURE_GAP = 0.03  # low end of the 99 % interval; of a healthy run of digits by SGD it is 0.025
ONE_BATCH_LEARNED = 0.9  # share of a batch that is seen again and again
FEW_EPOCHS = 10  # with fewer, what else is repaired may need more of them, too
_TIMES = {1: "once", 2: "twice"}
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


def detect_few_epochs(run: RunEvidence) -> Finding | None:
    """Report T3 when a network that learned too little saw its training images a few times; a trend needs more.

    Where nearest neighbours do not tell, as of photographs, when much is left to learn after a few dozen steps.
    """
    epochs = len(run.history.epochs)
    if run.history.stopped_early or not (_is_short(run) or (epochs < MINIMUM_EPOCHS and below_neighbours(run))):
        return None
    return Finding(
        id="T3",
        cause=3,
        title="under-trained",
        sentence=(
            f"Training saw its images only {_TIMES.get(epochs, f'{epochs} times')}, in "
            f"{plural(run.history.steps, 'step')}: {run.train_accuracy:.1%} of the training and {run.val_accuracy:.1%} "
            "of the validation images are right."
        ),
        evidence={"epochs": epochs, "steps": run.history.steps} | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"training.epochs={enough_epochs(run.epochs)}",
        alternatives=("T2", "T6"),
    )


def enough_epochs(epochs: int) -> int:
    """Return how many epochs are advised in place of so few; early stopping ends what needs no more."""
    return max(FEW_EPOCHS, 4 * epochs)


def _is_short(run: RunEvidence) -> bool:
    """Return whether a few epochs made so few steps that a network without trained weights has more to learn."""
    epochs, steps = len(run.history.epochs), run.history.steps
    if epochs < MINIMUM_EPOCHS and steps < MINIMUM_STEPS and has_learned_little(run):
        return True
    falls = epochs < MINIMUM_EPOCHS or fall_at_end(training_losses(run)) > STOOD_STILL
    is_few = epochs < MANY_EPOCHS and steps < FEW_STEPS
    return is_few and falls and is_unfitted(run) and run.network is not None


def scores(run: RunEvidence) -> dict[str, float]:
    """Return as evidence how much the network learned, beside what its nearest neighbours answer."""
    found = {"validation_accuracy": run.val_accuracy, "beats_majority": float(beats_majority(run.evaluation))}
    return found if run.neighbours is None else found | {"accuracy_of_neighbours": run.neighbours.accuracy}
