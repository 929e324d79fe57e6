"""After the last update: what the finished model does on every split."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from cnnexp import training
from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.diagnosis import RunEvidence
from cnnexp.evaluation import MINIMUM_IMAGES, evaluate, expected_calibration_error, fit_temperature
from cnnexp.records import SPLIT_NAMES, Evaluation, History, RunPlan, SplitPredictions
from cnnexp.training import network as inference
from cnnexp.training.network import Network

PREDICTED_SPLITS = ("validation", "calibration", "test")


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What the finished model does on each split, in inference mode."""

    train_accuracy: float
    val_accuracy: float
    val_loss: float  # before calibration, which never has a say in selection
    temperature: float | None  # None: not calibrated
    ece_uncalibrated: float
    predictions: Mapping[str, SplitPredictions]
    evaluation: Evaluation
    notes: tuple[str, ...]


def judge(config: ExperimentConfig, splits: Splits, network: Network) -> Judged:
    """Predict every split, once, and evaluate the test split; `network` is calibrated in place on the way."""
    logits = {name: network.logits(splits[name].images, splits[name].rows) for name in SPLIT_NAMES}
    val_loss, val_accuracy = training.loss_and_accuracy(logits["validation"], splits.validation.labels)
    _, train_accuracy = training.loss_and_accuracy(logits["train"], splits.train.labels)
    probabilities = {name: softmax(logits[name], axis=1) for name in PREDICTED_SPLITS}
    uncalibrated = expected_calibration_error(probabilities=probabilities["test"], labels=splits.test.labels)

    temperature = None
    if len(splits.calibration) >= MINIMUM_IMAGES:
        temperature = fit_temperature(probabilities=probabilities["calibration"], labels=splits.calibration.labels)
        inference.fold_temperature(network.model, temperature)
        probabilities = {name: softmax(logits[name] / np.float32(temperature), axis=1) for name in PREDICTED_SPLITS}
    return Judged(
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


def final_metrics(history: History, judged: Judged) -> dict[str, float]:
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


def facts_of(config: ExperimentConfig, splits: Splits, plan: RunPlan, history: History, judged: Judged) -> RunEvidence:
    """Return what the diagnosis goes by."""
    return RunEvidence(
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


def _calibration_notes(temperature: float | None, images: int) -> tuple[str, ...]:
    if temperature is not None:
        return ()
    return (
        f"Probabilities are not calibrated: that takes at least {MINIMUM_IMAGES} calibration images, and the split has "
        f"{images}; raise data.calibration.",
    )
