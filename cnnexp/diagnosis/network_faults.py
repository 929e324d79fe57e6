"""Faults of a network that its structure tells before any training: what it gets, how it begins, what never changes.

They are asked for before any rate or number of epochs is blamed, because both look wrong where one of these is.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, combination_interval
from cnnexp.diagnosis.training_course import has_learned_little, has_moved, is_unfitted
from cnnexp.diagnosis.unlearned import learned_too_little
from cnnexp.records import Finding, NetworkFacts
from cnnexp.records.catalogue import NAMES
from cnnexp.system.text import listed, plural

# Root mean square of what the first kernel gets. Images scaled to 0..1 have 0.1 (a dark field) to 0.8, standardized
# ones 1, pixels that are not scaled 30 to 150. Between these limits, a short training decides.
USUAL_INPUT = (0.02, 10.0)
DOUBTFUL_INPUT = (0.06, 3.0)
# Change of the root mean square by a layer, geometric mean. By Glorot's weights it is 0.39 to 0.67 in `small`,
# `baseline`, `vgg`, `alexnet` and two networks brought along, of three to ten layers; He's make it 1.4 times that.
USUAL_GAIN = (0.1, 6.0)
LEAST_SPREAD = 0.02  # of what the last layer gives, between images; of these networks 0.2 to 0.9
MOST_ALIKE = 0.9  # share of a layer's units; random weights have none that are alike
MOST_DEAD = 0.95  # share of a layer's units; of few images that are alike, random weights leave up to 0.5 silent
MOST_LINEAR = 0.75  # share of the layers; inverted bottlenecks leave one in three without activation, ConvNeXt two
GOOD = 0.97  # accuracy on validation images, from which nothing that matters can be gained
STALE = 0.10  # accuracy on training images in training, above that of the same images afterwards ...
SURELY_STALE = 0.05  # ... and at the low end of its 99 % interval; dropout and learning on the way only lower it
LEAST_RISE, P_VALUE = 0.05, 0.001  # of answers with statistics computed anew (McNemar's exact test)
STATISTICS = (
    "let the statistics follow: BatchNormalization(momentum=0.9), or more steps; or compute them after training"
)
_LISTED = 4


@dataclass(frozen=True, slots=True)
class StructureFault:
    """What is wrong by the numbers of a network, and in which words."""

    id: str
    says: str
    repair: str
    evidence: dict[str, float]
    layers: tuple[str, ...] = ()  # that are concerned


def structure_fault(facts: NetworkFacts, *, moved: bool = True, doubtful: bool = False) -> StructureFault | None:
    """Return the fault that explains most: of the input before the weights, of weights before activations.

    `moved` says whether training changed what the network answers; `doubtful` asks also for what may be usual, where a
    short training will decide.
    """
    beginning = _of_input(facts, limits=DOUBTFUL_INPUT if doubtful else USUAL_INPUT) or _of_beginning(facts)
    return beginning or _of_frozen(facts, moved=moved) or _of_activations(facts)


def detect_structure(run: RunEvidence) -> Finding | None:
    """Report P1, P2, M6, M8 or M4 by the structure of a network that did not learn all that it should."""
    if run.network is None or run.val_accuracy >= GOOD:
        return None
    fault = structure_fault(run.network, moved=has_moved(run))
    if fault is None or (fault.id in ("M4", "M6") and not _is_unfitted(run)):
        return None
    return structure_finding(fault, accuracy=run.val_accuracy)


def structure_finding(fault: StructureFault, *, accuracy: float) -> Finding:
    """Return what is said of a fault where no training has tried its repair."""
    return Finding(
        id=fault.id,
        cause=1 if fault.id.startswith("P") else 2,
        title=NAMES[fault.id],
        sentence=f"{fault.says} {accuracy:.1%} of the validation images are right.",
        evidence={**fault.evidence, "validation_accuracy": accuracy},
        confidence=confidence_by(Basis.STRUCTURE),
        basis=Basis.STRUCTURE,
        repair=fault.repair,
    )


def _is_unfitted(run: RunEvidence) -> bool:
    return is_unfitted(run) or learned_too_little(run) or has_learned_little(run)


def _of_input(facts: NetworkFacts, *, limits: tuple[float, float]) -> StructureFault | None:
    size, (low, high) = facts.input_rms, limits
    if size is None or low <= size <= high:
        return None
    gets = f"The first layer with weights gets numbers of about {size:.3g} (root mean square), and about 0.1 to 1 suits"
    if size > high:
        return StructureFault(
            "P1",
            f"{gets} its weights: pixels reach it that are not scaled.",
            "scale pixels once, to 0..1; data.scaling does that already, so take out what multiplies them after it",
            {"input_rms": size},
        )
    return StructureFault(
        "P2",
        f"{gets} its weights: pixels reach it that are scaled twice, or that fill a small part of their range.",
        "scale pixels once, to 0..1: take out the second division, or set data.value_range to the range that the "
        "files use",
        {"input_rms": size},
    )


def _of_beginning(facts: NetworkFacts) -> StructureFault | None:
    draw = "let each layer draw its weights, by kernel_initializer='glorot_uniform' or 'he_normal', and biases be 0"
    if facts.alike >= MOST_ALIKE:
        says = (
            f"{facts.alike:.0%} of the units of a layer begin with the same weights as another one, so that they get "
            "the same gradient and stay the same: the layer is as good as one unit."
        )
        return StructureFault("M6", says, draw, {"share_alike": facts.alike})
    if facts.dead >= MOST_DEAD:
        says = f"{facts.dead:.0%} of the units of a layer answer 0 to every image before training, and get no gradient."
        return StructureFault("M6", says, draw, {"share_dead": facts.dead})
    if facts.gain is not None and not USUAL_GAIN[0] <= facts.gain <= USUAL_GAIN[1]:
        way = "grow" if facts.gain > 1 else "shrink"
        says = (
            f"The first weights let numbers {way} {max(facts.gain, 1 / max(facts.gain, 1e-12)):.3g} times in each "
            f"layer (0.4 to 1.5 is usual), over {facts.hidden} layers and the last one."
        )
        return StructureFault("M6", says, draw, {"gain_of_a_layer": facts.gain, "layers": facts.hidden})
    if facts.spread < LEAST_SPREAD:
        says = (
            f"Before training, what the last hidden layer gives differs by {facts.spread:.1%} between images: to the "
            "layers behind it all images look the same, as where many layers saturate."
        )
        saturated = "use activation='relu', normalize between layers, or use fewer layers"
        return StructureFault("M6", says, saturated, {"spread_between_images": facts.spread})
    return None


def _of_frozen(facts: NetworkFacts, *, moved: bool) -> StructureFault | None:
    kept = tuple(name for name in facts.unchanged if name in facts.drawn)
    if not kept or (len(kept) == facts.hidden and not moved):
        return None
    return StructureFault(
        "M8",
        f"Training did not change the weights of {len(kept)} of {facts.hidden} layers ({listed(kept, most=_LISTED)}), "
        "and they are still the random numbers that they began with: they are frozen.",
        "set layer.trainable = True for them, and training.freeze=none; only weights that were trained may be frozen",
        {"frozen_layers": len(kept), "layers": facts.hidden},
        kept,
    )


def _of_activations(facts: NetworkFacts) -> StructureFault | None:
    if facts.hidden < 2 or len(facts.linear) < MOST_LINEAR * facts.hidden:
        return None
    return StructureFault(
        "M4",
        f"No activation follows {len(facts.linear)} of {facts.hidden} layers ({listed(facts.linear, most=_LISTED)}): "
        "layers without one between them can do no more than a single one.",
        "put an activation behind each of them: activation='relu'",
        {"layers_without_activation": len(facts.linear), "layers": facts.hidden},
        facts.linear,
    )


def detect_bottleneck(run: RunEvidence) -> Finding | None:
    """Report M1 when a layer of a network that did not fit its training images passes on fewer numbers than bits.

    To tell K classes apart takes log2 K bits, and a unit carries about one that others understand.
    """
    classes = sum(count > 0 for count in run.class_counts["train"])
    if run.network is None or run.val_accuracy >= GOOD or not _is_unfitted(run):
        return None
    narrowest = run.network.narrowest
    if run.network.hidden == 0 or narrowest >= math.log2(max(classes, 2)):
        return None
    return Finding(
        id="M1",
        cause=2,
        title=NAMES["M1"],
        sentence=(
            f"A layer of the network passes on only {plural(narrowest, 'number')} for each image, too few to tell "
            f"{classes} classes apart: {run.train_accuracy:.1%} of its training images are right, and "
            f"{run.val_accuracy:.1%} of the validation images."
        ),
        evidence={"narrowest_layer": narrowest, "classes": classes, "train_accuracy": run.train_accuracy},
        confidence=confidence_by(Basis.STRUCTURE),
        basis=Basis.STRUCTURE,
        repair="give the layer more units: model.width, model.dense",
        alternatives=("T3",),
    )


def detect_stale_statistics(run: RunEvidence) -> Finding | None:
    """Report M7 when training images were answered far better in training than they are afterwards."""
    normalizes = run.network is not None and run.network.hidden > 0 and run.network.gain is None
    if not normalizes or not run.history.epochs:
        return None
    then = run.history.epochs[run.history.best_epoch - 1].train_accuracy
    images = [run.train_images, run.train_images]
    gap, low, high = combination_interval([1, -1], [then, run.train_accuracy], images)
    if gap < STALE or low < SURELY_STALE:
        return None
    return _stale(
        sentence=(
            f"In training {then:.1%} of the training images were answered right, and the same network answers "
            f"{run.train_accuracy:.1%} of them right afterwards ({100 * gap:.1f} points fewer, 99 % interval "
            f"{100 * low:.1f} to {100 * high:.1f}): the statistics that batch normalization has stored are not those "
            "of the images."
        ),
        evidence={"train_accuracy_in_training": then, "train_accuracy": run.train_accuracy, "gap_low": low},
        basis=Basis.STRUCTURE,
    )


def fresh_statistics_finding(stored: NDArray[np.bool_], fresh: NDArray[np.bool_]) -> Finding | None:
    """Report M7 when statistics computed anew answer more of the same images (N,) right than the stored ones."""
    gained, dropped = int((fresh & ~stored).sum()), int((stored & ~fresh).sum())
    rise = (gained - dropped) / max(len(stored), 1)
    if rise < LEAST_RISE or binomtest(gained, gained + dropped, alternative="greater").pvalue >= P_VALUE:
        return None
    return _stale(
        sentence=(
            f"With the statistics of batch normalization computed anew from training images, {fresh.mean():.1%} of the "
            f"validation images are right, and {stored.mean():.1%} with those that the network has stored: these are "
            f"not the statistics of the images ({gained} answers are right only with the new ones, {dropped} only with "
            "the stored ones)."
        ),
        evidence={"accuracy_stored": float(stored.mean()), "accuracy_fresh": float(fresh.mean())},
        basis=Basis.UNDONE,
    )


def _stale(*, sentence: str, evidence: Mapping[str, float], basis: Basis) -> Finding:
    return Finding(
        id="M7",
        cause=2,
        title=NAMES["M7"],
        sentence=sentence,
        evidence=evidence,
        confidence=confidence_by(basis),
        basis=basis,
        repair=STATISTICS,
    )
