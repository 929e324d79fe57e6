"""One run, from settings to everything it found out. Knows neither Hydra nor MLflow."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np

from cnnexp import augmentation, environment, inference, models, optimizers, runtime, schedules, training
from cnnexp.augmentation import Augmentation
from cnnexp.calibration import MINIMUM_IMAGES, expected_calibration_error, fit_temperature
from cnnexp.config import ExperimentConfig
from cnnexp.data_check import check, gist
from cnnexp.datasets import Splits, accept, survey
from cnnexp.diagnosis import Facts, diagnose, unjudged
from cnnexp.evaluation import evaluate
from cnnexp.portable.card import ChannelStatistics
from cnnexp.portable.forward import forward_of
from cnnexp.records import (
    SPLIT_NAMES,
    EpochValues,
    Evaluation,
    History,
    Labels,
    Probabilities,
    RunPlan,
    RunResult,
    Scaling,
    SplitPredictions,
)
from cnnexp.saved import contract
from cnnexp.scaling import channel_statistics, fit_scaling

PREDICTED_SPLITS = ("validation", "calibration", "test")
EXAMPLE_IMAGES = 2  # in the model's input example


def run(
    config: ExperimentConfig,
    *,
    name: str,
    on_plan: Callable[[RunPlan], None],
    on_epoch: Callable[[EpochValues], None],
    on_progress: Callable[[str, int, int], None],
) -> RunResult:
    """Train, calibrate, judge and diagnose one model as `config` says.

    `on_plan` is called once before the first update, `on_epoch` after every epoch, and `on_progress` with
    (stage, done, total) while images are read and updates are made.

    Raises:
        CnnexpError: see `cnnexp.errors`; everything that can be known before training is raised before it.

    """
    data = config.data
    surveyed = survey(data, seed=config.seed, on_progress=partial(on_progress, "reading images"), strict=True)
    splits = accept(surveyed, data)
    report = check(surveyed, few_images=data.few_images, uneven=data.uneven, labels=False)
    splits = dataclasses.replace(splits, notes=(*splits.notes, *gist(report)))
    setup = _set_up(config, splits)
    runtime.configure(threads=setup.threads, seed=config.seed)
    model = _build(config, splits, setup, precision=setup.precision)
    plan = _plan(config, splits, setup, model, name)
    on_plan(plan)
    history = _train(config, splits, setup, model, on_epoch=on_epoch, on_progress=partial(on_progress, "training"))
    model = _finished(config, splits, setup, model)
    judged = _judge(config, splits, model)
    facts = _facts(config, splits, plan, history, judged)
    model_file = inference.to_bytes(model)
    drawn_up = _contract(splits, setup, judged, model, model_file)
    return RunResult(
        plan=plan,
        settings=dataclasses.asdict(config),
        history=history,
        metrics=_metrics(history, judged),
        evaluation=judged.evaluation,
        predictions=judged.predictions,
        findings=diagnose(facts),
        notes=(*splits.notes, *judged.notes, *unjudged(facts)),
        model_file=model_file,
        card=drawn_up.card.as_dict(),
        data_report=report,
        features_file=drawn_up.reference_file,
        example=splits.test.images[splits.test.rows[:EXAMPLE_IMAGES]],
        environment=environment.describe(threads=setup.threads, precision=setup.precision),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Setup:
    """What the settings come to on this data and this machine."""

    threads: int
    precision: str
    learning_rate: float
    updates_per_epoch: int
    augmentation: Augmentation
    statistics: ChannelStatistics
    scaling: Scaling


def _set_up(config: ExperimentConfig, splits: Splits) -> _Setup:
    height, width, _ = splits.spec.shape
    batch_size = config.training.batch_size
    work = min(batch_size, len(splits.train)) * height * width * config.model.width
    statistics = channel_statistics(splits.train)
    return _Setup(
        threads=runtime.resolve_threads(config.training.threads, work=work, cores=runtime.cores()),
        precision=runtime.resolve_precision(config.training.precision, work=work),
        learning_rate=schedules.scaled_rate(config.optimizer, batch_size=batch_size),
        updates_per_epoch=math.ceil(len(splits.train) / batch_size),
        augmentation=augmentation.resolve(config.augmentation, mirror=config.data.mirror),
        statistics=statistics,
        scaling=fit_scaling(config.data.scaling, statistics),
    )


def _build(config: ExperimentConfig, splits: Splits, setup: _Setup, *, precision: str) -> keras.Model:
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


def _plan(config: ExperimentConfig, splits: Splits, setup: _Setup, model: keras.Model, name: str) -> RunPlan:
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


def _train(
    config: ExperimentConfig,
    splits: Splits,
    setup: _Setup,
    model: keras.Model,
    *,
    on_epoch: Callable[[EpochValues], None],
    on_progress: Callable[[int, int], None],
) -> History:
    settings = config.training
    classes = len(splits.class_names)
    balanced = settings.class_weight == "balanced"
    plan = training.Plan(
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
        class_weights=training.balanced_class_weights(splits.train.labels, classes)
        if balanced
        else np.ones(classes, np.float32),
        label_smoothing=config.regularization.label_smoothing,
        augmentation=setup.augmentation,
        seed=config.seed,
    )
    optimizer = optimizers.build(config.optimizer, learning_rate=setup.learning_rate)
    return training.fit(
        model,
        optimizer,
        plan,
        train=splits.train,
        validation=splits.validation,
        on_epoch=on_epoch,
        on_update=on_progress,
    )


def _finished(config: ExperimentConfig, splits: Splits, setup: _Setup, trained: keras.Model) -> keras.Model:
    """Return the model as it is judged and kept: the trained weights, computing in float32."""
    if setup.precision == "float32":
        return trained
    model = _build(config, splits, setup, precision="float32")
    model.set_weights(trained.get_weights())
    return model


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """What the finished model does on each split, in inference mode."""

    train_accuracy: float
    val_accuracy: float
    val_loss: float  # before calibration, which never has a say in selection
    temperature: float | None  # None: not calibrated
    ece_uncalibrated: float
    predictions: Mapping[str, SplitPredictions]
    evaluation: Evaluation
    notes: tuple[str, ...]


def _judge(config: ExperimentConfig, splits: Splits, model: keras.Model) -> _Judged:
    """Predict every split, calibrating `model` in place on the way; evaluate the test split."""
    answer = inference.compiled(model)
    probabilities = {name: answer(splits[name].images, splits[name].rows) for name in SPLIT_NAMES}
    val_loss, val_accuracy = _loss_and_accuracy(probabilities["validation"], splits.validation.labels)
    _, train_accuracy = _loss_and_accuracy(probabilities["train"], splits.train.labels)
    uncalibrated = expected_calibration_error(probabilities=probabilities["test"], labels=splits.test.labels)

    temperature = None
    if len(splits.calibration) >= MINIMUM_IMAGES:
        temperature = fit_temperature(probabilities=probabilities["calibration"], labels=splits.calibration.labels)
        inference.fold_temperature(model, temperature)
        probabilities = {name: answer(splits[name].images, splits[name].rows) for name in PREDICTED_SPLITS}
    return _Judged(
        train_accuracy=train_accuracy,
        val_accuracy=val_accuracy,
        val_loss=val_loss,
        temperature=temperature,
        ece_uncalibrated=uncalibrated,
        predictions={
            name: SplitPredictions(splits[name].files, splits[name].labels, probabilities[name])
            for name in PREDICTED_SPLITS
        },
        evaluation=evaluate(
            probabilities=probabilities["test"],
            labels=splits.test.labels,
            class_names=splits.class_names,
            seed=config.seed,
        ),
        notes=_calibration_notes(temperature, len(splits.calibration)),
    )


def _calibration_notes(temperature: float | None, images: int) -> tuple[str, ...]:
    if temperature is not None:
        return ()
    return (
        f"Probabilities are not calibrated: that takes at least {MINIMUM_IMAGES} calibration images, and the split has "
        f"{images}; raise data.calibration.",
    )


def _loss_and_accuracy(probabilities: Probabilities, labels: Labels) -> tuple[float, float]:
    smallest = np.finfo(np.float32).tiny  # a probability that underflowed has a large loss, not an infinite one
    return training.loss_and_accuracy(np.log(np.maximum(probabilities, smallest)), labels)


def _metrics(history: History, judged: _Judged) -> dict[str, float]:
    """Return every final number under the name it is recorded by."""
    low, high = judged.evaluation.intervals["accuracy"]
    return {
        **{f"test/{name}": value for name, value in judged.evaluation.metrics.items()},
        "test/accuracy_low": low,
        "test/accuracy_high": high,
        "test/ece_uncalibrated": judged.ece_uncalibrated,
        "best/epoch": float(history.best_epoch),
        "best/val_loss": judged.val_loss,
        "best/val_accuracy": judged.val_accuracy,
        "best/train_accuracy": judged.train_accuracy,
        "gap/accuracy": judged.train_accuracy - judged.val_accuracy,
        "temperature": 1.0 if judged.temperature is None else judged.temperature,
        "updates": float(history.updates),
        "seconds/train": history.seconds,
    }


def _facts(config: ExperimentConfig, splits: Splits, plan: RunPlan, history: History, judged: _Judged) -> Facts:
    return Facts(
        history=history,
        train_accuracy=judged.train_accuracy,
        train_images=len(splits.train),
        val_accuracy=judged.val_accuracy,
        val_images=len(splits.validation),
        class_counts=plan.class_counts,
        evaluation=judged.evaluation,
        confidences=judged.predictions["test"].probabilities.max(axis=1),
        ece_uncalibrated=judged.ece_uncalibrated,
        calibration_images=len(splits.calibration),
        temperature=judged.temperature,
        epochs=config.training.epochs,
        patience=config.training.patience,
        learning_rate=config.optimizer.learning_rate,
        class_weight=config.training.class_weight,
        dropout=config.regularization.dropout,
        l2=config.regularization.l2,
        label_smoothing=config.regularization.label_smoothing,
        augmentation=plan.augmentation,
        seed=config.seed,
    )


def _contract(
    splits: Splits, setup: _Setup, judged: _Judged, model: keras.Model, model_file: bytes
) -> contract.Contract:
    return contract.draw_up(
        splits=splits,
        forward=forward_of(model),
        model_file=model_file,
        calibration=judged.predictions["calibration"].probabilities,
        statistics=setup.statistics,
        scaling=setup.scaling,
        temperature=judged.temperature,
        versions=environment.versions(),
    )
