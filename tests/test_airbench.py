"""The network of airbench: its whitening and its first weights, and that its file is plain Keras."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest

from cnnexp import training
from cnnexp.compose import compose_config
from cnnexp.models import Regularization, build_model, whiten
from cnnexp.models.names import WHITENING
from cnnexp.models.whitening import second_moments, whitening_kernel
from cnnexp.records import Scaling
from cnnexp.runs import experiment
from cnnexp.runs.prepare import load
from cnnexp.runs.starting_network import starting_network
from cnnexp.saved import open_model
from cnnexp.saved.export import export
from cnnexp.training import Network, Trainer, configure_tensorflow
from support import trained_model
from test_training import fit_config, loss, stripes

NARROW = ["model=airbench", "model.width=8", "model.depth=2"]


def network(*overrides, shape=(12, 14, 3), classes=4):
    configure_tensorflow(threads=1, seed=0)
    return build_model(
        compose_config([*NARROW, *overrides]).model,
        input_shape=shape,
        num_classes=classes,
        scaling=Scaling("unit", (1 / 127,) * shape[2], (-1.0,) * shape[2]),
        regularization=Regularization(dropout=0.0, l1=0.0, l2=0.0),
        precision="float32",
    )


def smooth(count=40, shape=(12, 14, 3), seed=0):
    """Images whose neighbouring pixels and channels go together, as in photographs."""
    walks = np.random.default_rng(seed).normal(size=(count, *shape)).cumsum(axis=1).cumsum(axis=2)
    return np.clip(128 + 6 * (walks + walks.mean(axis=3, keepdims=True)), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("side", [2, 3])
def test_second_moments_are_those_of_every_patch(side):
    images = np.random.default_rng(0).normal(size=(3, 5, 6, 2)).astype(np.float32)
    patches = [
        image[row : row + side, column : column + side].ravel()
        for image in images
        for row in range(6 - side)
        for column in range(7 - side)
    ]
    by_hand = sum(np.outer(patch, patch) for patch in patches) / (len(patches) / 3)
    np.testing.assert_allclose(second_moments(images, side=side), by_hand, rtol=1e-4)


@pytest.mark.parametrize("side", [2, 3])
def test_whitened_patches_are_uncorrelated_and_of_size_one(side):
    images = smooth()
    model = network(f"model.whitening={side}")
    layer = model.get_layer(WHITENING)
    whiten(model, images, np.arange(len(images)))
    outputs = np.array(keras.Model(model.input, layer.output)(images)).reshape(-1, layer.filters)
    values = side * side * 3
    products = outputs[:, :values].T @ outputs[:, :values] / len(outputs)
    assert np.abs(products - np.diag(np.diag(products))).max() < 0.01
    assert 0.9 < np.diag(products)[-values // 2 :].min() <= np.diag(products).max() < 1.01  # the rest hardly varies
    np.testing.assert_allclose(outputs[:, values:], -outputs[:, :values], atol=1e-4)


def test_a_direction_that_does_not_vary_is_not_blown_up():
    kernel = whitening_kernel(np.diag([4.0, 1.0, 0.0, 0.0]), channels=1)
    assert kernel.shape == (2, 2, 1, 8)
    lengths = np.sort(np.linalg.norm(kernel.reshape(4, 8), axis=0)[:4])
    np.testing.assert_allclose(lengths, [0.5, 1, 5e-4**-0.5, 5e-4**-0.5], rtol=1e-3)


def test_convolutions_begin_by_handing_channels_on():
    layer = network().get_layer("convolution_2")  # of 8 channels, with 8 filters
    images = np.random.default_rng(0).normal(size=(2, 6, 7, 8)).astype(np.float32)
    np.testing.assert_allclose(np.array(layer(images)), images, atol=1e-6)
    wider = network().get_layer("convolution_3")  # of 8 channels, with 32 filters
    np.testing.assert_allclose(np.array(wider(images))[..., :8], images, atol=1e-6)
    assert np.array(wider.kernel)[..., 8:].std() > 0.05


def test_training_leaves_the_whitening_kernel_alone_and_learns():
    model = network(shape=(8, 8, 1), classes=2)
    train = stripes(60)
    whiten(model, train.images, train.rows)
    kernel, bias = model.get_layer(WHITENING).get_weights()
    optimizer = training.build_optimizer(
        compose_config(["optimizer=muon", "optimizer.fixed_norm=true", "optimizer.adam_factor=0.1"]).optimizer,
        learning_rate=0.1,
    )
    history = training.fit(
        Trainer(Network(model), optimizer, loss()),
        fit_config(train=train, epochs=4, batch_size=20, learning_rate=0.1),
        train=train,
        validation=stripes(20, seed=1),
        on_epoch=lambda _: False,
        on_steps=lambda *_: None,
    )
    after, moved = model.get_layer(WHITENING).get_weights()
    np.testing.assert_array_equal(after, kernel)
    assert (moved != bias).any()
    assert max(values.val_accuracy for values in history.epochs) > 0.9


@pytest.fixture(scope="module")
def config():
    return compose_config(
        [*NARROW, "training=smoke", "optimizer=muon", "optimizer.fixed_norm=true", "optimizer.learning_rate=0.05"]
    )


@pytest.fixture(scope="module")
def result(config):
    return trained(config)


def trained(config, pretrained=None):
    return experiment.run(
        config,
        pretrained=pretrained,
        name="digits",
        on_start=lambda _: None,
        on_epoch=lambda _: False,
        on_progress=lambda *_: None,
    )


def loaded(result, folder):
    file = folder / "model.keras"
    file.write_bytes(result.model_file)
    return keras.models.load_model(file, compile=False, safe_mode=True)


def kernel_of(model):
    return np.array(model.get_layer(WHITENING).kernel)


def test_a_run_whitens_by_its_training_images_and_misses_no_training_of_that_layer(config, result, tmp_path):
    splits, _ = load(config, None, lambda *_: None)
    whitened = build_model(
        config.model,
        input_shape=(8, 8, 1),
        num_classes=10,
        scaling=Scaling("unit", (1 / 255,), (0.0,)),
        regularization=Regularization(dropout=0.0, l1=0.0, l2=0.0),
        precision="float32",
    )
    whiten(whitened, splits.train.images, splits.train.rows)
    np.testing.assert_allclose(kernel_of(loaded(result, tmp_path)), kernel_of(whitened), rtol=1e-5)
    assert not [finding for finding in result.findings if "did not change" in finding.sentence]


def test_its_file_is_plain_keras(result, tmp_path):
    layers = json.loads(loaded(result, tmp_path).to_json())["config"]["layers"]
    assert {layer["module"] for layer in layers} == {"keras.layers"}
    program = (
        "import sys, keras, numpy; model = keras.models.load_model(sys.argv[1], safe_mode=True); "
        "print(model.predict(numpy.zeros((1, 8, 8, 1), numpy.uint8), verbose=0).shape); "
        "assert 'cnnexp' not in sys.modules"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "model.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "(1, 10)" in done.stdout


def test_it_is_exported_also_as_onnx_and_continued_from(result, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs the extra cnnexp[onnx]")
    source, target = trained_model.write(tmp_path / "model", result), tmp_path / "exported"
    export(source, target, onnx=True)
    pixels = trained_model.digits()[0][:50, ..., None]
    session = onnxruntime.InferenceSession(str(target / "model.onnx"))
    (given,) = session.run(None, {session.get_inputs()[0].name: pixels})
    np.testing.assert_allclose(given, open_model(target).forward(pixels)[0], atol=1e-4)
    config = compose_config(["model=from_run", f"model.run={target}", "training=smoke", "training.head_epochs=0"])
    with starting_network(config) as pretrained:
        again = trained(config, pretrained)
    first, second = kernel_of(loaded(result, tmp_path)), kernel_of(loaded(again, tmp_path))
    assert (first != second).any()  # from there on it is a convolution like the others
    assert np.abs(first - second).max() < 0.1 * np.abs(first).max()
