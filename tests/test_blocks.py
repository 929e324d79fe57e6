"""Networks in parts: the head, and the blocks of the backbone."""

import keras
import numpy as np
import pytest
from keras import layers

from cnnexp.compose import compose_config
from cnnexp.errors import ConfigError
from cnnexp.models import (
    Regularization,
    backbone_blocks,
    build_model,
    copy_of_head,
    rate_factors,
    split,
    trained_variables,
)
from cnnexp.records import Scaling

UNIT = Scaling("unit", (1 / 255,) * 3, (0.0,) * 3)


def network(name="baseline", *, dropout=0.0, precision="float32", side=32):
    return build_model(
        compose_config([f"model={name}"]).model,
        input_shape=(side, side, 3),
        num_classes=4,
        scaling=UNIT,
        regularization=Regularization(dropout=dropout, l1=0.0, l2=0.0),
        precision=precision,
    )


def names(model):
    return [[layer.name for layer in block if layer.weights] for block in backbone_blocks(model)]


@pytest.mark.parametrize("name", ["baseline", "small", "alexnet", "vgg", "resnet", "airbench"])
def test_blocks_have_every_layer_of_the_backbone_once(name):
    model = network(name)
    own = [layer.name for block in backbone_blocks(model) for layer in block]
    assert own == [layer.name for layer in model.layers if layer.name not in {"logits", "probabilities"}]


def test_a_plain_network_has_a_block_for_each_convolution_and_dense_layer():
    assert names(network("baseline")) == [["convolution_1"], ["convolution_2"], ["convolution_3"], ["dense_1"]]
    assert [block[-1].name for block in backbone_blocks(network("baseline"))][:2] == ["pooling_1", "pooling_2"]


def test_residual_units_stay_whole():
    own = backbone_blocks(network("resnet"))
    assert len(own) == 1 + 3 * 2  # the stem and two units in each of three stages
    assert [block[-1].name for block in own][:-1] == ["activation_1", *(f"relu_{unit}" for unit in range(1, 6))]


def bottleneck(x, filters, *, squeeze=False):
    """An inverted residual block of MobileNet, perhaps with squeeze and excitation."""
    wide = layers.Conv2D(6 * x.shape[-1], 1)(x)
    y = layers.DepthwiseConv2D(3, padding="same")(layers.BatchNormalization()(wide))
    if squeeze:
        share = layers.Conv2D(y.shape[-1], 1)(layers.GlobalAveragePooling2D(keepdims=True)(y))
        y = layers.Multiply()([y, share])
    y = layers.BatchNormalization()(layers.Conv2D(filters, 1)(y))
    return layers.Add()([x, y]) if x.shape[-1] == filters else y


@pytest.mark.parametrize("squeeze", [False, True])
def test_an_unnamed_network_is_divided_at_its_bottlenecks(squeeze):
    inputs = keras.Input((16, 16, 3))
    ends = [layers.Conv2D(8, 3, strides=2, padding="same")(inputs)]
    for filters in (16, 16, 24):
        ends.append(bottleneck(ends[-1], filters, squeeze=squeeze))
    x = layers.GlobalAveragePooling2D()(ends[-1])
    model = keras.Model(inputs, layers.Softmax(name="probabilities")(layers.Dense(3, name="logits")(x)))
    assert [block[-1].output for block in backbone_blocks(model)] == [*ends[:-1], x]


def test_a_network_without_a_step_is_one_block():
    inputs = keras.Input((4, 4, 1))
    x = layers.GlobalAveragePooling2D()(inputs)
    model = keras.Model(inputs, layers.Softmax(name="probabilities")(layers.Dense(3, name="logits")(x)))
    assert len(backbone_blocks(model)) == 1


def test_what_is_trained_follows_what_is_frozen():
    model = network()
    paths = [variable.path for variable in model.trainable_variables]
    assert [variable.path for variable in trained_variables(model, freeze="none")] == paths
    assert [variable.path for variable in trained_variables(model, freeze=3)] == paths[6:]
    assert [variable.path for variable in trained_variables(model, freeze="backbone")] == paths[-2:]
    with pytest.raises(ConfigError, match=r"baseline has 4 blocks, got 4.*training\.freeze=backbone"):
        trained_variables(model, freeze=4)


def test_rates_fall_by_the_block_from_the_head_to_the_pixels():
    factors = rate_factors(network(), decay=0.5)
    expected = {"convolution_1": 1 / 16, "convolution_2": 1 / 8, "convolution_3": 1 / 4, "dense_1": 1 / 2, "logits": 1}
    assert factors == {f"{name}/{part}": value for name, value in expected.items() for part in ("kernel", "bias")}


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_backbone_and_a_copy_of_the_head_give_the_answers_of_the_model(dropout, precision):
    model = network(dropout=dropout, precision=precision)
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)
    features = split(model).features(images, training=False)
    head = copy_of_head(model)
    got = head(np.asarray(features, np.float32), training=False).numpy()
    np.testing.assert_allclose(
        got, model(images, training=False).numpy(), atol=1e-6 if precision == "float32" else 2e-3
    )
    assert head.layers[0].dtype == "float32"
    assert [layer.name for layer in head.layers[1:]] == [*(["dropout"] if dropout else []), "logits", "probabilities"]
    head.get_layer("logits").set_weights([np.zeros((128, 4)), np.ones(4)])
    assert model.get_layer("logits").get_weights()[1].sum() == 0, "the copy has weights of its own"
