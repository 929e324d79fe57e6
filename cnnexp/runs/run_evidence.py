"""What a finished training is diagnosed by."""

import math

import numpy as np

from cnnexp.config import ExperimentConfig, FocalLossConfig
from cnnexp.datasets import Split, Splits
from cnnexp.diagnosis import Neighbours, RunEvidence, neighbours
from cnnexp.diagnosis.neighbours import MOST_BYTES, MOST_IMAGES
from cnnexp.records import DataReport, History, Images, Labels, RunInfo
from cnnexp.runs.evaluate_splits import EvaluatedSplits


def evidence_of(
    config: ExperimentConfig,
    splits: Splits,
    info: RunInfo,
    history: History,
    evaluated: EvaluatedSplits,
    report: DataReport,
) -> RunEvidence:
    """Return what the diagnosis is based on: a network is compared with its training by what is most probable."""
    return RunEvidence(
        history=history.last_stage,
        train_accuracy=evaluated.train_accuracy,
        train_images=len(splits.train),
        val_accuracy=evaluated.val_accuracy,
        val_images=len(splits.validation),
        class_counts=info.class_counts,
        evaluation=evaluated.most_probable,
        confidences=evaluated.predictions["test"].probabilities.max(axis=1),
        ece_uncalibrated=evaluated.ece_uncalibrated,
        calibration_images=len(splits.calibration),
        temperature=evaluated.temperature,
        epochs=config.training.epochs,
        patience=config.training.patience,
        learning_rate=float(config.optimizer.learning_rate),
        class_weight=config.training.class_weight,
        sampling=config.training.sampling,
        dropout=config.regularization.dropout,
        l1=config.regularization.l1,
        l2=config.regularization.l2,
        label_smoothing=config.regularization.label_smoothing,
        gamma=config.loss.gamma if isinstance(config.loss, FocalLossConfig) else 0.0,
        augmentation=info.augmentation,
        augmentation_group=config.augmentation.name,
        seed=config.seed,
        images_per_step=config.training.images_per_step,
        answers=evaluated.answers,
        neighbours=_neighbours(splits, config.seed),
        report=report,
    )


def _neighbours(splits: Splits, seed: int) -> Neighbours | None:
    """Return what the nearest images say; None where there are not two training images and one to answer."""
    if len(splits.train) < 2 or not len(splits.validation):
        return None
    (train, train_labels), (validation, validation_labels) = (
        _sample(split, seed) for split in (splits.train, splits.validation)
    )
    return neighbours(
        train=train, train_labels=train_labels, validation=validation, validation_labels=validation_labels, seed=seed
    )


def _sample(split: Split, seed: int) -> tuple[Images, Labels]:
    """Return some images of a split and their labels; each image is as likely."""
    most = max(2, min(MOST_IMAGES, MOST_BYTES // math.prod(split.images.shape[1:])))
    places = np.arange(len(split))
    if len(split) > most:
        places = np.sort(np.random.default_rng(seed).choice(places, most, replace=False))
    return split.images[split.rows[places]], split.labels[places]
