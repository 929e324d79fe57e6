"""The straight line of one run, from configuration to result."""

import dataclasses
import math
from collections.abc import Callable

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp import training
from cnnexp.config import ExperimentConfig
from cnnexp.config.columns import extensions_of
from cnnexp.config.extended import code_files
from cnnexp.datasets import Splits
from cnnexp.diagnosis import diagnose, not_assessed
from cnnexp.models import LOGITS, after_training, examine_network, fingerprints
from cnnexp.records import (
    SPLIT_NAMES,
    EpochValues,
    FoundAccumulation,
    FoundLearningRate,
    Gallery,
    PretrainedNetwork,
    PrunedRun,
    RunInfo,
    RunResult,
)
from cnnexp.runs.evaluate_splits import EvaluatedSplits, evaluate_splits, final_metrics, soup_notes
from cnnexp.runs.found_accumulation import accumulation_notes
from cnnexp.runs.found_rate import rate_notes, searching
from cnnexp.runs.gallery import IsUnlike, build_gallery, unlike_by
from cnnexp.runs.origin import origin_of
from cnnexp.runs.prepare import load, prepare
from cnnexp.runs.pretrained import trained_on
from cnnexp.runs.resolved_settings import ResolvedSettings, resolve, unused_augmentation
from cnnexp.runs.resuming import NOT_RESUMED, Resuming
from cnnexp.runs.run_evidence import evidence_of, first_images
from cnnexp.runs.train_network import TrainedNetwork
from cnnexp.saved.build_card import CardWithReference, build_card, with_code, with_decision
from cnnexp.saved.build_reference import reference_bytes
from cnnexp.system import resources
from cnnexp.training import GraphCache, loss_facts

EXAMPLE_IMAGES = 2  # in the model's input example


def run(
    config: ExperimentConfig,
    *,
    pretrained: PretrainedNetwork | None = None,
    name: str,
    on_start: Callable[[RunInfo], None],
    on_epoch: Callable[[EpochValues], bool],
    on_progress: Callable[[str, int, int], None],
    graphs: GraphCache | None = None,
    resuming: Resuming = NOT_RESUMED,
) -> RunResult | PrunedRun:
    """Train, calibrate, evaluate and diagnose one model.

    `on_start` is called once before the first step, `on_epoch` after every epoch, and `on_progress` with
    (stage, done, total) while images are read and steps are made. Where `on_epoch` returns true the run is pruned: it
    stops after that epoch and is not evaluated. `graphs` are those of earlier runs in this process;
    a user's optimizer gets new ones, because it may have settings that it does not describe. `pretrained` is the
    network that the run starts from, see `find_pretrained`. `resuming` is where the run goes on from, and what is saved
    of it.

    Raises:
        CnnexpError: see `cnnexp.errors`; whatever can be known before training is raised before it.

    """
    training.require_zip_date()
    splits, report = load(config, pretrained, on_progress)
    settings = resolve(config, splits, pretrained=pretrained)
    splits = resuming.checked(splits, origin_of(config, splits, settings, pretrained))
    model, network_training, found = prepare(
        config,
        splits,
        settings,
        pretrained,
        graphs=graphs,
        on_epoch=on_epoch,
        on_progress=on_progress,
        checkpoint=resuming.checkpoint,
    )
    config, settings = network_training.config, network_training.settings
    info = run_info(config, splits, settings, model, name, found, network_training.accumulation)
    on_start(info)
    facts = None if pretrained is not None else examine_network(model, first_images(splits))
    before = {} if facts is None else fingerprints(model)
    trained = network_training.train(model)
    network, history = trained.network, trained.history
    if history.pruned:
        return PrunedRun(history)
    facts = None if facts is None else after_training(facts, before=before, model=network.model)
    evaluated = evaluate_splits(trained.outputs, splits, seed=config.seed, decision=config.decision)
    if evaluated.temperature is not None:
        training.fold_temperature(network.model, evaluated.temperature)  # from here on, the calibrated model
    evidence = evidence_of(
        config, splits, info, history, evaluated, report, network, facts=facts, loss=loss_facts(network_training.loss)
    )
    model_file = training.to_bytes(network.model)
    code = {**(pretrained.code if pretrained is not None else {}), **code_files(extensions_of(config))}
    card = with_code(_card(splits, settings, evaluated, trained, model_file, trained_on(pretrained, splits)), code)
    return RunResult(
        info=info,
        settings=dataclasses.asdict(config),
        history=history,
        metrics=final_metrics(history, evaluated),
        evaluation=evaluated.evaluation,
        predictions=evaluated.predictions,
        findings=diagnose(evidence),
        notes=(*info.notes, *soup_notes(history, evaluated), *evaluated.notes, *not_assessed(evidence)),
        model_file=model_file,
        card=card.card.as_dict(),
        data_report=report,
        features_file=card.reference_file,
        example=splits.test.images[splits.test.rows[:EXAMPLE_IMAGES]],
        gallery=gallery(
            config,
            splits,
            settings,
            evaluated,
            is_unlike=unlike_by(trained.outputs, card.reference, splits.test, p=card.card.thresholds.unlike_p),
        ),
        environment=settings.environment,
        code=code,
    )


def find_learning_rate(
    config: ExperimentConfig, *, on_progress: Callable[[str, int, int], None], pretrained: PretrainedNetwork | None
) -> FoundLearningRate:
    """Find the rate that a run with ``optimizer.learning_rate=auto`` would train with.

    Raises:
        CnnexpError: as `run` raises before its first step.

    """
    splits, _ = load(config, pretrained, on_progress)
    settings = resolve(config, splits, pretrained=pretrained)
    *_, found = prepare(
        searching(config), splits, settings, pretrained, graphs=None, on_epoch=lambda _: False, on_progress=on_progress
    )
    assert found is not None
    return found


def run_info(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    model: keras.Model,
    name: str,
    found: FoundLearningRate | None,
    accumulation: FoundAccumulation | None,
) -> RunInfo:
    """Return what is known of the run before its first step."""
    classes = len(splits.class_names)
    return RunInfo(
        name=name,
        data_name=splits.name,
        data_digest=splits.digest,
        content_digest=splits.content_digest,
        data_source=splits.source,
        class_names=splits.class_names,
        class_counts={
            split: tuple(np.bincount(splits[split].labels, minlength=classes).tolist()) for split in SPLIT_NAMES
        },
        input_shape=splits.spec.shape,
        parameters=sum(math.prod(variable.shape) for variable in model.trainable_variables),
        learning_rate=settings.learning_rate,
        threads=settings.threads,
        precision=settings.precision,
        augmentation=str(settings.augmentation),
        steps_per_epoch=settings.steps_per_epoch,
        device=settings.device.name,
        devices=1 if config.training.freeze == "backbone" else settings.device.count,
        notes=(
            *splits.notes,
            *settings.notes,
            *unused_augmentation(config, splits.spec),
            *accumulation_notes(accumulation),
            *rate_notes(found),
        ),
        found=found,
        accumulation=accumulation,
        head_parameters=model.get_layer(LOGITS).count_params() if config.training.freeze == "backbone" else None,
        reference_bytes=reference_bytes(splits, length=int(model.get_layer(LOGITS).input.shape[-1])),
    )


def gallery(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    evaluated: EvaluatedSplits,
    *,
    is_unlike: IsUnlike,
) -> Gallery:
    """Return the images of the run's page."""
    return build_gallery(
        splits,
        evaluated.predictions["test"].probabilities,
        evaluated.predictions["test"].predicted,
        evaluated.evaluation.confusion,
        is_unlike=is_unlike,
        augmentation=settings.augmentation,
        batch_size=config.training.images_per_step,
        sampling=config.training.sampling,
        seed=config.seed,
    )


def _card(
    splits: Splits,
    settings: ResolvedSettings,
    evaluated: EvaluatedSplits,
    trained: TrainedNetwork,
    model_file: bytes,
    learned: NDArray[np.uint64],
) -> CardWithReference:
    card = build_card(
        splits=splits,
        forward=trained.network.forward,
        features_of=trained.outputs.features,
        model_file=model_file,
        calibration=evaluated.predictions["calibration"].probabilities,
        statistics=settings.statistics,
        scaling=settings.scaling,
        temperature=evaluated.temperature,
        versions=resources.versions(),
        trained_on=learned,
    )
    return with_decision(card, evaluated.decision)
