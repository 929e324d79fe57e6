"""A learning rate of its own for each variable, with any Keras optimizer."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from cnnexp.errors import ConfigError


def with_layer_rates(optimizer: keras.Optimizer, factors: Mapping[str, float]) -> keras.Optimizer:
    """Return an optimizer of the same settings that multiplies the learning rate of each variable by its factor.

    So it does with the decoupled weight decay, which goes by the learning rate.

    Args:
        optimizer: One that is not built yet; it stays as it is.
        factors: By the path of each variable that it will be built for.

    Raises:
        ConfigError: it is a user's own, and does not describe its settings as Keras's do.

    """
    factor_of: dict[Hashable, float] = {}

    class LayerRates(type(optimizer)):  # type: ignore[misc]
        """See `with_layer_rates`."""

        def build(self, variables: Sequence[keras.Variable]) -> None:
            factor_of.update((variable.value.ref(), factors[variable.path]) for variable in variables)
            self.exclude_from_weight_decay(var_list=variables)  # from that of Keras, which has one rate for all
            super().build(variables)

        def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor) -> None:
            own_rate = learning_rate * factor_of[variable.ref()]
            if self.weight_decay is not None:
                self.assign_sub(variable, variable * self.weight_decay * own_rate)
            super().update_step(gradient, variable, own_rate)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "factors": dict(factors)}

    try:
        return LayerRates.from_config(optimizer.get_config())
    except TypeError as error:
        raise ConfigError(
            "optimizer.layer_decay needs an optimizer that can be built again from its get_config(); that of "
            f"{type(optimizer).__name__} does not fit its __init__. Correct it, or leave out optimizer.layer_decay."
        ) from error
