"""All probes of a run, and what they found beside what the run recorded of itself.

In the order of what is cheap and what excludes most: is it the run that was recorded; what does its network do, asked
again; what does the structure show, and does its repair help; only then, what keeps it from learning by its settings.
"""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.diagnosis import rank
from cnnexp.diagnosis.confidence import Basis
from cnnexp.diagnosis.interventions import (
    Intervention,
    Outcome,
    for_longer,
    interventions,
    judge,
    last_resort,
    of_rate,
    with_longer,
)
from cnnexp.diagnosis.refitted_head import ASKED_FOR as HEAD_ASKED_FOR
from cnnexp.diagnosis.refitted_head import head_finding, with_refitted_head
from cnnexp.diagnosis.training_course import FITTED
from cnnexp.diagnosis.unlearned import after_trials, unlearnable
from cnnexp.records import Finding, PretrainedNetwork, RecordedPredictions
from cnnexp.records.catalogue import UNKNOWN
from cnnexp.runs.prepare import load
from cnnexp.runs.probes.asked_again import ask_again
from cnnexp.runs.probes.one_batch import OVERRIDES as ONE_BATCH
from cnnexp.runs.probes.one_batch import learn_one_batch
from cnnexp.runs.probes.short_training import ShortTraining, Start, train_briefly
from cnnexp.runs.probes.structure import probe_structure
from cnnexp.runs.probes.trained_network import TrainedNetwork, load_trained, refit_head
from cnnexp.runs.probes.unlike_splits import look_at_splits
from cnnexp.runs.resolved_settings import resolve
from cnnexp.runs.starting_network import starting_network
from cnnexp.training import configure_tensorflow

SECONDS = 40.0  # of all short trainings; reading the images and building networks come on top
ONE_BATCH_SECONDS = 6.0
LAST_SECONDS = 8.0
LEAST_SECONDS = 3.0  # in which another training may show anything
UNFITTED = 0.9  # accuracy on training images, below which a run without a finding is asked to learn one batch
ENOUGH = 0.98  # of validation; what reaches it need not go on
# What a run says of itself where short trainings may tell why; of others, none could find anything.
ASKED_FOR = frozenset({"T1", "T2", "T3", "T5", "T6", "T8", "M1", "M3", "M4", "M6", "M8", "P8", UNKNOWN})
# Evidence that settings which no usual run has may bring about, too; where there is no more, or none, these are tried.
WEAK = frozenset({Basis.LABELS, Basis.GAP, Basis.CURVES})
# Faults that no setting repairs, and that explain the rest, by evidence that does not come from the training alone.
SETTLED = frozenset({"L1", "L3", "D5", "E3", "E4", "M7", "D6"})
SETTLED_BY = frozenset(
    {Basis.RECORD, Basis.UNDONE, Basis.NEIGHBOURS, Basis.REFITTED, Basis.COMPARED_LABELS, Basis.STRUCTURE}
)

Compose = Callable[[Sequence[str]], ExperimentConfig]  # overrides in addition to those of the run
OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbedRun:
    """What is known of a run before its probes."""

    recorded: Sequence[Finding]  # what it said at its end
    settings: Mapping[str, Any]  # its whole configuration, nested
    metrics: Mapping[str, float]  # final ones, among them best/val_accuracy and best/train_accuracy
    epochs: int  # that it trained
    predictions: RecordedPredictions | None  # of its test images; None: none were recorded
    model: Path | None  # folder of its model; None: it has none


@dataclass(slots=True)
class _Probes:
    """What the stages have in common."""

    run: ProbedRun
    compose: Compose
    splits: Splits
    pretrained: PretrainedNetwork | None
    trained: TrainedNetwork | None
    began: float = field(default_factory=time.monotonic)

    @property
    def accuracy(self) -> float:
        return self.run.metrics["best/val_accuracy"]

    @property
    def seconds_left(self) -> float:
        return max(1.0, SECONDS - (time.monotonic() - self.began))

    def train(self, overrides: Sequence[str], *, seconds: float, start: Start | None = None) -> ShortTraining:
        return train_briefly(
            self.compose(overrides),
            self.splits,
            self.pretrained,
            seconds=seconds,
            start=start or Start(),
            enough=ENOUGH,
        )


def probe_run(run: ProbedRun, *, compose: Compose, on_progress: OnProgress) -> tuple[Finding, ...]:
    """Return the findings of a run once its probes are made; `compose` gives its configuration with changes.

    Raises:
        CnnexpError: Its images are gone, or cannot be read.

    """
    config = compose(())
    if config.data.has_folds:  # its folds have no validation images in common
        return tuple(run.recorded)
    with starting_network(config) as pretrained:
        splits, report = load(config, pretrained, on_progress)
        resolved = resolve(config, splits, pretrained=pretrained)
        threads = resolved.threads
        configure_tensorflow(
            threads=threads, seed=config.seed, device=resolved.device
        )  # before the first network computes anything
        trained = None if run.model is None else load_trained(run.model, splits)
        on_progress("asking the network again", 0, 1)
        asked = ask_again(run.predictions, run.metrics, splits, trained)
        on_progress("asking the network again", 1, 1)
        if asked.is_another_run:  # nothing else that is seen now is about it
            return rank([*asked.findings, *run.recorded])
        probes = _Probes(run, _on_threads(compose, threads), splits, pretrained, trained)
        findings = _merged(run.recorded, asked.findings, refuted=asked.refuted)
        if trained is not None:
            on_progress("comparing the splits", 0, 1)
            seconds = run.metrics.get("seconds/train", 0.0)
            found = look_at_splits(trained, splits, report, seed=config.seed, seconds=seconds)
            findings = _merged(findings, found, refuted=())
            on_progress("comparing the splits", 1, 1)
        on_progress("looking at its structure", 0, 1)
        structure = probe_structure(
            config,
            splits,
            pretrained,
            trained,
            train=probes.train,
            accuracy=probes.accuracy,
            epochs=run.epochs,
            named={finding.id for finding in findings},
        )
        on_progress("looking at its structure", 1, 1)
        found = () if structure.finding is None else (structure.finding,)
        findings = _merged(findings, found, refuted=structure.refuted)
        if _may_be_settings(findings, run.metrics, refuted=structure.refuted):
            findings = _try_settings(probes, findings, on_progress)
        elif _may_be_extreme(findings, run.metrics):
            findings = _try_settings(probes, findings, on_progress, only_extreme=True)
        if not findings and run.metrics.get("best/train_accuracy", 1.0) < UNFITTED:
            findings = _learning_by_heart(probes)
        return rank(_with_head(findings, trained, seed=config.seed, accuracy=probes.accuracy))


def _on_threads(compose: Compose, threads: int) -> Compose:
    """Compose with the threads that this process has: `auto` may be others where a setting is changed."""
    return lambda changed: compose([*changed, f"training.threads={threads}"])


def _merged(before: Sequence[Finding], found: Sequence[Finding], *, refuted: Sequence[str]) -> list[Finding]:
    """Return what is found in the place of what was said of the same fault, without what is refuted."""
    ids = {finding.id for finding in found} | set(refuted)
    return [*found, *(finding for finding in before if finding.id not in ids)]


def _with_head(
    findings: Sequence[Finding], trained: TrainedNetwork | None, *, seed: int, accuracy: float
) -> list[Finding]:
    """Return findings with what a head says that is fitted anew on the network's features."""
    if trained is None or (findings and not HEAD_ASKED_FOR & {finding.id for finding in findings}):
        return list(findings)
    head = refit_head(trained, seed)
    if head is None:
        return list(findings)
    if not findings:
        found = head_finding(head, accuracy=accuracy)
        return [] if found is None else [found]
    return [with_refitted_head(finding, head, accuracy=accuracy) for finding in findings]


def _may_be_settings(findings: Sequence[Finding], metrics: Mapping[str, float], *, refuted: Sequence[str]) -> bool:
    """Return whether a setting may have kept the network from learning, and nothing better explains it."""
    explained = any(finding.id in SETTLED and finding.basis in SETTLED_BY for finding in findings)
    explained |= any(finding.id[0] in "PM" and "validation_accuracy_tried" in finding.evidence for finding in findings)
    unfitted = metrics.get("best/train_accuracy", 0.0) < FITTED
    of_training = ASKED_FOR & {*refuted, *(one.id for one in findings if one.basis != Basis.UNDONE)}
    return unfitted and not explained and bool(of_training)


def _may_be_extreme(findings: Sequence[Finding], metrics: Mapping[str, float]) -> bool:
    """Return whether nothing was found, or nothing better than what an extreme setting also looks like."""
    unfitted = metrics.get("best/train_accuracy", 1.0) < FITTED
    return unfitted and all(finding.basis in WEAK for finding in findings)


def _try_settings(
    probes: _Probes, findings: list[Finding], on_progress: OnProgress, *, only_extreme: bool = False
) -> list[Finding]:
    """Train briefly with one setting changed at a time, and on one batch; `only_extreme`: where it is a rare one."""
    run = probes.run
    ended_early = run.epochs < run.settings["training"]["epochs"]
    continues = probes.trained is not None
    tried = tuple(interventions(run.settings, ended_early=ended_early, continues=continues))
    if only_extreme:
        tried = tuple(one for one in tried if one.extreme)
        if not tried:
            return findings
    one_batch = learn_one_batch(
        probes.compose(ONE_BATCH), probes.splits, probes.pretrained, seconds=ONE_BATCH_SECONDS, start=Start()
    )
    outcomes = []
    for place, one in enumerate(tried):
        on_progress("trying other settings", place, len(tried))
        outcome = _outcome(probes, one, seconds=probes.seconds_left / (len(tried) - place))
        outcomes += [] if outcome is None else [outcome]
    on_progress("trying other settings", len(tried), len(tried))
    images = len(probes.splits.validation)
    expected = {finding.id for finding in findings}
    found = judge(outcomes, accuracy=probes.accuracy, images=images, epochs=run.epochs, expected=expected)
    resort = None if only_extreme else last_resort(run.settings)
    if found is None and resort is not None:
        short = probes.train(resort.overrides, seconds=LAST_SECONDS)
        outcomes.append(Outcome(resort, short.accuracy, short.epochs))
        found = judge(outcomes[-1:], accuracy=probes.accuracy, images=images, epochs=run.epochs)
    if found is not None:
        found = _for_longer(probes, found)
    learned = max(one_batch.accuracy, one_batch.train_accuracy)
    if found is None:
        whys = [one.intervention.why for one in outcomes]
        return [after_trials(finding, whys, one_batch=learned) for finding in findings]
    explains = [one for one in findings if one.basis in WEAK or (one.id in ASKED_FOR and one.basis != Basis.UNDONE)]
    same = [one for one in explains if one.id == found.id]
    others = [one.title for one in explains if one.id != found.id]
    found = dataclasses.replace(
        found,
        sentence=" ".join([*(one.sentence for one in same), found.sentence]),
        evidence={**(same[0].evidence if same else {}), **found.evidence, "one_batch_learned": learned},
        symptoms=tuple(dict.fromkeys((*others, *(name for one in explains for name in one.symptoms)))),
    )
    return [found, *(one for one in findings if one not in explains)]


def _for_longer(probes: _Probes, found: Finding) -> Finding:
    """Train a repair for more epochs where the run had so few that it may not show what the repair brings."""
    overrides = for_longer(found, epochs=probes.run.settings["training"]["epochs"])
    if overrides is None:
        return found
    left = SECONDS + LAST_SECONDS - (time.monotonic() - probes.began)
    if left < LEAST_SECONDS:
        return found
    short = probes.train(overrides, seconds=min(left, LAST_SECONDS))
    return with_longer(found, Outcome(Intervention(found.id, overrides, ""), short.accuracy, short.epochs))


def _learning_by_heart(probes: _Probes) -> list[Finding]:
    """Return what is wrong where a network that fits its training images badly cannot learn one batch either."""
    short = learn_one_batch(
        probes.compose(ONE_BATCH), probes.splits, probes.pretrained, seconds=ONE_BATCH_SECONDS, start=Start()
    )
    learned = max(short.accuracy, short.train_accuracy)
    found = unlearnable(learned, train_accuracy=probes.run.metrics["best/train_accuracy"])
    return [] if found is None else [found]


def _outcome(probes: _Probes, one: Intervention, *, seconds: float) -> Outcome | None:
    """Return what came of an intervention; None where it is about what the run had anyway."""
    start = Start()
    if one.goes_on and probes.trained is not None:
        start = Start(weights=probes.trained.weights(probes.run.metrics.get("temperature", 1.0)))
    short = probes.train(one.overrides, seconds=seconds, start=start)
    if one.overrides != ("optimizer.learning_rate=auto",):
        return Outcome(one, short.accuracy, short.epochs)
    rate, configured = short.learning_rate, float(probes.run.settings["optimizer"]["learning_rate"])
    fault = of_rate(rate, configured=configured)
    if fault is None:
        return None
    override = f"optimizer.learning_rate={float(f'{rate:.2g}'):g}"
    known = dataclasses.replace(one, id=fault, overrides=(override,), why=f"at a learning rate of {rate:.2g}")
    return Outcome(known, short.accuracy, short.epochs)
