"""The straight line of one run, from configuration to result."""

import dataclasses
import math
from collections.abc import Callable
from functools import partial

import keras
import numpy as np

from cnnexp import training
from cnnexp.config import ExperimentConfig, Extended, FocalLossConfig
from cnnexp.data_check import check, summary
from cnnexp.datasets import Splits, inspect_dataset, trainable_splits
from cnnexp.diagnosis import diagnose, not_assessed
from cnnexp.errors import ConfigError
from cnnexp.models import Regularization, build_model, set_pretrained_weights
from cnnexp.records import SPLIT_NAMES, EpochValues, Gallery, PretrainedNetwork, PrunedRun, RunInfo, RunResult
from cnnexp.runs.evaluate_splits import EvaluatedSplits, evaluate_splits, evidence_of, final_metrics
from cnnexp.runs.gallery import build_gallery, unlike_by
from cnnexp.runs.pretrained import data_for, notes_on
from cnnexp.runs.resolved_settings import ResolvedSettings, resolve
from cnnexp.saved.build_card import CardWithReference, build_card
from cnnexp.system import resources
from cnnexp.training import GraphCache, Network, Trainer, configure_tensorflow

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
) -> RunResult | PrunedRun:
    """Train, calibrate, evaluate and diagnose one model.

    `on_start` is called once before the first step, `on_epoch` after every epoch, and `on_progress` with
    (stage, done, total) while images are read and steps are made. Where `on_epoch` returns true the run is pruned: it
    stops after that epoch and is not evaluated. `graphs` are those of earlier runs in this process;
    a user's optimizer gets new ones, because it may have settings that it does not describe. `pretrained` is the
    network that the run starts from, see `find_pretrained`.

    Raises:
        CnnexpError: see `cnnexp.errors`; whatever can be known before training is raised before it.

    """
    training.require_zip_date()
    if config.data.has_folds:
        raise ConfigError(
            "data.folds needs the fold that a run judges: data.fold=1, or -m 'data.fold=range(1,6)' for five."
        )
    data = data_for(config.data, pretrained)
    inspected = inspect_dataset(data, seed=config.seed, on_progress=partial(on_progress, "reading images"), strict=True)
    splits = trainable_splits(inspected, data)
    report = check(inspected, few_images=data.few_images, uneven=data.uneven, labels=False)
    about_network = notes_on(pretrained, inspected, config.data)
    splits = dataclasses.replace(splits, notes=(*splits.notes, *about_network, *summary(report)))
    settings = resolve(config, splits, pretrained=pretrained)
    configure_tensorflow(threads=settings.threads, seed=config.seed)
    model = _build(config, splits, settings, precision=settings.precision)
    set_pretrained_weights(model, config.model, pretrained)
    info = _info(config, splits, settings, model, name)
    on_start(info)
    optimizer = training.build_optimizer(config.optimizer, learning_rate=settings.learning_rate)
    own = isinstance(config.optimizer, Extended) or isinstance(config.loss, Extended)
    graphs = GraphCache() if graphs is None or own else graphs
    trainer = graphs.reuse(
        Trainer(
            Network(model),
            optimizer,
            _loss(config, splits),
            micro_batch=config.training.batch_size if config.training.accumulate > 1 else None,
            ema=config.training.ema,
            mixed=settings.augmentation.mixes,
        )
    )
    history = training.fit(
        trainer,
        _fit_config(config, settings),
        train=splits.train,
        validation=splits.validation,
        on_epoch=on_epoch,
        on_steps=partial(on_progress, "training"),
    )
    if history.pruned:
        return PrunedRun(history)
    network = _in_float32(config, splits, settings, trainer.network, graphs)
    evaluated = evaluate_splits(network, splits, seed=config.seed)
    if evaluated.temperature is not None:
        training.fold_temperature(network.model, evaluated.temperature)  # from here on, the calibrated model
    evidence = evidence_of(config, splits, info, history, evaluated)
    model_file = training.to_bytes(network.model)
    card = _card(splits, settings, evaluated, network, model_file)
    return RunResult(
        info=info,
        settings=dataclasses.asdict(config),
        history=history,
        metrics=final_metrics(history, evaluated),
        evaluation=evaluated.evaluation,
        predictions=evaluated.predictions,
        findings=diagnose(evidence),
        notes=(*splits.notes, *evaluated.notes, *not_assessed(evidence)),
        model_file=model_file,
        card=card.card.as_dict(),
        data_report=report,
        features_file=card.reference_file,
        example=splits.test.images[splits.test.rows[:EXAMPLE_IMAGES]],
        gallery=_gallery(config, splits, settings, evaluated, network, card),
        environment=resources.environment(threads=settings.threads, precision=settings.precision),
    )


def _build(config: ExperimentConfig, splits: Splits, settings: ResolvedSettings, *, precision: str) -> keras.Model:
    """Return the untrained model."""
    regularization = config.regularization
    return build_model(
        config.model,
        input_shape=splits.spec.shape,
        num_classes=len(splits.class_names),
        scaling=settings.scaling,
        regularization=Regularization(dropout=regularization.dropout, l1=regularization.l1, l2=regularization.l2),
        precision=precision,
    )


def _info(
    config: ExperimentConfig, splits: Splits, settings: ResolvedSettings, model: keras.Model, name: str
) -> RunInfo:
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
        notes=splits.notes,
    )


def _loss(config: ExperimentConfig, splits: Splits) -> training.Loss:
    classes = len(splits.class_names)
    balanced = config.training.class_weight == "balanced"
    return training.Loss(
        class_weights=training.balanced_class_weights(splits.train.labels, classes)
        if balanced
        else np.ones(classes, np.float32),
        label_smoothing=config.regularization.label_smoothing,
        gamma=config.loss.gamma if isinstance(config.loss, FocalLossConfig) else 0.0,
    )


def _fit_config(config: ExperimentConfig, settings: ResolvedSettings) -> training.FitConfig:
    return training.FitConfig(
        batch_size=config.training.images_per_step,
        sampling=config.training.sampling,
        learning_rates=training.learning_rates(
            config.schedule,
            learning_rate=settings.learning_rate,
            epochs=config.training.epochs,
            steps_per_epoch=settings.steps_per_epoch,
        ),
        set_learning_rate=config.optimizer.learning_rate,
        plateau=training.Plateau(config.schedule, learning_rate=settings.learning_rate),
        patience=config.training.patience,
        monitor=config.training.monitor,
        keep=config.training.keep,
        augmentation=settings.augmentation,
        seed=config.seed,
    )


def _in_float32(
    config: ExperimentConfig, splits: Splits, settings: ResolvedSettings, trained: Network, graphs: GraphCache
) -> Network:
    """Return the network as it is evaluated and saved: the trained weights, computing in float32."""
    if settings.precision == "float32":
        return trained
    network = graphs.reuse(Network(_build(config, splits, settings, precision="float32")))
    network.model.set_weights(trained.model.get_weights())
    return network


def _gallery(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    evaluated: EvaluatedSplits,
    network: Network,
    card: CardWithReference,
) -> Gallery:
    return build_gallery(
        splits,
        evaluated.predictions["test"].probabilities,
        evaluated.evaluation.confusion,
        is_unlike=unlike_by(network.forward, card.reference, p=card.card.thresholds.unlike_p),
        augmentation=settings.augmentation,
        batch_size=config.training.images_per_step,
        sampling=config.training.sampling,
        seed=config.seed,
    )


def _card(
    splits: Splits, settings: ResolvedSettings, evaluated: EvaluatedSplits, network: Network, model_file: bytes
) -> CardWithReference:
    return build_card(
        splits=splits,
        forward=network.forward,
        model_file=model_file,
        calibration=evaluated.predictions["calibration"].probabilities,
        statistics=settings.statistics,
        scaling=settings.scaling,
        temperature=evaluated.temperature,
        versions=resources.versions(),
    )
