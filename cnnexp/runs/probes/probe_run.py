"""All probes of a run, one after another, and what they found beside what the run recorded of itself."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cnnexp.config import ExperimentConfig
from cnnexp.diagnosis import rank
from cnnexp.diagnosis.interventions import Intervention, Outcome, interventions, judge, of_rate
from cnnexp.records import Finding
from cnnexp.records.catalogue import UNKNOWN
from cnnexp.runs import experiment
from cnnexp.runs.probes.short_training import train_briefly
from cnnexp.runs.starting_network import starting_network

SECONDS = 48.0  # of all short trainings; reading the images and building networks come on top
# What a run says of itself where short trainings may tell why; of others, none could find anything.
ASKED_FOR = frozenset({"T1", "T2", "T3", "T5", "T6", "M1", "M3", UNKNOWN})
DOUBTED = 0.5  # times the confidence in a finding whose own repair, tried, does not help

Compose = Callable[[Sequence[str]], ExperimentConfig]  # overrides in addition to those of the run
OnProgress = Callable[[str, int, int], None]


def probe_run(
    recorded: Sequence[Finding],
    *,
    settings: Mapping[str, Any],
    metrics: Mapping[str, float],
    epochs: int,
    compose: Compose,
    on_progress: OnProgress,
) -> tuple[Finding, ...]:
    """Return the findings of a run once its probes are made.

    Args:
        recorded: What the run said at its end.
        settings: Its whole configuration, nested.
        metrics: Its final metrics, among them best/val_accuracy.
        epochs: That it trained.
        compose: Gives its configuration with some settings changed.
        on_progress: Called with (stage, done, total).

    Raises:
        CnnexpError: Its images are gone, or cannot be read.

    """
    config = compose(())
    if config.data.has_folds or not ASKED_FOR & {finding.id for finding in recorded}:
        return tuple(recorded)  # its folds have no validation images in common
    tried = tuple(interventions(settings))
    outcomes, images = _outcomes(config, tried, compose, on_progress=on_progress)
    found = judge(outcomes, accuracy=metrics["best/val_accuracy"], images=images, epochs=epochs)
    if found is None:
        return rank(recorded)
    return rank([found, *(_doubted(one, found) for one in recorded if one.id != found.id)])


def _doubted(finding: Finding, found: Finding) -> Finding:
    """Return a finding about the training with less confidence where another repair than its own has helped."""
    if finding.id not in ASKED_FOR or finding.id in found.alternatives:
        return finding
    return dataclasses.replace(finding, confidence=DOUBTED * finding.confidence)


def _outcomes(
    config: ExperimentConfig, tried: Sequence[Intervention], compose: Compose, *, on_progress: OnProgress
) -> tuple[list[Outcome], int]:
    """Train briefly with each intervention; return what came of them, and the number of validation images."""
    with starting_network(config) as pretrained:
        splits, _ = experiment.load(config, pretrained, on_progress)
        outcomes = []
        for place, one in enumerate(tried):
            on_progress("trying other settings", place, len(tried))
            short = train_briefly(
                compose(one.overrides),
                splits,
                pretrained,
                seconds=SECONDS / len(tried),
                on_progress=lambda *_: None,
            )
            known = _with_rate(one, short.learning_rate, configured=float(config.optimizer.learning_rate))
            if known is not None:
                outcomes.append(Outcome(known, short.accuracy, short.epochs))
        on_progress("trying other settings", len(tried), len(tried))
    return outcomes, len(splits.validation)


def _with_rate(tried: Intervention, rate: float, *, configured: float) -> Intervention | None:
    """Return an intervention that searched for a rate with the rate; None where that is about the run's own."""
    if tried.overrides != ("optimizer.learning_rate=auto",):
        return tried
    fault = of_rate(rate, configured=configured)
    if fault is None:
        return None
    override = f"optimizer.learning_rate={float(f'{rate:.2g}'):g}"
    return dataclasses.replace(tried, id=fault, overrides=(override,), why=f"at a learning rate of {rate:.2g}")
