"""What a finished training is diagnosed by."""

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import AdamWConfig, ExperimentConfig, FocalLossConfig, MuonConfig, RmspropConfig, SgdConfig
from cnnexp.data_check.possible_groups import GUESSED
from cnnexp.datasets import Split, Splits
from cnnexp.diagnosis import Answers, Neighbours, RunEvidence, neighbours
from cnnexp.diagnosis.data_faults import placeholders
from cnnexp.diagnosis.neighbours import MOST_BYTES, MOST_COPIES, MOST_IMAGES
from cnnexp.records import DataReport, History, Images, LossFacts, NetworkFacts, RunInfo
from cnnexp.runs.evaluate_splits import EvaluatedSplits, step_of
from cnnexp.runs.images_to_try import images_to_try, places_of, sample_at, sample_of
from cnnexp.training import Network

MOST_LOOKED_AT = 64  # training images


def evidence_of(
    config: ExperimentConfig,
    splits: Splits,
    info: RunInfo,
    history: History,
    evaluated: EvaluatedSplits,
    report: DataReport,
    network: Network | None,
    *,
    facts: NetworkFacts | None = None,
    loss: LossFacts | None = None,
) -> RunEvidence:
    """Return what the diagnosis is based on: a network is compared with its training by what is most probable."""
    optimizer, nothing = config.optimizer, placeholders(report)
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
        learning_rate=float(optimizer.learning_rate),
        class_weight=config.training.class_weight,
        sampling=config.training.sampling,
        dropout=config.regularization.dropout,
        l1=config.regularization.l1,
        l2=config.regularization.l2,
        label_smoothing=config.regularization.label_smoothing,
        gamma=config.loss.gamma if isinstance(config.loss, FocalLossConfig) else 0.0,
        augmentation=info.augmentation,
        augmentation_group="" if config.training.freeze == "backbone" else config.augmentation.name,
        seed=config.seed,
        class_names=splits.class_names,
        images_per_step=config.training.images_per_step,
        optimizer="" if isinstance(optimizer, MuonConfig) and optimizer.fixed_norm else optimizer.name,
        momentum=optimizer.momentum if isinstance(optimizer, RmspropConfig | SgdConfig) else 0.0,
        weight_decay=optimizer.weight_decay if isinstance(optimizer, AdamWConfig | MuonConfig) else 0.0,
        keep=config.training.keep,
        answers={name: _answers(answers, splits[name], nothing) for name, answers in evaluated.answers.items()},
        neighbours=_neighbours(splits, config.seed, report, nothing),
        report=report,
        network=facts,
        loss=loss,
        images=None
        if network is None
        else images_to_try(splits, network, config.seed, seconds=history.seconds, without=nothing),
    )


def first_images(splits: Splits) -> Images:
    """Return some training images, evenly over their order, at which a network is looked at before training."""
    train = splits.train
    return train.images[train.rows[:: -(-len(train) // MOST_LOOKED_AT)]]


def _answers(answers: Answers, split: Split, nothing: Collection[int]) -> Answers:
    """Return the answers to images that show something: those of others say nothing of the network or its labels."""
    if not nothing:
        return answers
    shown = ~np.isin(split.rows[:: step_of(split)], list(nothing))
    return Answers(answers.labels[shown], answers.probabilities[shown])


def _neighbours(splits: Splits, seed: int, report: DataReport, nothing: Collection[int]) -> Neighbours | None:
    """Return what the nearest images say; None where there are not two training images and one to answer."""
    most = max(2, min(MOST_IMAGES, MOST_BYTES // math.prod(splits.spec.shape)))
    places = [places_of(split, seed, most=most, without=nothing) for split in (splits.train, splits.validation)]
    if len(places[0]) < 2 or not len(places[1]):
        return None
    train, validation = (
        sample_at(split, own) for split, own in zip((splits.train, splits.validation), places, strict=True)
    )
    return neighbours(
        train=train.images,
        train_labels=train.labels,
        validation=validation.images,
        validation_labels=validation.labels,
        seed=seed,
        groups=_groups(splits, places, report),
        test=sample_of(splits.test, seed, most=MOST_COPIES, without=nothing).images,
    )


def _groups(
    splits: Splits, places: list[NDArray[np.int64]], report: DataReport
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the groups, by name, of training and validation images at these places; None: there are none."""
    issue = next((one for one in report.issues if one.title == GUESSED), None)
    if issue is None:
        return None
    number = {image.row: group for group, images in enumerate(issue.groups) for image in images}
    train, validation = (
        np.array([number.get(row, -1) for row in split.rows[own].tolist()], np.int64)
        for split, own in zip((splits.train, splits.validation), places, strict=True)
    )
    return train, validation
