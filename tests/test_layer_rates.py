"""A learning rate of its own for each variable."""

import keras
import numpy as np
import pytest

from cnnexp.compose import compose_config
from cnnexp.config.defaults import options
from cnnexp.errors import ConfigError
from cnnexp.training import build_optimizer, with_layer_rates

RATE = 0.01


def optimizer(name, *, learning_rate=RATE, **changes):
    overrides = [f"optimizer.{key}={value}" for key, value in changes.items()]
    return build_optimizer(compose_config([f"optimizer={name}", *overrides]).optimizer, learning_rate=learning_rate)


def after(made, *, steps=3):
    """Return a kernel and a bias after a few steps."""
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="one")(inputs))
    kernel, bias = model.trainable_variables
    kernel.assign(np.arange(6, dtype=np.float32).reshape(3, 2))
    bias.assign([1.0, -1.0])
    random = np.random.default_rng(0)
    made.build([kernel, bias])
    for _ in range(steps):
        gradients = [
            keras.ops.convert_to_tensor(random.normal(size=v.shape).astype(np.float32)) for v in (kernel, bias)
        ]
        made.apply(gradients, [kernel, bias])
    return kernel.numpy(), bias.numpy()


@pytest.mark.parametrize("name", options("optimizer"))
def test_each_variable_moves_as_under_its_own_rate(name):
    made = with_layer_rates(optimizer(name), {"one/kernel": 0.5, "one/bias": 1.0})
    kernel, bias = after(made)
    np.testing.assert_allclose(kernel, after(optimizer(name, learning_rate=RATE / 2))[0], rtol=1e-5)
    np.testing.assert_allclose(bias, after(optimizer(name))[1], rtol=1e-5)
    assert not np.allclose(kernel, after(optimizer(name))[0], rtol=1e-4)


def test_weight_decay_is_scaled_too_and_counts_once():
    kernel, _ = after(with_layer_rates(optimizer("adamw", weight_decay=1.0), {"one/kernel": 0.5, "one/bias": 1.0}))
    undecayed, _ = after(with_layer_rates(optimizer("adamw", weight_decay=0.0), {"one/kernel": 0.5, "one/bias": 1.0}))
    start = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_allclose(undecayed - kernel, start * (1 - (1 - RATE / 2) ** 3), atol=2e-3)


def test_the_factors_are_part_of_its_settings():
    factors = {"one/kernel": 0.5, "one/bias": 1.0}
    assert with_layer_rates(optimizer("sgd"), factors).get_config()["factors"] == factors


def test_an_optimizer_that_does_not_describe_itself_is_refused():
    class Own(keras.optimizers.SGD):
        def __init__(self, learning_rate, strength):
            super().__init__(learning_rate)

    with pytest.raises(ConfigError, match=r"optimizer\.layer_decay needs .*get_config\(\); that of Own does not fit"):
        with_layer_rates(Own(0.1, 2), {})
