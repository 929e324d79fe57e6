"""Cause 3, the training method: steps far from the size that its optimizer usually makes, and the trace of them.

Such a rate need not keep a network from learning. It may cost a few points, and leave a network that is as good as its
nearest neighbours, so that no score tells. A setting alone is no fault either. What is named is unusual and has left a
trace: too large steps leave most of the loss, keep it from falling, or, where they are of few images, which makes them
noisy, slow it down; too small ones are on their way.
"""

from collections.abc import Mapping

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.learning_rate import find_failure
from cnnexp.diagnosis.training_course import (
    MANY_EPOCHS,
    STOOD_STILL,
    fall_at_end,
    has_learned_little,
    is_unfitted,
    last_quarter,
    training_losses,
)
from cnnexp.diagnosis.unlearned import scores
from cnnexp.records import Finding
from cnnexp.system.text import plural

# Learning rates that papers and libraries begin with; of SGD as its steps add up, which momentum multiplies.
USUAL_RATES: Mapping[str, float] = {
    "adam": 0.001,
    "adamw": 0.001,
    "adamw_finetune": 0.0015,
    "muon": 0.001,
    "rmsprop": 0.001,
    "sgd": 0.1,
}
USUAL_MOMENTUM = 0.9  # of SGD, in nearly all recipes
HIGH, LOW = 8.0, 1 / 8  # usual rates; ordinary runs of development have 0.7 to 5
USUAL_BATCH = 32  # images a step, that of conf/training/default.yaml
# Fall of the training loss in the last quarter, from which epochs are what is missing and not a lower rate.
GOES_ON = 0.15
ADD_UP = ("rmsprop", "sgd")  # optimizers whose steps momentum multiplies


def in_usual_rates(optimizer: str, rate: float, *, momentum: float) -> float | None:
    """Return a rate, multiplied as momentum does, in usual rates of an optimizer (its name); None: none is usual."""
    usual = USUAL_RATES.get(optimizer)
    if usual is None:
        return None
    return rate / usual / (1 - momentum if optimizer in ADD_UP else 1)


def times_usual(run: RunEvidence, rate: float) -> float | None:
    """Return a rate of the run in usual rates of its optimizer; None where none is usual."""
    return in_usual_rates(run.optimizer, rate, momentum=run.momentum)


def detect_unusual_rate(run: RunEvidence) -> Finding | None:
    """Report T1 or T2 when an unusual rate left training images unfitted, although the network learned.

    Not of a network that began with trained weights: which rate suits depends on how many of them are trained.
    """
    epochs = run.history.epochs
    if run.network is None or len(epochs) < MANY_EPOCHS or not is_unfitted(run) or find_failure(run) is not None:
        return None
    late = [epoch.learning_rate for epoch in epochs[-last_quarter(len(epochs)) :]]
    highest, lowest = times_usual(run, max(one.learning_rate for one in epochs)), times_usual(run, min(late))
    fall, little = fall_at_end(training_losses(run)), has_learned_little(run)
    if lowest is not None and lowest >= HIGH and (little or fall <= _least_fall(run, lowest)):
        return _finding(run, lowest, fall)
    on_its_way = fall > STOOD_STILL or (fall > 0 and little)  # much is left: a small share of it is enough
    if highest is not None and highest <= LOW and on_its_way:
        return _finding(run, highest, fall)
    return None


def _least_fall(run: RunEvidence, times: float) -> float:
    """Return which fall of the training loss too large steps leave: noise grows with the rate by the images a step."""
    noise = times * USUAL_BATCH / run.images_per_step
    return GOES_ON if noise >= HIGH else STOOD_STILL


def _finding(run: RunEvidence, times: float, fall: float) -> Finding:
    too_high, epochs = times > 1, len(run.history.epochs)
    is_momentum = too_high and _is_momentum(run, times)
    momentum = f" with a momentum of {run.momentum:g}" if is_momentum else ""
    size = f"{_of_two_digits(times)} times" if too_high else f"1/{_of_two_digits(1 / times)} of"
    course = f"{_problem(fall, too_high=too_high)}: the training loss {_moved(fall, too_high=too_high)}"
    return Finding(
        id="T1" if too_high else "T2",
        cause=3,
        title="momentum too high" if is_momentum else f"learning rate too {'high' if too_high else 'low'}",
        sentence=(
            f"A learning rate of {run.learning_rate:g}{momentum} makes steps {size} the usual size for "
            f"{run.optimizer}, and training {course} over the last {last_quarter(epochs)} of "
            f"{plural(epochs, 'epoch')}. {run.train_accuracy:.1%} of the training and {run.val_accuracy:.1%} of the "
            "validation images are right."
        ),
        evidence={"learning_rate": run.learning_rate, "times_usual_rate": times, "fall_at_end": fall} | scores(run),
        confidence=confidence_by(Basis.SETTINGS),
        basis=Basis.SETTINGS,
        repair=f"optimizer.momentum={USUAL_MOMENTUM:g}"
        if is_momentum
        else f"optimizer.learning_rate={float(f'{run.learning_rate / times:.1g}'):g}",
        alternatives=() if too_high else ("T3",),
    )


def _of_two_digits(number: float) -> str:
    return f"{float(f'{number:.2g}'):,.10g}"  # 100 and not 1e+02


def _is_momentum(run: RunEvidence, times: float) -> bool:
    """Return whether steps of this size would be usual ones with a usual momentum."""
    return run.momentum > USUAL_MOMENTUM and times * (1 - run.momentum) / (1 - USUAL_MOMENTUM) < HIGH


def _problem(fall: float, *, too_high: bool) -> str:
    if too_high:
        return "did not settle" if fall <= GOES_ON else "learned little"
    return "was not over"


def _moved(fall: float, *, too_high: bool) -> str:
    only = "only " if fall <= (GOES_ON if too_high else STOOD_STILL) else ""
    return f"fell by {only}{fall:.0%}" if fall >= 0.005 else f"rose by {-fall:.0%}" if fall <= -0.005 else "stood still"
