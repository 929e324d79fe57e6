"""A variant of a finished model, calibrated and described by a card of its own, as a run does it after training."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cnnexp import training
from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits, inspect_dataset, trainable_splits
from cnnexp.datasets.larger_images import at_size as splits_at_size
from cnnexp.errors import ConfigError, DataError
from cnnexp.evaluation import MINIMUM_IMAGES, fit_temperature
from cnnexp.models import at_size, with_views
from cnnexp.portable import user_code
from cnnexp.portable.card import CARD_FILE, MODEL_FILE, REFERENCE_FILE, Card
from cnnexp.portable.classifier import Classifier, load_keras
from cnnexp.portable.variant import Variant
from cnnexp.records import Scaling
from cnnexp.runs.decision import choose_decision
from cnnexp.runs.pretrained import trained_on
from cnnexp.runs.resolved_settings import channel_statistics
from cnnexp.runs.runs_soup import RunsSoup, soup_of
from cnnexp.runs.split_outputs import OutputsOfImages
from cnnexp.saved.build_card import build_card, with_code, with_decision, with_variant
from cnnexp.saved.evaluation_set import OnProgress, read_by
from cnnexp.saved.prediction import open_model
from cnnexp.saved.variant_options import VariantOptions, views_of
from cnnexp.training import Network


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The model of a run, and the settings of that run: its data, seed, decision and monitored metric."""

    folder: Path
    run_id: str
    config: ExperimentConfig


def write_variant(
    models: Sequence[TrainedModel], options: VariantOptions, target: Path, *, on_progress: OnProgress
) -> tuple[Variant, tuple[str, ...]]:
    """Write the variant of a model, or of several for a soup, into the folder `target`; return it, and notes.

    Temperature, thresholds, golden samples and the comparison with the training images are made anew, by the images of
    the run's own training and calibration splits.

    Raises:
        ConfigError: the options do not fit the models, their data or each other.
        DataError: the images of the training have changed, or are gone.
        ModelError: a model is damaged.

    """
    opened = [open_model(one.folder) for one in models]
    config, card = models[0].config, opened[0].card
    splits = _training_splits(models, opened, on_progress)
    soup = _soup(models, opened, splits, options)
    model = soup.model
    if options.size is not None:
        model = at_size(model, options.size)
        splits = splits_at_size(splits, read_by(config.data, card.image), options.size, on_progress=on_progress)
    views = views_of(options.tta, config.data, splits.spec.shape[:2])
    model = with_views(model, views) if views else model
    made = Variant(
        views=views,
        trained_size=None if options.size is None else (card.image.height, card.image.width),
        runs=soup.runs,
        left_out=soup.left_out,
    )
    notes = _write(model, made, splits, models[0], opened, target)
    return made, (*soup.notes, *notes)


def _training_splits(models: Sequence[TrainedModel], opened: Sequence[Classifier], on_progress: OnProgress) -> Splits:
    """Return the splits of the runs' training: one for all, or a run's validation would be what another one learned."""
    config, card = models[0].config, opened[0].card
    if config.data.folds is not None:
        raise ConfigError(
            "--tta, --size and --soup make a new model, which is calibrated on a calibration split; a run of folds "
            "(data.folds) has none. Train without data.folds."
        )
    for one, other in zip(models[1:], opened[1:], strict=True):
        if (other.card.data["digest"], other.card.scaling) != (card.data["digest"], card.scaling):
            raise ConfigError(
                "--soup takes runs of the same images in the same splits, scaled alike; those of "
                f"{models[0].run_id[:12]} and {one.run_id[:12]} differ. data.limit=null and one data.split_seed keep "
                "splits alike for all seeds."
            )
    data = read_by(config.data, card.image)
    splits = trainable_splits(inspect_dataset(data, seed=config.seed, on_progress=on_progress, strict=True), data)
    if splits.digest != card.data["digest"]:
        raise DataError(
            "--tta, --size and --soup calibrate a new model on the images of its run; these are others or have other "
            f"splits: {splits.source}. Name where they are now: data.path=PLACE."
        )
    return splits


def _soup(
    models: Sequence[TrainedModel], opened: Sequence[Classifier], splits: Splits, options: VariantOptions
) -> RunsSoup:
    networks = {one.run_id: _uncalibrated(one.folder, has.card) for one, has in zip(models, opened, strict=True)}
    if options.soup:
        return soup_of(networks, splits, monitor=models[0].config.training.monitor)
    return RunsSoup(networks[models[0].run_id], runs=(), left_out=(), notes=())


def _uncalibrated(folder: Path, card: Card) -> keras.Model:
    """Return the network before its temperature was folded in."""
    model = load_keras(folder / MODEL_FILE)
    training.fold_temperature(model, 1 / card.temperature)
    return model


def _learned(opened: Sequence[Classifier], splits: Splits) -> NDArray[np.uint64]:
    """Return the digests of all images that a model, or one whose weights it has, was trained on."""
    recorded = [model.reference.trained_on for model in opened if model.reference.trained_on is not None]
    return np.unique(np.concatenate([trained_on(None, splits) if not recorded else recorded[0], *recorded[1:]]))


def _write(
    model: keras.Model,
    made: Variant,
    splits: Splits,
    trained: TrainedModel,
    opened: Sequence[Classifier],
    target: Path,
) -> tuple[str, ...]:
    """Calibrate a model in place, and write it with its card and its reference."""
    before = opened[0].card
    network = Network(model, views=max(1, len(made.views)))
    outputs = OutputsOfImages(network, splits)
    logits = outputs.logits("calibration")
    labels = splits.calibration.labels
    temperature = None
    if len(labels) >= MINIMUM_IMAGES:
        temperature = fit_temperature(probabilities=softmax(logits, axis=1), labels=labels)
        training.fold_temperature(model, temperature)
    probabilities = softmax(logits / np.float32(temperature or 1), axis=1)
    decision, notes = choose_decision(trained.config.decision, probabilities, labels, splits.class_names)
    model_file = training.to_bytes(model)
    card = build_card(
        splits=splits,
        forward=network.forward,
        features_of=outputs.features,
        model_file=model_file,
        calibration=probabilities,
        statistics=channel_statistics(splits.train),
        scaling=Scaling(before.scaling["rule"], tuple(before.scaling["scale"]), tuple(before.scaling["offset"])),
        temperature=temperature,
        versions=before.versions,
        trained_on=_learned(opened, splits),
    )
    code = user_code.code_beside(trained.folder)
    card = with_code(card, {f"{user_code.FOLDER}/{name}": content.decode() for name, content in code.items()})
    card = with_variant(with_decision(card, decision), made)
    files = {
        MODEL_FILE: model_file,
        REFERENCE_FILE: card.reference_file,
        CARD_FILE: json.dumps(card.card.as_dict()).encode(),
        **{f"{user_code.FOLDER}/{name}": content for name, content in code.items()},
    }
    for name, content in files.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)
    return notes
