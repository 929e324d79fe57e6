"""Before the first update: what the settings come to on this data and this machine."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from cnnexp import augmentation, models, runtime, schedules, training
from cnnexp.augmentation import Augmentation
from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.experiment.scaling import channel_statistics, fit_scaling
from cnnexp.portable.card import ChannelStatistics
from cnnexp.records import SPLIT_NAMES, RunPlan, Scaling


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """What the settings come to on this data and this machine."""

    threads: int
    precision: str
    learning_rate: float
    updates_per_epoch: int
    augmentation: Augmentation
    statistics: ChannelStatistics
    scaling: Scaling


def set_up(config: ExperimentConfig, splits: Splits) -> Setup:
    """Decide what the settings leave open: ``auto``, and what follows from the training split."""
    height, width, _ = splits.spec.shape
    batch_size = config.training.batch_size
    work = min(batch_size, len(splits.train)) * height * width * config.model.width
    statistics = channel_statistics(splits.train)
    return Setup(
        threads=runtime.resolve_threads(config.training.threads, work=work, cores=runtime.cores()),
        precision=runtime.resolve_precision(config.training.precision, work=work),
        learning_rate=schedules.scaled_rate(config.optimizer, batch_size=batch_size),
        updates_per_epoch=math.ceil(len(splits.train) / batch_size),
        augmentation=augmentation.resolve(config.augmentation, mirror=config.data.mirror),
        statistics=statistics,
        scaling=fit_scaling(config.data.scaling, statistics),
    )


def build(config: ExperimentConfig, splits: Splits, setup: Setup, *, precision: str) -> keras.Model:
    """Return the untrained model."""
    regularization = config.regularization
    return models.build(
        config.model,
        input_shape=splits.spec.shape,
        num_classes=len(splits.class_names),
        scaling=setup.scaling,
        regularization=models.Regularization(
            dropout=regularization.dropout, l1=regularization.l1, l2=regularization.l2
        ),
        precision=precision,
    )


def run_plan(config: ExperimentConfig, splits: Splits, setup: Setup, model: keras.Model, name: str) -> RunPlan:
    """Return what is told of the run before its first update."""
    classes = len(splits.class_names)
    return RunPlan(
        name=name,
        data_name=splits.name,
        data_digest=splits.digest,
        data_source=splits.source,
        class_names=splits.class_names,
        class_counts={
            split: tuple(np.bincount(splits[split].labels, minlength=classes).tolist()) for split in SPLIT_NAMES
        },
        input_shape=splits.spec.shape,
        parameters=sum(math.prod(variable.shape) for variable in model.trainable_variables),
        learning_rate=setup.learning_rate,
        threads=setup.threads,
        precision=setup.precision,
        augmentation=str(setup.augmentation),
        updates_per_epoch=setup.updates_per_epoch,
        notes=splits.notes,
    )


def training_plan(config: ExperimentConfig, setup: Setup) -> training.Plan:
    """Return what `training.fit` is asked to do."""
    settings = config.training
    return training.Plan(
        batch_size=settings.batch_size,
        rates=schedules.rates(
            config.schedule,
            rate=setup.learning_rate,
            epochs=settings.epochs,
            updates_per_epoch=setup.updates_per_epoch,
        ),
        plateau=schedules.Plateau(config.schedule, rate=setup.learning_rate),
        patience=settings.patience,
        monitor=settings.monitor,
        keep=settings.keep,
        augmentation=setup.augmentation,
        seed=config.seed,
    )


def loss(config: ExperimentConfig, splits: Splits) -> training.Loss:
    """Return what training makes small."""
    classes = len(splits.class_names)
    balanced = config.training.class_weight == "balanced"
    return training.Loss(
        class_weights=training.balanced_class_weights(splits.train.labels, classes)
        if balanced
        else np.ones(classes, np.float32),
        label_smoothing=config.regularization.label_smoothing,
    )
