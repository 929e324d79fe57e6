"""Faster layers of a training: the same loss, gradients and statistics as Keras's, in a network that stays Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from cnnexp.models import with_fast_layers

SETTINGS = [{}, {"momentum": 0.7, "epsilon": 1e-7}, {"scale": False}, {"center": False}, {"beta_regularizer": "l2"}]


def network(*, precision="float32", depthwise=None, **normalization):
    """A small network that is not at its beginning: statistics and weights are those of no initializer."""
    keras.utils.set_random_seed(1)
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else precision)
    x = inputs = keras.Input((6, 5, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False, dtype=policy)(x)
    if depthwise is not None:
        x = layers.DepthwiseConv2D(padding="same", use_bias=False, dtype=policy, **depthwise)(x)
    x = layers.BatchNormalization(dtype=policy, name="norm", **normalization)(x)
    x = layers.GlobalAveragePooling2D(dtype=policy)(layers.ReLU(6.0, dtype=policy)(x))
    made = keras.Model(inputs, layers.Dense(3, dtype="float32")(x))
    numbers = np.random.default_rng(0)
    for variable in made.get_layer("norm").variables:
        variable.assign(numbers.uniform(0.5, 1.5, variable.shape))
    return made


def images(count=4):
    return (3 * np.random.default_rng(2).normal(size=(count, 6, 5, 3)) + 20).astype(np.float32)


def kinds(model):
    return [type(layer).__name__ for layer in model.layers]


def step(model, *, variables, training, count=4):
    """Return the loss and its gradients, as a graph computes them, after it has updated the statistics."""

    @tf.function(jit_compile=False, autograph=False)
    def compute(pixels):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(pixels, training=training) - [1.0, 2.0, 3.0])) + sum(model.losses)
        return [loss, *tape.gradient(loss, variables)]

    return [values.numpy() for values in compute(images(count))]


def assert_alike(mine, theirs, rtol):
    for own, others in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(own, others, rtol=rtol, atol=rtol * max(np.abs(others).max(), 1e-3))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_batch_normalization_has_the_loss_gradients_and_statistics_of_keras(settings, training):
    plain, model = network(**settings), network(**settings)
    fast, before = with_fast_layers(model), network(**settings).get_layer("norm").moving_variance.numpy()
    assert "FusedNormalization" in kinds(fast)
    assert "BatchNormalization" in kinds(model)
    mine = step(fast, variables=model.trainable_variables, training=training)
    theirs = step(plain, variables=plain.trainable_variables, training=training)
    assert_alike(mine, theirs, rtol=1e-4)
    assert_alike(model.get_weights(), plain.get_weights(), rtol=2e-6)  # no optimizer has changed the others
    assert np.array_equal(model.get_layer("norm").moving_variance.numpy(), before) is not training


def test_statistics_are_those_of_the_batch_not_of_what_it_was_drawn_from():
    model, plain = network(momentum=0.0), network(momentum=0.0)
    x = keras.Model(model.input, model.get_layer("norm").input)(images(1)).numpy()
    for one in (with_fast_layers(model), plain):
        step(one, variables=plain.trainable_variables[:0], training=True, count=1)
    np.testing.assert_allclose(model.get_layer("norm").moving_variance, x.var(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(model.get_layer("norm").moving_mean, x.mean(axis=(0, 1, 2)), rtol=1e-5)


def test_a_normalization_that_is_not_trainable_uses_its_stored_statistics_in_training_too():
    model = network(trainable=False)
    before = model.get_weights()
    in_training, after = (with_fast_layers(model)(images(), training=mode).numpy() for mode in (True, False))
    assert np.array_equal(in_training, after)
    assert_alike(model.get_weights(), before, rtol=0)


@pytest.mark.parametrize("training", [True, False])
def test_the_same_step_gives_the_same_bits(training):
    first, second = network(), network()
    steps = [
        step(with_fast_layers(one), variables=one.trainable_variables, training=training) for one in (first, second)
    ]
    assert all(np.array_equal(one, other) for one, other in zip(*steps, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(first.get_weights(), second.get_weights(), strict=True))


@pytest.mark.parametrize(
    "settings", [{"kernel_size": 3}, {"kernel_size": 5, "strides": 2, "activation": "relu"}], ids=str
)
def test_depthwise_convolutions_of_a_bfloat16_network_compute_in_float32(settings):
    model, plain = network(precision="bfloat16", depthwise=settings), network(depthwise=settings)
    fast = with_fast_layers(model)
    assert "InFloat32" in kinds(fast)
    mine = step(fast, variables=model.trainable_variables, training=True)
    theirs = step(plain, variables=plain.trainable_variables, training=True)
    for own, others in zip(mine, theirs, strict=True):
        assert own.dtype == np.float32
        assert np.linalg.norm(own - others) <= 0.1 * np.linalg.norm(others)


def test_a_network_without_such_layers_stays_as_it_is():
    inputs = keras.Input((6, 5, 3))
    x = layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3)(inputs))
    x = layers.BatchNormalization(renorm=True)(layers.DepthwiseConv2D(3)(x))
    model = keras.Model(inputs, layers.BatchNormalization()(layers.Flatten()(x)))
    assert with_fast_layers(model) is model


def test_the_network_itself_knows_nothing_of_it():
    model = network(precision="bfloat16", depthwise={"kernel_size": 3})
    described, weights = model.to_json(), [variable.path for variable in model.weights]
    with_fast_layers(model)(images(), training=True)
    assert model.to_json() == described
    assert [variable.path for variable in model.weights] == weights
