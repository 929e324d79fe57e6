import io
import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import cnnexp
from cnnexp.images import UnreadableImageError
from cnnexp.portable.classifier import load_keras
from support import trained_model

GRADIENT = np.tile(np.linspace(0, 1, 64), (48, 1))


def png(array, mode=None):
    buffer = io.BytesIO()
    Image.fromarray(array, mode=mode).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("target", [(48, 64), (224, 224), (17, 31), (8, 8)])
def test_8_bit_16_bit_and_float_of_one_picture_give_the_same_values_in_0_to_1(target):
    eight = np.round(GRADIENT * 255).astype(np.uint8)
    sixteen = np.round(GRADIENT * 65535).astype(np.uint16)
    results = [
        cnnexp.preprocess_image(source, target) for source in (png(eight), png(sixteen), eight, sixteen, GRADIENT)
    ]
    for result in results:
        assert result.dtype == np.float32
        assert result.shape == (*target, 3)
        assert result.min() >= 0
        assert result.max() <= 1
        assert result.max() > 0.9  # scaled once: the naive order scales some twice, to 1/255
        np.testing.assert_allclose(result, results[0], atol=1.01 / 255)


def test_the_naive_order_scales_twice_under_some_resize_methods_and_ours_never():
    white = np.full((48, 64, 3), 255, np.uint8)

    def naive(method):
        resized = tf.image.resize(white, (32, 32), method=method)  # uint8 stays uint8 under "nearest" only
        return float(tf.reduce_max(tf.image.convert_image_dtype(resized, tf.float32) / 255.0))

    assert naive("nearest") == pytest.approx(1 / 255)
    assert naive("bilinear") == pytest.approx(1)
    ours = cnnexp.preprocess_image(png(white), (32, 32))
    assert ours.min() == ours.max() == 1


def test_the_default_size_is_that_of_the_article(tmp_path):
    path = tmp_path / "a photo.png"
    path.write_bytes(png(np.zeros((10, 10, 3), np.uint8)))
    assert cnnexp.preprocess_image(path).shape == (224, 224, 3)


def test_what_is_no_image_is_refused(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("not an image")
    with pytest.raises(UnreadableImageError, match=r"text\.jpg"):
        cnnexp.preprocess_image(path)


def test_the_network_has_the_defaults_of_the_article():
    model = cnnexp.create_cnn_with_dropout((224, 224, 3), 10)
    assert model.input_shape == (None, 224, 224, 3)
    assert model.input.dtype == "float32"
    assert model.output_shape == (None, 10)
    assert model.get_layer("dropout").rate == 0.5
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [32, 64, 128]
    assert all(float(layer.kernel_regularizer.l2) == pytest.approx(0.001) for layer in convolutions)


def test_build_train_and_evaluate_with_one_hot_labels(capsys):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 200)
    images = (random.random((200, 8, 8, 1)) * 0.5 + labels[:, None, None, None] * 0.5).astype(np.float32)
    labels[:10] = 1 - labels[:10]  # no network gets these right, and the accuracy is no round number
    one_hot = keras.utils.to_categorical(labels, 2)
    model = cnnexp.create_cnn_with_dropout((8, 8, 1), 2, dropout_rate=0.2)
    model.fit(images, one_hot, epochs=5, verbose=0)
    evaluation = cnnexp.evaluate_model(model, images, one_hot, ["dark", "bright"])
    printed = capsys.readouterr().out
    assert 0.9 < evaluation.metrics["accuracy"] < 1
    assert "dark" in printed
    assert "bright" in printed
    assert re.search(rf"accuracy +{evaluation.metrics['accuracy']:.3f} ", printed)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1]),
        np.array([[0, 0], [0, 1]]),
        np.array([[1, 1], [0, 1]]),
        np.array([[-3, 1], [0, 1]]),
        np.array([[1, 0, 0], [0, 1, 0]]),
    ],
)
def test_labels_that_are_not_one_hot_over_the_classes_are_refused(labels):
    model = cnnexp.create_cnn_with_dropout((8, 8, 1), 2)
    with pytest.raises(ValueError, match=r"labels must be one-hot, shape \(2, 2\).*to_categorical"):
        cnnexp.evaluate_model(model, np.zeros((2, 8, 8, 1), np.float32), labels, ["a", "b"])


def test_pixels_for_a_saved_model_are_not_scaled(tmp_path):
    picture = png(np.round(GRADIENT * 255).astype(np.uint8))
    raw, scaled = cnnexp.preprocess_image(picture, (16, 16), dtype="uint8"), cnnexp.preprocess_image(picture, (16, 16))
    assert raw.dtype == np.uint8
    np.testing.assert_allclose(raw / 255, scaled, atol=1e-6)
    with pytest.raises(ValueError, match=r"dtype must be 'float32' .* or 'uint8'"):
        cnnexp.preprocess_image(picture, (16, 16), dtype="float64")


@pytest.mark.parametrize("scaled", [lambda images: images / 255, lambda images: (images / 127.5 - 1).astype("float32")])
def test_a_model_of_a_run_is_not_evaluated_on_scaled_pixels(scaled, tmp_path):
    model = load_keras(trained_model.folder(tmp_path / "m") / "model.keras")
    assert model.inputs[0].name == "uint8_pixels_0_to_255"
    images, labels = trained_model.digits()
    images, one_hot, names = images[:40, ..., None], np.eye(10)[labels[:40]], list("0123456789")
    assert cnnexp.evaluate_model(model, images, one_hot, names).metrics["accuracy"] > 0.8
    with pytest.raises(TypeError, match="images must be uint8 from 0 to 255; got float"):
        cnnexp.evaluate_model(model, scaled(images), one_hot, names)


def test_nothing_else_is_public():
    with pytest.raises(AttributeError, match="preprocess"):
        cnnexp.preprocess  # noqa: B018
