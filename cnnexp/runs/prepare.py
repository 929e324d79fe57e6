"""What stands before the first step of any training: the images, a network, and what will train it."""

import dataclasses
from collections.abc import Callable
from functools import partial

import keras

from cnnexp.config import ExperimentConfig, Extended
from cnnexp.data_check import check, summary
from cnnexp.datasets import Splits, inspect_dataset, trainable_splits
from cnnexp.models import require_blocks
from cnnexp.records import DataReport, EpochValues, FoundLearningRate, PretrainedNetwork
from cnnexp.runs.decision import require_decidable
from cnnexp.runs.found_accumulation import find_accumulation, with_accumulation
from cnnexp.runs.found_rate import at_rate, find_rate, is_searched
from cnnexp.runs.gradient_workers import Execution, RayMachines
from cnnexp.runs.images_to_crop import with_images_to_crop
from cnnexp.runs.pretrained import data_for, notes_on, refuse_trained_images
from cnnexp.runs.resolved_settings import ResolvedSettings
from cnnexp.runs.starting_model import starting_model, untrained_model
from cnnexp.runs.train_network import NetworkTraining
from cnnexp.training import NOT_SAVED, Checkpoint, GraphCache, configure_tensorflow


def load(
    config: ExperimentConfig, pretrained: PretrainedNetwork | None, on_progress: Callable[[str, int, int], None]
) -> tuple[Splits, DataReport]:
    """Read and check the images; notes of the check are among those of the splits."""
    data = data_for(config.data, pretrained)
    inspected = inspect_dataset(data, seed=config.seed, on_progress=partial(on_progress, "reading images"), strict=True)
    splits = trainable_splits(inspected, data)
    refuse_trained_images(pretrained, splits)
    require_decidable(config.decision, splits, calibration=config.data.calibration)
    report = check(
        inspected,
        few_images=data.few_images,
        uneven=data.uneven,
        balanced=config.training.balances_classes,
        labels=False,
    )
    about_network = notes_on(pretrained, inspected, config.data)
    splits = dataclasses.replace(splits, notes=(*splits.notes, *about_network, *summary(report)))
    return with_images_to_crop(splits, config, data, on_progress=on_progress), report


def prepare(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    pretrained: PretrainedNetwork | None,
    *,
    graphs: GraphCache | None,
    on_epoch: Callable[[EpochValues], bool],
    on_progress: Callable[[str, int, int], None],
    checkpoint: Checkpoint = NOT_SAVED,
) -> tuple[keras.Model, NetworkTraining, FoundLearningRate | None]:
    """Return a network that this run has not trained yet, what will train it, and the learning rate if it was found.

    The configuration of what will train it has what was found in place of `auto`.
    """
    accumulation = find_accumulation(config, checkpoint, on_progress)  # before this process needs memory itself
    config = with_accumulation(config, accumulation)
    configure_tensorflow(
        threads=settings.threads, seed=config.seed, device=settings.device, deterministic=settings.deterministic
    )
    graphs = _own_graphs(config, graphs)
    build = partial(untrained_model, config, splits, settings, pretrained)
    model = starting_model(config, splits, settings, pretrained, networks=graphs.networks)
    require_blocks(model, freeze=config.training.freeze)
    network_training = NetworkTraining(
        machines=_machines(config, settings),
        config=config,
        splits=splits,
        settings=settings,
        starts_from_weights=pretrained is not None and pretrained.weights is not None,
        build=build,
        graphs=graphs,
        on_epoch=on_epoch,
        on_progress=on_progress,
        checkpoint=checkpoint,
        accumulation=accumulation,
    )
    if not is_searched(config):
        return model, network_training, None
    found = find_rate(network_training, model)
    return model, at_rate(network_training, found.learning_rate), found


def _machines(config: ExperimentConfig, settings: ResolvedSettings) -> RayMachines | None:
    """Return the other machines of a run on several; None: it computes here alone, as a head on cached features."""
    if settings.device.machines == 1 or config.training.freeze == "backbone":
        return None
    execution = Execution(
        threads=settings.threads,
        kind=settings.device.kind,
        precision=settings.precision,
        deterministic=settings.deterministic,
        model=config.model if isinstance(config.model, Extended) else None,
    )
    return RayMachines.started(execution)


def _own_graphs(config: ExperimentConfig, graphs: GraphCache | None) -> GraphCache:
    """Return `graphs` for a run, or new ones: a user's optimizer may have settings that it does not describe."""
    own = isinstance(config.optimizer, Extended) or isinstance(config.loss, Extended)
    return GraphCache() if graphs is None or own else graphs
