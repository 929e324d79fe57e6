"""What a short training with one setting changed says about a run that learned too little.

It is compared with the whole training of the run, not with one as short: where a few epochs with another setting reach
more than all epochs without it, the setting was wrong, however the curves looked. A run that learned has no such
setting, so that nothing is found for it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnexp.diagnosis.intervals import combination_interval
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES
from cnnexp.system.text import plural

LEAST_GAIN = 0.05  # of validation accuracy, above that of the whole training
SURE_GAIN = 0.02  # low end of its 99 % interval
CONFIDENCE = 0.95
CONFIDENCE_AMONG_SEVERAL = 0.75
USUAL_BATCH = 32
TINY_BATCH, HUGE_BATCH = 8, 128  # images a step, from which on another batch size is tried
WIDER = 4  # times the filters and units
RATE_CHANGED = 3.0  # times; a rate that the range test would change by less was not the reason


@dataclass(frozen=True, slots=True)
class Intervention:
    """One setting changed."""

    id: str  # of the fault that it repairs
    overrides: tuple[str, ...]
    why: str  # a clause: "without regularization"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a short training with it."""

    intervention: Intervention
    accuracy: float  # of validation, the best of its epochs
    epochs: int


def interventions(settings: Mapping[str, Any]) -> Iterator[Intervention]:
    """Yield what may repair a run with these settings (config.yaml, nested), the cheapest first."""
    regularization, training, model = settings["regularization"], settings["training"], settings["model"]
    if regularization["dropout"] or regularization["l1"] or regularization["l2"]:
        yield Intervention("M3", ("regularization=none",), "without regularization")
    images = training["batch_size"] * training["accumulate"]
    if images <= TINY_BATCH or images >= HUGE_BATCH:
        size = (f"training.batch_size={USUAL_BATCH}", "training.accumulate=1")
        yield Intervention("T5" if images <= TINY_BATCH else "T6", size, f"with {USUAL_BATCH} images a step")
    yield Intervention("T2", ("optimizer.learning_rate=auto",), "at the rate that a range test finds")
    if "width" in model:
        wider = {name: model[name] * WIDER for name in ("width", "dense") if name in model}
        yield Intervention(
            "M1", tuple(f"model.{name}={size}" for name, size in wider.items()), f"with a network {WIDER} times as wide"
        )
    if settings["augmentation"]["name"] != "none":
        yield Intervention("P8", ("augmentation=none",), "without augmentation")
    if settings["schedule"]["name"] != "constant":
        yield Intervention("T8", ("schedule=constant",), "at a constant rate")


def judge(outcomes: Sequence[Outcome], *, accuracy: float, images: int, epochs: int) -> Finding | None:
    """Return what repaired a run whose whole training of `epochs` reached `accuracy` on its `images` of validation."""
    helped = [one for one in outcomes if _gain(one, accuracy, images)[1] >= SURE_GAIN]
    helped = [one for one in helped if one.accuracy - accuracy >= LEAST_GAIN]
    if not helped:
        return None
    best = max(helped, key=lambda one: one.accuracy)
    as_good = [one for one in helped if one is not best and _gain(best, one.accuracy, images)[1] <= 0]
    gain, low, high = _gain(best, accuracy, images)
    done = best.intervention
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
        confidence=CONFIDENCE_AMONG_SEVERAL if as_good else CONFIDENCE,
        repair=" ".join(done.overrides),
        alternatives=tuple(dict.fromkeys(one.intervention.id for one in as_good)),
    )


def _gain(outcome: Outcome, accuracy: float, images: int) -> tuple[float, float, float]:
    return combination_interval([1, -1], [outcome.accuracy, accuracy], [images, images])


def of_rate(found: float, *, configured: float) -> str | None:
    """Return which fault a rate of a range test repairs; None where it is about the one that the run had."""
    if found * RATE_CHANGED <= configured:
        return "T1"
    return "T2" if found >= RATE_CHANGED * configured else None
