"""The model that a run of folds ends with: trained on all training images, or the mean of the folds' models."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Split, Splits
from cnnexp.models import mean_of
from cnnexp.records import EpochValues, FoldResult, FoundAccumulation, FoundLearningRate, History, PretrainedNetwork
from cnnexp.runs.pooled import median_epochs
from cnnexp.runs.prepare import prepare
from cnnexp.runs.resolved_settings import ResolvedSettings
from cnnexp.runs.split_outputs import OutputsOfImages, SplitOutputs
from cnnexp.runs.train_network import NetworkTraining
from cnnexp.training import NOT_SAVED, Checkpoint, GraphCache, Network, configure_tensorflow

WATCHED = 512  # training images by which the final training is watched, where no validation split is declared


@dataclass(frozen=True, slots=True)
class FinalModel:
    """A network as it is saved, before its temperature, and how it came about."""

    network: Network
    outputs: SplitOutputs
    history: History | None  # of its training; None: it is the mean of models that are trained


def mean_model(results: Sequence[FoldResult]) -> keras.Model:
    """Return the mean of the folds' models, without their temperatures."""
    models = [_loaded(result.model_file or b"") for result in results]
    return mean_of(models, temperatures=[result.metrics["temperature"] for result in results])


def _loaded(content: bytes) -> keras.Model:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.models.load_model(path, compile=False, safe_mode=True)


@dataclass(frozen=True, kw_only=True)
class FinalTraining:
    """The final model before it is trained, or the mean that needs no training."""

    config: ExperimentConfig  # of the run, with the learning rate if that was searched for
    settings: ResolvedSettings  # the same
    model: keras.Model
    found: FoundLearningRate | None
    splits: Splits
    network_training: NetworkTraining | None  # None: the model is the mean of the folds'

    @property
    def accumulation(self) -> FoundAccumulation | None:
        """Into how many parts its batches are divided, if that was searched for."""
        return None if self.network_training is None else self.network_training.accumulation

    def train(self) -> FinalModel:
        """Train the model; leave a mean as it is."""
        if self.network_training is None:
            network = Network(self.model)
            return FinalModel(network, OutputsOfImages(network, self.splits), None)
        trained = self.network_training.train(self.model)
        return FinalModel(trained.network, trained.outputs, trained.history)


def prepare_final(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    pretrained: PretrainedNetwork | None,
    results: Sequence[FoldResult],
    *,
    graphs: GraphCache | None,
    on_epoch: Callable[[EpochValues], object],
    on_progress: Callable[[str, int, int], None],
    checkpoint: Checkpoint = NOT_SAVED,
) -> FinalTraining:
    """Return the mean of the folds' models, or what trains a model for the median of the epochs that they kept.

    It is trained on their schedule and has no validation split of its own: nothing stops it or chooses an epoch.
    """
    if config.data.final == "mean":
        configure_tensorflow(
            threads=settings.threads, seed=config.seed, device=settings.device, deterministic=settings.deterministic
        )
        model = mean_model(results)
        return FinalTraining(
            config=config, settings=settings, model=model, found=None, splits=splits, network_training=None
        )
    model, network_training, found = prepare(
        _without_selection(config),
        dataclasses.replace(splits, validation=_watched(splits)),
        settings,
        pretrained,
        graphs=graphs,
        on_epoch=_until(median_epochs(results, keep=config.training.keep), on_epoch),
        on_progress=on_progress,
        checkpoint=checkpoint,
    )
    return FinalTraining(
        config=dataclasses.replace(config, optimizer=network_training.config.optimizer),
        settings=network_training.settings,
        model=model,
        found=found,
        splits=splits,
        network_training=network_training,
    )


def _without_selection(config: ExperimentConfig) -> ExperimentConfig:
    """Return the settings of the final training: those of the folds, but that nothing stops it or chooses an epoch."""
    training = dataclasses.replace(config.training, patience=None, keep="last", soup=1)
    return dataclasses.replace(config, training=training)


def _until(epochs: int, on_epoch: Callable[[EpochValues], object]) -> Callable[[EpochValues], bool]:
    """Return what ends the training after so many epochs of the folds' schedule."""

    def is_last(values: EpochValues) -> bool:
        on_epoch(values)
        return values.epoch >= epochs

    return is_last


def _watched(splits: Splits) -> Split:
    """Return the images of the values of an epoch: a declared validation split, else training images.

    They select nothing.
    """
    if len(splits.validation):
        return splits.validation
    train = splits.train
    places = np.unique(np.linspace(0, len(train) - 1, min(len(train), WATCHED)).astype(np.int64))
    files = tuple(train.files[place] for place in places.tolist())
    return Split(images=train.images, rows=train.rows[places], labels=train.labels[places], files=files)
