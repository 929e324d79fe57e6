"""Faster layers of a training: the same loss, gradients and statistics as Keras's, in a network that stays Keras's."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from scipy.special import softmax

from cnnexp.compose import compose_config
from cnnexp.models import Regularization, build_model, rate_factors, split, with_fast_layers
from cnnexp.models.fast_activations import faster
from cnnexp.portable.classifier import load_keras
from cnnexp.portable.fast_groups import has_fast_groups
from cnnexp.portable.forward import compiled, forward_of, with_features
from cnnexp.portable.reference import normalized
from cnnexp.records import Scaling
from cnnexp.training import Loss, Network, Trainer

CONVOLUTIONS = [
    lambda policy: layers.Conv2D(8, 3, padding="same", use_bias=False, dtype=policy),
    lambda policy: layers.Conv2D(8, 2, strides=2, dtype=policy, bias_initializer="ones", kernel_regularizer="l2"),
    lambda policy: layers.Conv2D(8, 3, activation="relu", dtype=policy),  # whose sums cannot be normalized by it
    lambda policy: layers.DepthwiseConv2D(3, padding="same", use_bias=False, dtype=policy),
    lambda policy: layers.DepthwiseConv2D(5, strides=2, padding="same", bias_initializer="ones", dtype=policy),
    lambda policy: layers.DepthwiseConv2D((4, 7), depth_multiplier=2, padding="same", activation="relu", dtype=policy),
    lambda policy: layers.DepthwiseConv2D(3, strides=2, depth_multiplier=2, dtype=policy),
    lambda policy: layers.DepthwiseConv2D((1, 5), dtype=policy),
    lambda policy: layers.Conv2D(6, (3, 5), groups=3, padding="same", bias_initializer="ones", dtype=policy),
    lambda policy: layers.SeparableConv2D(8, 3, padding="same", use_bias=False, dtype=policy),
    lambda policy: layers.SeparableConv2D(5, 3, strides=2, depth_multiplier=2, bias_initializer="ones", dtype=policy),
    lambda policy: layers.SeparableConv2D(8, (4, 7), padding="same", activation="relu", dtype=policy),
    lambda policy: layers.Conv2D(8, 3, activation="gelu", bias_initializer="ones", dtype=policy),
]
NORMALIZATIONS = [
    {},
    {"momentum": 0.7, "epsilon": 1e-7},
    {"scale": False},
    {"center": False, "beta_regularizer": "l2"},
    {"trainable": False},
]


def network(convolution=CONVOLUTIONS[0], *, precision="float32", **normalization):
    """A small network that is not at its beginning: statistics and weights are those of no initializer."""
    keras.utils.set_random_seed(1)
    policy = keras.DTypePolicy("mixed_bfloat16" if precision == "bfloat16" else precision)
    x = inputs = keras.Input((9, 8, 3))
    x = layers.BatchNormalization(dtype=policy, name="first")(x)  # no convolution before it
    x = layers.BatchNormalization(dtype=policy, name="norm", **normalization)(convolution(policy)(x))
    x = layers.GlobalAveragePooling2D(dtype=policy)(layers.ReLU(6.0, dtype=policy)(x))
    return unlike_new(keras.Model(inputs, layers.Dense(3, dtype="float32")(x)))


def unlike_new(model):
    numbers = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([numbers.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return model


def images(count=4):
    return (3 * np.random.default_rng(2).normal(size=(count, 9, 8, 3)) + 5).astype(np.float32)


def kinds(model):
    return {type(layer).__name__ for layer in model.layers}


def step(model, *, variables, training, count=4):
    """Return the loss and its gradients, as a graph computes them, after it has updated the statistics."""

    @tf.function(jit_compile=False, autograph=False)
    def compute(pixels):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(pixels, training=training) - [1.0, 2.0, 3.0])) + sum(model.losses)
        return [loss, *tape.gradient(loss, variables)]

    return [values.numpy() for values in compute(images(count))]


def both(make, *, training):
    """Return what a step computes by fast layers and by Keras's, and the weights after it."""
    model, plain = make(), make()
    fast = with_fast_layers(model, training=training)
    assert fast is not model
    mine = step(fast, variables=model.trainable_variables, training=training)
    theirs = step(plain, variables=plain.trainable_variables, training=training)
    return (mine, model.get_weights()), (theirs, plain.get_weights())


def assert_alike(mine, theirs, rtol):
    largest = max(np.abs(values).max() for values in theirs)
    for own, others in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(own, others, rtol=rtol, atol=rtol * max(np.abs(others).max(), largest / 100))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("number", range(len(CONVOLUTIONS)))
def test_loss_gradients_and_statistics_are_those_of_keras(number, training):
    mine, theirs = both(lambda: network(CONVOLUTIONS[number]), training=training)
    assert_alike(mine[0], theirs[0], rtol=2e-4)
    assert_alike(mine[1], theirs[1], rtol=2e-6)  # of the weights only statistics have changed


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("settings", NORMALIZATIONS, ids=str)
def test_settings_of_a_normalization_hold(settings, training):
    mine, theirs = both(lambda: network(**settings), training=training)
    assert_alike(mine[0], theirs[0], rtol=2e-4)
    assert_alike(mine[1], theirs[1], rtol=2e-6)
    changed = [not np.array_equal(*pair) for pair in zip(mine[1], network(**settings).get_weights(), strict=True)]
    assert sum(changed) == (0 if not training else 2 if "trainable" in settings else 4)


def test_statistics_are_those_of_the_batch_and_not_of_what_it_was_drawn_from():
    model = network(momentum=0.0)
    x = keras.Model(model.input, model.get_layer("norm").input)(images(1), training=True).numpy()
    step(with_fast_layers(model, training=True), variables=[], training=True, count=1)
    np.testing.assert_allclose(model.get_layer("norm").moving_variance, x.var(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(model.get_layer("norm").moving_mean, x.mean(axis=(0, 1, 2)), rtol=1e-4)


def test_a_batch_of_a_single_value_has_no_variance_and_stays_finite():
    inputs = keras.Input((1, 1, 2))
    model = keras.Model(inputs, layers.BatchNormalization(momentum=0.5)(inputs))
    output = with_fast_layers(model, training=True)(np.full((1, 1, 1, 2), 7, np.float32), training=True)
    assert np.array_equal(output.numpy(), np.zeros((1, 1, 1, 2)))
    gamma, beta, mean, variance = model.get_weights()
    assert (gamma.tolist(), beta.tolist(), mean.tolist(), variance.tolist()) == ([1, 1], [0, 0], [3.5, 3.5], [0.5, 0.5])


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("number", [0, 3, 4])
def test_the_same_step_gives_the_same_bits(number, training):
    first, second = (both(lambda: network(CONVOLUTIONS[number]), training=training)[0] for _ in range(2))
    for one, other in ((first[0], second[0]), (first[1], second[1])):
        assert all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("number", [0, 3, 4, -1])
def test_in_bfloat16_they_differ_by_its_rounding_alone(number, training):
    make = CONVOLUTIONS[number]
    model, plain, exact = network(make, precision="bfloat16"), network(make, precision="bfloat16"), network(make)
    fast = with_fast_layers(model, training=training)
    mine, theirs, rounded = (
        step(one, variables=of.trainable_variables, training=training)
        for one, of in ((fast, model), (exact, exact), (plain, plain))
    )
    own, keras_own = (
        np.linalg.norm(np.concatenate([np.ravel(a - b) for a, b in zip(one, theirs, strict=True)]))
        for one in (mine, rounded)
    )
    assert own <= 4 * keras_own
    assert {gradient.dtype for gradient in mine} == {np.dtype(np.float32)}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["gelu", "silu"])
def test_activations_and_their_slopes_are_exact_up_to_rounding(name, precision):
    activation = getattr(keras.activations, name)
    own = faster(activation, precision)
    assert (own is activation) is (name == "silu" and precision == "float32")
    x = tf.cast(np.r_[np.linspace(-12, 12, 4001), -3e19, -0.0, 3e19], precision)
    exact, slopes = value_and_slope(activation, tf.cast(x, tf.float64))
    mine, own_slopes = value_and_slope(own, x)
    relative = 2**-8 if precision == "bfloat16" else 2**-22
    np.testing.assert_allclose(mine, exact, rtol=relative, atol=2e-6)
    np.testing.assert_allclose(own_slopes, slopes, rtol=relative, atol=2e-6)


def value_and_slope(activation, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = activation(x)
    return tf.cast(y, tf.float64).numpy(), tf.cast(tape.gradient(y, x), tf.float64).numpy()


@pytest.mark.parametrize("training", [True, False])
def test_every_kind_of_layer_gets_the_faster_activation(training):
    def make():
        keras.utils.set_random_seed(2)
        policy = keras.DTypePolicy("mixed_bfloat16")
        x = inputs = keras.Input((9, 8, 3))
        x = layers.Conv2D(8, 3, activation="gelu", dtype=policy)(x)
        x = layers.Activation("silu", dtype=policy)(layers.Dense(8, activation="gelu", dtype=policy)(x))
        x = layers.DepthwiseConv2D(3, activation="swish", dtype=policy)(x)
        return keras.Model(inputs, layers.Dense(3, dtype="float32")(layers.GlobalAveragePooling2D(dtype=policy)(x)))

    made = kinds(with_fast_layers(make(), training=training))
    assert {"FastConvolution", "FastDense", "FastActivation"} < made
    assert not {"Conv2D", "DepthwiseConv2D", "Activation"} & made
    mine, theirs = both(make, training=training)
    assert_alike(mine[0], theirs[0], rtol=0.05)  # bfloat16 has 8 bits


def test_which_layers_are_fast():
    model = network(CONVOLUTIONS[4])
    assert {"FusedNormalization", "FastConvolution"} <= kinds(with_fast_layers(model, training=True))
    assert {"FusedNormalization", "FoldedConvolution"} <= kinds(with_fast_layers(model, training=False))
    assert "DepthwiseConv2D" not in kinds(with_fast_layers(model, training=False))


@pytest.mark.parametrize("settings", [{}, {"strides": 2}, {"dilation_rate": 2}, {"padding": "valid"}], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_convolutions_in_groups_are_not_left_to_keras(training, settings):
    def make():
        keras.utils.set_random_seed(3)
        x = inputs = keras.Input((9, 8, 3))
        x = layers.Conv2D(8, 1)(x)
        x = layers.BatchNormalization()(layers.Conv2D(12, 3, groups=4, **({"padding": "same"} | settings))(x))
        return unlike_new(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.ReLU()(x)))))

    assert has_fast_groups("float32")  # the package asks for oneDNN
    fast = with_fast_layers(make(), training=training)
    assert "FastConvolution" in kinds(fast) if training else "FoldedConvolution" in kinds(fast)
    assert not [layer for layer in fast.layers if getattr(layer, "groups", 1) > 1]
    mine, theirs = both(make, training=training)
    assert_alike(mine[0], theirs[0], rtol=2e-4)


GROUPS = [
    {"filters": 8, "kernel_size": 7, "padding": "same", "groups": 8},  # as in ConvNeXt
    {"filters": 16, "kernel_size": (3, 5), "strides": 2, "groups": 8, "activation": "relu"},
    {"filters": 8, "kernel_size": 3, "strides": (2, 1), "groups": 8, "use_bias": False},
    {"filters": 12, "kernel_size": 3, "padding": "same", "groups": 4, "bias_initializer": "ones"},  # as in ResNeXt
    {"filters": 12, "kernel_size": 3, "dilation_rate": 2, "groups": 4, "activation": "gelu"},
]


@pytest.mark.parametrize("settings", GROUPS, ids=str)
def test_what_answers_from_a_file_leaves_no_groups_to_xla_and_the_file_is_keras_own(settings, tmp_path):
    keras.utils.set_random_seed(4)
    inputs = keras.Input((12, 11, 3), dtype="uint8")
    x = layers.ReLU()(layers.Conv2D(8, 1)(layers.Rescaling(1 / 255)(inputs)))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(**settings)(x))
    keras.Model(inputs, layers.Softmax()(layers.Dense(3)(features))).save(tmp_path / "model.keras")
    model = load_keras(tmp_path / "model.keras")
    pixels = np.random.default_rng(0).integers(0, 256, (5, 12, 11, 3)).astype(np.uint8)
    expected = model(pixels, training=False).numpy()
    answers, _ = forward_of(model)(pixels)
    np.testing.assert_allclose(answers, expected, atol=1e-6)
    assert np.ptp(expected, axis=0).max() > 1e-3  # the answers depend on the images
    plain = tf.function(lambda images: model(images, training=False), autograph=False)
    traced = plain.get_concrete_function(tf.TensorSpec((None, 12, 11, 3), "uint8"))
    assert is_left_to_xla(traced)
    assert not is_left_to_xla(compiled(with_features(model)).get_concrete_function())
    assert [type(layer) for layer in model.layers if getattr(layer, "groups", 1) > 1] == [layers.Conv2D]


def is_left_to_xla(traced):
    functions = traced.graph.as_graph_def().library.function
    return any(one.attr["_XlaMustCompile"].b for one in functions if "_XlaMustCompile" in one.attr)


def test_without_onednn_groups_are_left_to_keras():
    program = (
        "from cnnexp.portable.fast_groups import has_fast_groups as fast; print(fast('float32'), fast('bfloat16'))"
    )
    without = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    printed = subprocess.run([sys.executable, "-c", program], env=without, capture_output=True, text=True, check=True)
    assert printed.stdout == "False False\n"


def test_a_convolution_that_others_read_too_is_computed_for_them():
    def make():
        inputs = keras.Input((9, 8, 3))
        convolution, normalization = layers.Conv2D(4, 3), layers.BatchNormalization()
        x, twice = convolution(inputs), convolution(layers.ReLU()(inputs))
        x = layers.Add()([x, normalization(x), normalization(twice), normalization(inputs=x), 2.0 * x])
        keras.utils.set_random_seed(3)
        return unlike_new(keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x))))

    shared = make().get_weights()

    def alike():
        made = make()
        made.set_weights(shared)
        return made

    for training in (True, False):
        mine, theirs = both(alike, training=training)
        assert_alike(mine[0], theirs[0], rtol=2e-4)
        assert_alike(mine[1], theirs[1], rtol=2e-6)


class Own(layers.BatchNormalization):
    def call(self, inputs, training=None, mask=None):
        return inputs


class OwnDepthwise(layers.DepthwiseConv2D):
    def call(self, inputs):
        return inputs


@pytest.mark.parametrize("training", [True, False])
def test_what_is_unusual_stays_as_it_is(training):
    inputs = keras.Input((6, 5, 3))
    x = layers.BatchNormalization(axis=1)(layers.Conv2D(4, 3)(inputs))
    x = layers.BatchNormalization(renorm=True)(layers.DepthwiseConv2D(3, dilation_rate=2, padding="same")(x))
    x = layers.BatchNormalization(activity_regularizer="l2")(OwnDepthwise(3, padding="same")(x))
    model = keras.Model(inputs, layers.BatchNormalization()(layers.Flatten()(Own()(x))))
    assert with_fast_layers(model, training=training) is model


def test_blocks_and_their_rates_are_found_afterwards_too():
    model = resnet()
    rates = rate_factors(model, decay=0.5)
    for training in (True, False):
        with_fast_layers(split(model).features, training=training)
    assert rate_factors(model, decay=0.5) == rates
    assert [layer.name for layer in split(model).features.layers] == [layer.name for layer in model.layers[:-2]]


@pytest.mark.parametrize("training", [True, False])
def test_the_network_itself_knows_nothing_of_it(training):
    model = network(CONVOLUTIONS[4], precision="bfloat16")
    described, weights = model.to_json(), [variable.path for variable in model.weights]
    with_fast_layers(model, training=training)(images(), training=training)
    assert model.to_json() == described
    assert [variable.path for variable in model.weights] == weights


def resnet():
    return build_model(
        compose_config(["model=resnet", "model.width=4", "model.depth=1", "model.units=1"]).model,
        input_shape=(8, 8, 1),
        num_classes=2,
        scaling=Scaling("unit", (1 / 255,), (0.0,)),
        regularization=Regularization(dropout=0.0, l1=0.0, l2=0.0),
        precision="float32",
    )


def test_evaluation_is_fast_too_and_differs_from_the_saved_model_by_rounding_alone():
    network = Network(unlike_new(resnet()))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    probabilities, features = network.forward(pixels)
    saved, _ = forward_of(network.model)(pixels)
    assert np.array_equal(probabilities, saved)
    logits = network.logits(pixels, np.arange(40))
    assert not np.array_equal(softmax(logits, axis=1), probabilities)
    np.testing.assert_allclose(softmax(logits, axis=1), probabilities, atol=2e-6)
    own = np.concatenate([normalized(chunk) for chunk in network.features(pixels, np.arange(40))])
    np.testing.assert_allclose(own, features, atol=2e-6)


@pytest.mark.parametrize("backbone_training", [True, False])
def test_a_trainer_uses_them(backbone_training, monkeypatch):
    fused = []
    operation = tf.raw_ops.FusedBatchNormV3
    monkeypatch.setattr(tf.raw_ops, "FusedBatchNormV3", lambda **settings: fused.append(1) or operation(**settings))
    model = resnet()
    loss = Loss(class_weights=np.ones(2, np.float32), label_smoothing=0.0, gamma=0.0)
    trainer = Trainer(Network(model), keras.optimizers.SGD(0.1), loss, backbone_training=backbone_training)
    batch = tf.data.Dataset.from_tensors((np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64)))
    before = model.get_layer("normalization_1").moving_variance.numpy()
    trainer(iter(batch), np.array([0.1]))
    assert bool(fused) is backbone_training  # otherwise all of them are folded into convolutions
    assert np.array_equal(before, model.get_layer("normalization_1").moving_variance.numpy()) is not backbone_training
