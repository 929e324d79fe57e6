"""Before the first update: what the settings come to on this data and this machine."""

import math
from dataclasses import dataclass

import keras
import numpy as np

from cnnexp import training
from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Split, Splits
from cnnexp.models import Regularization, build_model
from cnnexp.portable.card import ChannelStatistics
from cnnexp.records import SPLIT_NAMES, RunPlan, Scaling
from cnnexp.system import resources
from cnnexp.training import augmentation, schedules
from cnnexp.training.augmentation import Augmentation


def channel_statistics(train: Split) -> ChannelStatistics:
    """Return mean and deviation of each channel over all pixels of `train`, read in portions."""
    channels = train.images.shape[-1]
    total, squares = np.zeros(channels), np.zeros(channels)
    for start in range(0, len(train), 1024):
        pixels = train.images[train.rows[start : start + 1024]].reshape(-1, channels).astype(np.float64)
        total += pixels.sum(axis=0)
        squares += np.square(pixels).sum(axis=0)
    count = len(train) * np.prod(train.images.shape[1:3])
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - np.square(mean), 0))
    return ChannelStatistics(mean=tuple(mean.tolist()), deviation=tuple(deviation.tolist()))


def fit_scaling(rule: str, statistics: ChannelStatistics) -> Scaling:
    """Return the model's first layer: ``unit`` maps 0..255 to 0..1, ``standardize`` to mean 0 and deviation 1."""
    if rule == "unit":
        channels = len(statistics.mean)
        return Scaling(rule, (1 / 255,) * channels, (0.0,) * channels)
    deviation = [max(value, 1.0) for value in statistics.deviation]  # a constant channel must not be blown up
    scale = tuple(1 / value for value in deviation)
    offset = tuple(-mean / value for mean, value in zip(statistics.mean, deviation, strict=True))
    return Scaling(rule, scale, offset)


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
        threads=resources.resolve_threads(config.training.threads, work=work, cores=resources.cores()),
        precision=resources.resolve_precision(config.training.precision, work=work),
        learning_rate=schedules.scaled_rate(config.optimizer, batch_size=batch_size),
        updates_per_epoch=math.ceil(len(splits.train) / batch_size),
        augmentation=augmentation.resolve(config.augmentation, mirror=config.data.mirror),
        statistics=statistics,
        scaling=fit_scaling(config.data.scaling, statistics),
    )


def build(config: ExperimentConfig, splits: Splits, setup: Setup, *, precision: str) -> keras.Model:
    """Return the untrained model."""
    regularization = config.regularization
    return build_model(
        config.model,
        input_shape=splits.spec.shape,
        num_classes=len(splits.class_names),
        scaling=setup.scaling,
        regularization=Regularization(dropout=regularization.dropout, l1=regularization.l1, l2=regularization.l2),
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
