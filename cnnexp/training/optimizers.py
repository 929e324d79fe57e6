"""Keras optimizers from their settings."""

import keras

from cnnexp.config import AdamConfig, AdamWConfig, Extended, MuonConfig, OptimizerConfig, RmspropConfig, SgdConfig
from cnnexp.errors import ConfigError
from cnnexp.models import LOGITS
from cnnexp.training.muon import Muon


def build_optimizer(config: OptimizerConfig, *, learning_rate: float) -> keras.Optimizer:
    """Return a new optimizer; `learning_rate` is its first, after batch scaling.

    It gets a name, because the default names of Keras count earlier optimizers.

    Raises:
        ConfigError: the optimizer is unknown.

    """
    common = {"learning_rate": learning_rate, "global_clipnorm": config.clip_norm, "name": config.name}
    match config:
        case SgdConfig(momentum=momentum, nesterov=nesterov):
            return keras.optimizers.SGD(momentum=momentum, nesterov=nesterov, **common)
        case AdamWConfig(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, weight_decay=decay):
            return keras.optimizers.AdamW(weight_decay=decay, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, **common)
        case AdamConfig(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon):
            return keras.optimizers.Adam(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, **common)
        case RmspropConfig(rho=rho, momentum=momentum, epsilon=epsilon):
            return keras.optimizers.RMSprop(rho=rho, momentum=momentum, epsilon=epsilon, **common)
        case MuonConfig(weight_decay=decay):
            return Muon(
                momentum=config.momentum,
                nesterov=config.nesterov,
                adam_beta_1=config.beta_1,
                adam_beta_2=config.beta_2,
                epsilon=config.epsilon,
                weight_decay=decay,
                adam_weight_decay=decay,
                adam_lr_ratio=config.adam_factor,
                fixed_norm=config.fixed_norm,
                exclude_layers=[LOGITS],
                **common,
            )
        case Extended():
            return _own_optimizer(config, learning_rate, clip_norm=config.clip_norm)
        case _:
            raise ConfigError(f"optimizer must be sgd, adam, adamw, rmsprop or muon; got {config.name!r}.")


def _own_optimizer(config: Extended, learning_rate: float, *, clip_norm: float | None) -> keras.Optimizer:
    """Return the optimizer of a user, whose rate is set at every step."""
    optimizer = config.call(learning_rate)
    if not isinstance(optimizer, keras.Optimizer):
        raise config.refusal(f"its function must return a keras.optimizers.Optimizer; got {type(optimizer).__name__}.")
    if not isinstance(optimizer.learning_rate, keras.Variable):
        raise config.refusal(
            "the rate of its optimizer must be the number that its function is given, because a schedule is an option "
            "of its own: schedule=...; it has a schedule. Hand learning_rate on as it is."
        )
    if clip_norm is not None:
        optimizer.global_clipnorm = clip_norm
    optimizer.name = config.extension.name  # Keras's own count the optimizers before it
    return optimizer
