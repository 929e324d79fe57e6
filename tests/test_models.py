import keras
import numpy as np
import pytest

from cnnexp.config import AirbenchConfig, AlexNetConfig, PlainModelConfig, ResNetConfig, VggConfig
from cnnexp.models import LOGITS, Regularization, build_model
from cnnexp.records import Scaling
from cnnexp.training import Network, fold_temperature, to_bytes

FREE = Regularization(dropout=0.0, l1=0.0, l2=0.0)
BASELINE = PlainModelConfig(name="baseline", width=32, depth=3, dense=128)
ARCHITECTURES = [
    BASELINE,
    AlexNetConfig(name="alexnet", width=16, depth=5, dense=32),
    VggConfig(name="vgg", width=8, depth=4, convolutions=2, dense=32),
    ResNetConfig(name="resnet", width=8, depth=3, units=1),
    AirbenchConfig(name="airbench", width=8, depth=3, whitening=2),
]


def build(config, *, shape=(8, 8, 1), classes=10, regularization=FREE, precision="float32", scaling=True):
    unit = Scaling("unit", (1 / 255,) * shape[2], (0.0,) * shape[2])
    return build_model(
        config,
        input_shape=shape,
        num_classes=classes,
        scaling=unit if scaling else None,
        regularization=regularization,
        precision=precision,
    )


def pixels(count, shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def answers(model, images):
    return Network(model).forward(images)[0]


def logits(model, images):
    return Network(model).logits(images, np.arange(len(images)))


@pytest.mark.parametrize("config", ARCHITECTURES, ids=lambda config: config.name)
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 31, 3), (64, 64, 3), (224, 224, 3)], ids=str)
def test_every_architecture_fits_every_size(config, shape):
    model = build(config, shape=shape, classes=7)
    probabilities = answers(model, pixels(2, shape))
    assert probabilities.dtype == np.float32
    assert probabilities.shape == (2, 7)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_the_baseline_is_the_reference_network():
    model = build(BASELINE)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["InputLayer", "Rescaling", *["Conv2D", "MaxPooling2D"] * 3, "Flatten", "Dense", "Dense", "Softmax"]
    assert [layer.filters for layer in model.layers if isinstance(layer, keras.layers.Conv2D)] == [32, 64, 128]
    # by hand: 9*32+32, 9*32*64+64, 9*64*128+128, 128*128+128, 128*10+10
    assert model.count_params() == 320 + 18_496 + 73_856 + 16_512 + 1_290


def test_dropout_stands_before_the_logits_and_penalties_on_every_hidden_kernel():
    model = build(BASELINE, regularization=Regularization(dropout=0.5, l1=0.0, l2=0.001))
    names = [layer.name for layer in model.layers]
    assert names.index("dropout") == names.index(LOGITS) - 1
    hidden = [layer for layer in model.layers if hasattr(layer, "kernel") and layer.name != LOGITS]
    expected = 0.001 * sum(float(np.square(layer.kernel.numpy()).sum()) for layer in hidden)
    assert len(model.losses) == len(hidden) == 4
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected, rel=1e-5)


def test_bfloat16_computes_in_bfloat16_but_keeps_float32_weights_and_answers():
    model = build(BASELINE, precision="bfloat16")
    assert {variable.dtype for variable in model.variables} == {"float32"}
    assert model.get_layer("scaling").compute_dtype == "bfloat16"
    assert model.get_layer(LOGITS).compute_dtype == "float32"
    exact = build(BASELINE)
    exact.set_weights(model.get_weights())
    images = pixels(50, (8, 8, 1))
    difference = np.abs(answers(model, images) - answers(exact, images)).max()
    assert 0 < difference < 0.02


def test_the_model_file_takes_uint8_of_its_size_and_comes_back_the_same(tmp_path):
    model = build(BASELINE)
    path = tmp_path / "model.keras"
    path.write_bytes(to_bytes(model))
    again = keras.models.load_model(path, safe_mode=True)
    assert again.input.dtype == "uint8"
    assert again.input_shape == (None, 8, 8, 1)
    images = pixels(20, (8, 8, 1))
    np.testing.assert_array_equal(answers(again, images), answers(model, images))


def test_standardized_pixels_reach_the_first_convolution_with_mean_zero_and_deviation_one():
    images = pixels(100, (8, 8, 3))
    mean, deviation = images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))
    scaling = Scaling("standardize", tuple((1 / deviation).tolist()), tuple((-mean / deviation).tolist()))
    model = build_model(
        BASELINE, input_shape=(8, 8, 3), num_classes=2, scaling=scaling, regularization=FREE, precision="float32"
    )
    scaled = keras.Model(model.input, model.get_layer("scaling").output)(images).numpy()
    np.testing.assert_allclose(scaled.mean(axis=(0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=(0, 1, 2)), 1, atol=1e-4)


def test_a_folded_temperature_divides_the_logits():
    model = build(BASELINE)
    images = pixels(20, (8, 8, 1))
    before = logits(model, images)
    fold_temperature(model, 2.5)
    np.testing.assert_allclose(logits(model, images), before / 2.5, rtol=1e-4, atol=1e-6)


def test_rows_are_answered_in_their_order():
    model = build(BASELINE)
    images = pixels(700, (8, 8, 1))
    rows = np.random.default_rng(1).permutation(700)
    network = Network(model)
    np.testing.assert_allclose(network.logits(images, rows), logits(model, images)[rows], atol=1e-6)


def test_no_images_no_answers():
    assert logits(build(BASELINE), pixels(0, (8, 8, 1))).shape == (0, 10)


@pytest.mark.parametrize("config", ARCHITECTURES, ids=lambda config: config.name)
def test_names_of_layers_do_not_depend_on_what_was_built_before(config):
    assert build(config).to_json() == build(config).to_json()


def test_no_convolution_of_single_pixels_has_a_stride():
    """Its gradient is not to be trusted, see `subsample`; what is done instead gives the same values."""
    import tensorflow as tf

    layers = build(ResNetConfig(name="resnet", width=4, depth=3, units=1), shape=(17, 16, 3)).layers
    single = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size == (1, 1)]
    assert len(single) == 2
    assert all(layer.strides == (1, 1) for layer in single)
    (thinning, *_) = [layer for layer in layers if layer.name.startswith("thinning")]
    images, kernel = tf.random.normal((2, 9, 8, 4)), tf.random.normal((1, 1, 4, 8))
    np.testing.assert_allclose(
        tf.nn.conv2d(thinning(images), kernel, 1, "SAME"), tf.nn.conv2d(images, kernel, 2, "SAME"), rtol=1e-6
    )
