"""The network that a training starts from: built, and with the weights of an earlier training where it has some."""

import keras

from cnnexp import training
from cnnexp.config import AirbenchConfig, ExperimentConfig, Extended
from cnnexp.datasets import Splits
from cnnexp.models import Regularization, build_model, set_pretrained_weights, whiten
from cnnexp.records import PretrainedNetwork
from cnnexp.runs.resolved_settings import ResolvedSettings
from cnnexp.training import FrozenNetworks


def starting_model(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    pretrained: PretrainedNetwork | None,
    *,
    networks: FrozenNetworks,
) -> keras.Model:
    """Return the network that training starts from; one whose backbone is frozen may be that of an earlier run.

    Raises:
        ModelError: the weights do not fit the network, or it answers wrong with them.

    """
    model = _first_weights(config, splits, settings, pretrained, networks=networks)
    if isinstance(config.model, AirbenchConfig):
        whiten(model, splits.train.images, splits.train.rows)
    return model


def _first_weights(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    pretrained: PretrainedNetwork | None,
    *,
    networks: FrozenNetworks,
) -> keras.Model:
    def start() -> keras.Model:
        model = untrained_model(config, splits, settings, pretrained, settings.precision)
        with training.random_state_kept():  # the first time in a process, weights are proven by a network of their own
            set_pretrained_weights(model, config.model, pretrained, class_names=splits.class_names)
        return model

    if config.training.freeze != "backbone" or isinstance(config.model, Extended):
        return start()
    weights = None if pretrained is None else pretrained.digest
    network = (config.model, weights, config.regularization, settings.scaling, settings.precision)
    return networks.reuse(f"{network} {splits.spec.shape} {splits.class_names} {config.seed}", start)


def untrained_model(
    config: ExperimentConfig,
    splits: Splits,
    settings: ResolvedSettings,
    pretrained: PretrainedNetwork | None,
    precision: str,
) -> keras.Model:
    """Return the network with its first random weights, which computes in `precision`."""
    regularization = config.regularization
    return build_model(
        config.model,
        input_shape=splits.spec.shape,
        num_classes=len(splits.class_names),
        scaling=settings.scaling,
        regularization=Regularization(dropout=regularization.dropout, l1=regularization.l1, l2=regularization.l2),
        precision=precision,
        pretrained=pretrained,
    )
