"""What a short training with one thing changed says about a run that learned too little.

It is compared with the whole training of the run, not with one as short: where a few epochs with another setting reach
more than all epochs without it, the setting was wrong, however the curves looked. A run that learned has no such
setting, so that nothing is found for it. Only where the structure of the network shows a fault by itself, a training as
short as the repaired one is enough to compare with.
"""

import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnexp.diagnosis.confidence import Basis, confidence_by, of_likeliest
from cnnexp.diagnosis.hasty_stop import IMPATIENT, USUAL_PATIENCE
from cnnexp.diagnosis.intervals import combination_interval
from cnnexp.diagnosis.over_regularization import STRONG_L1, STRONG_L2
from cnnexp.diagnosis.spent_rate import SPENT, SPENT_EARLY
from cnnexp.diagnosis.strong_decay import USUAL_DECAY
from cnnexp.diagnosis.unlearned import FEW_EPOCHS, enough_epochs
from cnnexp.diagnosis.unusual_rate import HIGH, LOW, USUAL_BATCH, USUAL_MOMENTUM, in_usual_rates
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES
from cnnexp.system.text import plural

# Follow from what a finding is for: five points are worth a repair, and no chance of hundreds of images.
LEAST_GAIN = 0.05  # of validation accuracy, above that of the whole training
SURE_GAIN = 0.02  # low end of its 99 % interval
LEAST_AGREEING = 0.02  # the same where numbers of the run speak for the fault, too; less does not matter
AGREES = 0.1  # of accuracy, that two kinds of evidence for one fault outweigh; digits, where T5 lost to T3 by less
TINY_BATCH, HUGE_BATCH = 8, 128  # images a step, from which on another batch size is tried
WIDER, WIDER_NARROW, NARROW = 4, 8, 8  # times the filters and units, of networks with fewer filters than the last
STRONG_DECAY = 0.1  # by theory, times the rate
STRONG_MOMENTUM = 0.97  # steps of SGD add up to 33, of the usual 0.9 to 10
SMALL_NORM = 0.01  # of the whole gradient: a hundredth of 1, at which it is usually clipped, shortens nearly every step
RATE_CHANGED = 3.0  # times; a rate that the range test would change by less was not the reason
_EPOCHS = "training.epochs="
OWN_OPTIMIZERS = ("adam", "adamw", "adamw_finetune", "muon", "rmsprop", "sgd")
OWN_LOSSES = ("cross_entropy", "focal")
OWN_SCHEDULES = ("constant", "cosine", "exponential", "linear", "one_cycle", "plateau", "step", "warmup_cosine")
# Settings that no usual run has: at most half of the units are dropped as a rule, and L1 and L2 are a tenth of these.
EXTREME_BATCH = 256  # images a step
EXTREME_DROPOUT = 0.7
FEWEST_EPOCHS = 2  # up to so many, training has hardly begun
EXTREME_WIDTH = 3  # filters of the first layer
EXTREME_ANGLE, EXTREME_COLOR = 60.0, 0.7  # degrees by which training images are turned; change of their levels


@dataclass(frozen=True, slots=True)
class Intervention:
    """One thing changed."""

    id: str  # of the fault that it repairs
    overrides: tuple[str, ...]
    why: str  # a clause: "without regularization"
    goes_on: bool = False  # from the weights that the run ended with
    extreme: bool = (
        False  # it changes a setting that no usual run has, so that it is tried where nothing was found, too
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a short training with it."""

    intervention: Intervention
    accuracy: float  # of validation, the best of its epochs
    epochs: int


def _of_optimizer(optimizer: Mapping[str, Any]) -> Iterator[Intervention]:
    """Yield what may repair settings of an optimizer that hold its weights down, or its steps down or up."""
    if optimizer["name"] == "sgd" and optimizer["momentum"] >= STRONG_MOMENTUM:
        usual = (f"optimizer.momentum={USUAL_MOMENTUM}",)
        yield Intervention("T1", usual, "with a usual momentum", extreme=True)
    if (optimizer.get("weight_decay") or 0) >= STRONG_DECAY:
        usual = (f"optimizer.weight_decay={USUAL_DECAY:g}",)
        yield Intervention("M3", usual, "with a usual weight decay", extreme=True)
    if 0 < (optimizer.get("clip_norm") or 0) <= SMALL_NORM:
        yield Intervention("T8", ("optimizer.clip_norm=null",), "without clipping gradients", extreme=True)


def _of_batch(training: Mapping[str, Any], optimizer: Mapping[str, Any]) -> Iterator[Intervention]:
    """Yield what may repair a batch size: of few images, also a rate that is lower by as much, for as many epochs."""
    parts = training["accumulate"]  # auto: of a batch, which it makes no larger
    images = training["batch_size"] * (parts if isinstance(parts, int) else 1)
    size = [f"training.batch_size={USUAL_BATCH}", "training.accumulate=1"]
    words = f"with {USUAL_BATCH} images a step"
    if images <= TINY_BATCH:
        rate = optimizer["learning_rate"]
        if isinstance(rate, int | float) and images * RATE_CHANGED <= USUAL_BATCH:
            lower = f"{rate * images / USUAL_BATCH:.2g}"
            yield Intervention("T5", (f"optimizer.learning_rate={lower}",), f"at a rate of {lower}", extreme=True)
        if training["epochs"] < FEW_EPOCHS:  # which would leave larger batches few steps
            size.append(f"{_EPOCHS}{enough_epochs(training['epochs'])}")
        yield Intervention("T5", tuple(size), words, extreme=True)
    elif images >= HUGE_BATCH:
        yield Intervention("T6", tuple(size), words, extreme=images >= EXTREME_BATCH)


def _is_extreme(augmentation: Mapping[str, Any]) -> bool:
    recolored = max(augmentation.get(name) or 0 for name in ("brightness", "contrast", "saturation"))
    return (augmentation.get("rotation") or 0) >= EXTREME_ANGLE or recolored >= EXTREME_COLOR


def _is_unusual_rate(optimizer: Mapping[str, Any]) -> bool:
    rate, momentum = optimizer["learning_rate"], optimizer.get("momentum", 0.0)
    if isinstance(rate, str):  # auto: that of a range test
        return False
    times = in_usual_rates(optimizer["name"], rate, momentum=momentum)
    return times is not None and not LOW < times < HIGH


def _falls_early(schedule: Mapping[str, Any], *, epochs: int) -> bool:
    """Return whether a schedule lowers the rate to a tenth within a third of the epochs; one of your own may."""
    if schedule["name"] not in OWN_SCHEDULES:
        return True
    factor = schedule.get("factor", 1)
    if factor >= 1 or schedule["name"] == "plateau":  # which waits until nothing improves
        return False
    falls = math.ceil(math.log(SPENT) / math.log(factor))
    return bool(falls * schedule.get("every", 1) < SPENT_EARLY * epochs)


def interventions(settings: Mapping[str, Any], *, ended_early: bool, continues: bool) -> Iterator[Intervention]:
    """Yield what may repair a run with these settings (config.yaml, nested): the user's own parts, then the cheapest.

    `ended_early`: it stopped before its epochs were over, so that more of them change nothing; `continues`: its weights
    are there, to train on from.
    """
    regularization, training, model = settings["regularization"], settings["training"], settings["model"]
    if settings["optimizer"]["name"] not in OWN_OPTIMIZERS:
        yield Intervention("T8", ("optimizer=adam",), "with Adam instead of an optimizer of your own", extreme=True)
    else:
        yield from _of_optimizer(settings["optimizer"])
    if settings["loss"]["name"] != "cross_entropy":
        own = settings["loss"]["name"] not in OWN_LOSSES
        yield Intervention("M5", ("loss=cross_entropy",), "with cross-entropy", extreme=own)
    dropout, l1, l2 = (regularization[name] for name in ("dropout", "l1", "l2"))
    if dropout or l1 or l2:
        much = dropout >= EXTREME_DROPOUT or l1 >= STRONG_L1 or l2 >= STRONG_L2
        yield Intervention("M3", ("regularization=none",), "without regularization", extreme=much)
    yield from _of_batch(training, settings["optimizer"])
    if _is_extreme(settings["augmentation"]):
        yield Intervention("P8", ("augmentation=basic",), "with usual augmentation", extreme=True)
        yield Intervention("P8", ("augmentation=none",), "without augmentation", extreme=True)
    rate = Intervention("T2", ("optimizer.learning_rate=auto",), "at the rate that a range test finds")
    yield dataclasses.replace(rate, extreme=_is_unusual_rate(settings["optimizer"]))
    if settings["schedule"]["name"] != "constant":
        early = _falls_early(settings["schedule"], epochs=training["epochs"])
        yield Intervention("T8", ("schedule=constant",), "at a constant rate", extreme=early)
    hasty = ended_early and 0 < (training["patience"] or 0) <= IMPATIENT
    if continues and (not ended_early or hasty):
        more = f"{_EPOCHS}{enough_epochs(training['epochs'])}"
        overrides = (f"training.patience={USUAL_PATIENCE}",) if hasty else (more,)
        begun = training["epochs"] <= FEWEST_EPOCHS
        yield Intervention("T3", overrides, "trained on from where it ended", goes_on=True, extreme=begun or hasty)
    if "width" in model:
        times = WIDER if model["width"] >= NARROW else WIDER_NARROW
        wider = {name: model[name] * times for name in ("width", "dense") if name in model}
        yield Intervention(
            "M1",
            tuple(f"model.{name}={size}" for name, size in wider.items()),
            f"with a network {times} times as wide",
            extreme=model["width"] <= EXTREME_WIDTH,
        )
    if settings["augmentation"]["name"] != "none" and not _is_extreme(settings["augmentation"]):
        yield Intervention("P8", ("augmentation=none",), "without augmentation")


def last_resort(settings: Mapping[str, Any]) -> Intervention | None:
    """Return what is tried where no single setting helps: another optimizer with its usual settings; None: it is that.

    Not before, because it changes the rate, too.
    """
    if settings["optimizer"]["name"] == "adam" and settings["schedule"]["name"] == "constant":
        return None
    return Intervention("T8", ("optimizer=adam", "schedule=constant"), "with Adam at its usual, constant rate")


def judge(
    outcomes: Sequence[Outcome], *, accuracy: float, images: int, epochs: int, expected: Collection[str] = ()
) -> Finding | None:
    """Return what repaired a run whose whole training of `epochs` reached `accuracy` on its `images` of validation.

    Of repairs that do as well, it is the one that was tried first, which changes least; before them comes one that the
    numbers of the run speak for (`expected`, ids), even if another one reached a little more.
    """
    helped = [one for one in outcomes if helps(one.accuracy, over=accuracy, images=images)]
    agreeing = [
        one for one in outcomes if one.intervention.id in expected and one.accuracy - accuracy >= LEAST_AGREEING
    ]
    if not helped and not agreeing:
        return None
    most = max(one.accuracy for one in (*helped, *agreeing))
    as_good = [one for one in helped if _gain(most, one.accuracy, images)[1] <= 0]  # in the order of trials
    best, *as_good = dict.fromkeys((*_clearly_best(agreeing, least=most - AGREES), *as_good))
    gain, low, high = _gain(best.accuracy, accuracy, images)
    done = best.intervention
    others = tuple(dict.fromkeys(one.intervention.id for one in as_good if one.intervention.id != done.id))
    return Finding(
        id=done.id,
        cause=2 if done.id.startswith("M") else 1 if done.id.startswith("P") else 3,
        title=NAMES[done.id],
        sentence=(
            f"Tried: {done.why}, {plural(best.epochs, 'epoch')} reached {best.accuracy:.1%} of the validation images, "
            f"while the {plural(epochs, 'epoch')} of the run reached {accuracy:.1%} ({100 * gain:.1f} points more, "
            f"99 % interval {100 * low:.1f} to {100 * high:.1f})."
        ),
        evidence={
            "validation_accuracy": accuracy,
            "validation_accuracy_tried": best.accuracy,
            "gain_low": low,
            "gain_high": high,
            "epochs_tried": best.epochs,
        },
        confidence=of_likeliest([confidence_by(Basis.TRIED)] * (1 + len(others))),
        basis=Basis.TRIED,
        repair=" ".join(done.overrides),
        alternatives=others,
    )


def _clearly_best(agreeing: Sequence[Outcome], *, least: float) -> list[Outcome]:
    """Return outcomes of at least this accuracy, in the order of trials, but for those that another repair beats.

    Of several repairs of one fault, the one that was tried first need not be as good.
    """
    best: dict[str, float] = {}
    for one in agreeing:
        best[one.intervention.id] = max(one.accuracy, best.get(one.intervention.id, 0.0))
    return [
        one for one in agreeing if one.accuracy >= least and one.accuracy > best[one.intervention.id] - LEAST_AGREEING
    ]


def for_longer(found: Finding, *, epochs: int) -> tuple[str, ...] | None:
    """Return the repair of a run of few epochs with more of them; None where it had enough, or time ended the trial."""
    if epochs >= FEW_EPOCHS or found.evidence["epochs_tried"] < epochs or _EPOCHS in found.repair:
        return None
    return (*found.repair.split(), f"{_EPOCHS}{enough_epochs(epochs)}")


def with_longer(found: Finding, longer: Outcome) -> Finding:
    """Return what is found with the repair that was trained for longer, where that brought enough to matter."""
    if longer.accuracy - found.evidence["validation_accuracy_tried"] < LEAST_AGREEING:
        return found
    return dataclasses.replace(
        found,
        sentence=f"{found.sentence} Trained so for longer, {plural(longer.epochs, 'epoch')} reached "
        f"{longer.accuracy:.1%}.",
        evidence={**found.evidence, "validation_accuracy_longer": longer.accuracy, "epochs_longer": longer.epochs},
        repair=" ".join(longer.intervention.overrides),
    )


def confirmed(
    finding: Finding,
    repaired: Outcome,
    unrepaired: Outcome | None,
    *,
    accuracy: float,
    images: int,
    is_known: bool = False,
) -> Finding | None:
    """Return a finding by structure with what its repair, tried, has brought; None where it does not help.

    `accuracy` is that of the whole run, and `unrepaired` what a training as short reached without the repair. What the
    run said of itself (`is_known`) stays where the repair reached more, be it within chance: a fault may cost little.
    """
    whole = helps(repaired.accuracy, over=accuracy, images=images)
    beside = unrepaired is not None and helps(repaired.accuracy, over=unrepaired.accuracy, images=images)
    over, what = (
        (accuracy, "the whole run")
        if whole or unrepaired is None
        else (
            unrepaired.accuracy,
            f"{plural(unrepaired.epochs, 'epoch')} without that",
        )
    )
    _, low, high = _gain(repaired.accuracy, over, images)
    tried = (
        f"Tried: {repaired.intervention.why}, {plural(repaired.epochs, 'epoch')} reached {repaired.accuracy:.1%}, and "
        f"{what} {over:.1%} (99 % interval of the gain {100 * low:.1f} to {100 * high:.1f} points)."
    )
    known = dataclasses.replace(
        finding,
        sentence=f"{finding.sentence} {tried}",
        evidence={**finding.evidence, "validation_accuracy_tried": repaired.accuracy, "gain_low": low},
    )
    if whole or beside:
        return dataclasses.replace(known, confidence=confidence_by(Basis.CONFIRMED), basis=Basis.CONFIRMED)
    return known if is_known and repaired.accuracy > over else None


def helps(tried: float, *, over: float, images: int) -> bool:
    """Return whether an accuracy is above another one on as many images, surely and by enough."""
    gain, low, _ = _gain(tried, over, images)
    return gain >= LEAST_GAIN and low >= SURE_GAIN


def _gain(tried: float, accuracy: float, images: int) -> tuple[float, float, float]:
    return combination_interval([1, -1], [tried, accuracy], [images, images])


def of_rate(found: float, *, configured: float) -> str | None:
    """Return which fault a rate of a range test repairs; None where it is about the one that the run had."""
    if found * RATE_CHANGED <= configured:
        return "T1"
    return "T2" if found >= RATE_CHANGED * configured else None
