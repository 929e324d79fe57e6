"""What a network and its loss show before training, and whether a short training of the repaired network helps."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.diagnosis.interventions import Intervention, Outcome, confirmed, helps
from cnnexp.diagnosis.loss_faults import loss_fault, loss_finding
from cnnexp.diagnosis.network_faults import GOOD, LEAST_SPREAD, StructureFault, structure_fault, structure_finding
from cnnexp.models import (
    after_training,
    drawn_again,
    examine_network,
    fingerprints,
    trainable_again,
    with_activations,
    without_saturation,
)
from cnnexp.records import Finding, NetworkFacts, PretrainedNetwork
from cnnexp.runs.prepare import prepare
from cnnexp.runs.probes.short_training import ShortTraining, Start
from cnnexp.runs.probes.trained_network import TrainedNetwork
from cnnexp.runs.resolved_settings import resolve
from cnnexp.runs.run_evidence import first_images
from cnnexp.training import loss_facts

SECONDS = 12.0  # of the repaired training, and of one beside it without the repair
USUAL_INPUT = 0.5  # root mean square that the repaired network gets
IN_FLOAT32 = ("training.precision=float32",)


@dataclass(frozen=True, slots=True)
class Repair:
    """How a short training begins, and with which overrides."""

    overrides: tuple[str, ...]
    start: Start
    why: str  # a clause that says what is repaired


CROSS_ENTROPY = Repair(("loss=cross_entropy",), Start(), "with cross-entropy")


class Train(Protocol):
    """A short training of the run with overrides, begun otherwise."""

    def __call__(self, overrides: Sequence[str], *, seconds: float, start: Start | None = None) -> ShortTraining:
        """See `short_training.train_briefly`."""


@dataclass(frozen=True, slots=True)
class ProbedStructure:
    """What came of it."""

    finding: Finding | None
    refuted: tuple[str, ...] = ()  # id of a fault whose repair does not help


def probe_structure(
    config: ExperimentConfig,
    splits: Splits,
    pretrained: PretrainedNetwork | None,
    trained: TrainedNetwork | None,
    *,
    train: Train,
    accuracy: float,
    epochs: int,
    named: Collection[str] = (),
) -> ProbedStructure:
    """Return what the structure of a run of this accuracy shows, with what its repair brought.

    `named` are the ids of what the run said of itself: that stays unless its repair does no better.
    """
    if accuracy >= GOOD or pretrained is not None:  # trained weights are right, whatever they look like
        return ProbedStructure(None)
    settings = resolve(config, splits)
    model, training, _ = prepare(
        config, splits, settings, None, graphs=None, on_epoch=lambda _: False, on_progress=lambda *_: None
    )
    facts, loss = examine_network(model, first_images(splits)), loss_facts(training.loss)
    if trained is not None:
        facts = after_training(facts, before=fingerprints(model), model=trained.model)
    fault, says = structure_fault(facts, doubtful=True), None if loss is None else loss_fault(loss)
    if says is not None and loss is not None and (fault is None or fault.id == "M8"):  # it may be why nothing changed
        fault, finding, repair = None, loss_finding(loss, says, accuracy=accuracy), CROSS_ENTROPY
    elif fault is not None:
        finding, repair = structure_finding(fault, accuracy=accuracy), _repair(fault, facts, seed=config.seed)
    else:
        return ProbedStructure(None)
    if fault is not None and fault.id == "M8" and all(layer.trainable for layer in model.layers):
        return ProbedStructure(finding)  # something in the graph stops the gradient, which nothing here can repair
    tried = _tried(
        finding,
        repair,
        train,
        accuracy=accuracy,
        images=len(splits.validation),
        epochs=epochs,
        is_known=finding.id in named,
    )
    return ProbedStructure(tried) if tried is not None else ProbedStructure(None, (finding.id,))


def _tried(
    finding: Finding, repair: Repair, train: Train, *, accuracy: float, images: int, epochs: int, is_known: bool
) -> Finding | None:
    """Return a finding with what its repair reached, beside a training as short without it; None: it did not help."""
    repaired = train(repair.overrides, seconds=SECONDS, start=repair.start)
    unrepaired = None
    if repaired.epochs < epochs and not helps(repaired.accuracy, over=accuracy, images=images):
        unrepaired = Outcome(Intervention(finding.id, (), ""), *_reached(train((), seconds=SECONDS)))
    outcome = Outcome(Intervention(finding.id, repair.overrides, repair.why), *_reached(repaired))
    return confirmed(finding, outcome, unrepaired, accuracy=accuracy, images=images, is_known=is_known)


def _reached(short: ShortTraining) -> tuple[float, int]:
    return short.accuracy, short.epochs


def _repair(fault: StructureFault, facts: NetworkFacts, *, seed: int) -> Repair:
    """Return what repairs a fault in a short training."""
    match fault.id:
        case "P1" | "P2":
            assert facts.input_rms is not None
            factor = USUAL_INPUT / max(facts.input_rms, 1e-12)
            return Repair((), Start(input_factor=factor), f"with the input multiplied by {factor:.2g}")
        case "M6" if facts.spread < LEAST_SPREAD and not facts.alike and facts.dead < 1:
            return Repair(IN_FLOAT32, Start(change=without_saturation), "with ReLU in place of what saturates")
        case "M6":
            return Repair((), Start(change=partial(drawn_again, seed=seed)), "with weights drawn anew (Glorot's)")
        case "M8":
            return Repair(("training.freeze=none",), Start(change=trainable_again), "with all layers trained")
        case _:
            change = partial(with_activations, names=fault.layers)
            return Repair(IN_FLOAT32, Start(change=change), "with a ReLU behind each of them")
