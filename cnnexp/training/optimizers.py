"""Keras optimizers from their settings."""

import keras

from cnnexp.config import AdamConfig, AdamWConfig, OptimizerConfig, RmspropConfig, SgdConfig
from cnnexp.errors import ConfigError


def build_optimizer(config: OptimizerConfig, *, learning_rate: float) -> keras.Optimizer:
    """Return a new optimizer; `learning_rate` is its first, after batch scaling.

    It gets a name, because the default names of Keras count earlier optimizers.

    Raises:
        ConfigError: the optimizer is unknown.

    """
    match config:
        case SgdConfig(momentum=momentum, nesterov=nesterov):
            return keras.optimizers.SGD(learning_rate, momentum=momentum, nesterov=nesterov, name=config.name)
        case AdamWConfig(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, weight_decay=decay):
            return keras.optimizers.AdamW(
                learning_rate,
                weight_decay=decay,
                beta_1=beta_1,
                beta_2=beta_2,
                epsilon=epsilon,
                name=config.name,
            )
        case AdamConfig(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon):
            return keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon, name=config.name)
        case RmspropConfig(rho=rho, momentum=momentum, epsilon=epsilon):
            return keras.optimizers.RMSprop(
                learning_rate, rho=rho, momentum=momentum, epsilon=epsilon, name=config.name
            )
        case _:
            raise ConfigError(f"optimizer must be sgd, adam, adamw or rmsprop; got {config.name!r}.")
