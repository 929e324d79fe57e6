"""Views averaged, another size, the weights of several runs: each a model of its own that answers alike everywhere."""

import contextlib
import dataclasses

import keras
import numpy as np
import pytest
from scipy.special import softmax

from cnnexp.compose import compose_config
from cnnexp.errors import ConfigError
from cnnexp.models import Regularization, at_size, build_model, with_views
from cnnexp.portable.forward import forward_of
from cnnexp.portable.variant import View
from cnnexp.records import Scaling
from cnnexp.runs.runs_soup import soup_of
from cnnexp.saved.variant_options import parse, parse_one, views_of
from cnnexp.training import configure_tensorflow

STORE = "sqlite:///mlflow.db"


def view(mirrored=False, down=0, right=0):
    return View(mirrored=mirrored, down=down, right=right)


def network(name, *, seed=0, size=(8, 8)):
    configure_tensorflow(threads=1, seed=seed)
    return build_model(
        compose_config([f"model={name}", "model.width=4"]).model,
        input_shape=(*size, 3),
        num_classes=4,
        scaling=Scaling("unit", (1 / 255,) * 3, (0.0,) * 3),
        regularization=Regularization(dropout=0.3, l1=0.0, l2=0.0),
        precision="float32",
    )


def noise(count=5, size=(8, 8)):
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3)).astype(np.uint8)


def seen(images, one):
    """The same by NumPy: mirrored, then moved, edges repeated."""
    images = images[:, :, ::-1] if one.mirrored else images
    height, width = images.shape[1:3]
    rows = np.clip(np.arange(height) - one.down, 0, height - 1)
    return images[:, rows][:, :, np.clip(np.arange(width) - one.right, 0, width - 1)]


def logits_of(model, images):
    return keras.Model(model.input, model.get_layer("logits").output)(images).numpy()


VIEWS = [view(), view(mirrored=True), view(down=2, right=-1), view(mirrored=True, down=-1, right=3)]


@pytest.mark.parametrize("name", ["baseline", "resnet", "airbench"])
def test_a_model_of_views_gives_the_mean_of_their_logits_also_from_its_file(name, tmp_path):
    model, images = network(name), noise()
    averaged = with_views(model, VIEWS)
    right = softmax(np.mean([logits_of(model, seen(images, one)) for one in VIEWS], axis=0), axis=1)
    np.testing.assert_allclose(forward_of(averaged)(images)[0], right, atol=1e-6)
    averaged.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    probabilities, features = forward_of(again)(images)
    np.testing.assert_allclose(probabilities, right, atol=1e-6)
    assert len(features) == len(images)
    assert again.input.name == "uint8_pixels_0_to_255"


def test_few_images_at_once_give_what_all_do():
    model, images = network("resnet"), noise(5)
    for pixels in (images, images[:4], images[:1], images[:0]):
        for few, all_ in zip(forward_of(model, at_once=2)(pixels), forward_of(model)(pixels), strict=True):
            assert len(few) == len(pixels)
            np.testing.assert_allclose(few, all_, atol=1e-6)


def test_one_view_is_the_image():
    model, images = network("resnet"), noise()
    np.testing.assert_allclose(forward_of(with_views(model, [view()]))(images)[0], model(images), atol=1e-6)


def test_a_network_that_pools_takes_another_size_with_the_same_weights():
    model = network("resnet")
    larger = at_size(model, (13, 10))
    assert larger.input_shape == (None, 13, 10, 3)
    for mine, theirs in zip(larger.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_allclose(at_size(larger, (8, 8))(noise()), model(noise()), atol=1e-6)
    assert larger(noise(size=(13, 10))).shape == (5, 4)


def test_a_network_that_flattens_is_refused_with_a_reason():
    with pytest.raises(ConfigError, match=r"trained at 8 × 8, cannot take 16 × 16: .*data\.size=\[16,16\]"):
        at_size(network("baseline"), (16, 16))


# --- which views


def data(*words):
    return compose_config(["data=digits", *words]).data


def test_views_are_what_the_data_allow():
    def texts(tta, *words, size=(32, 32)):
        return [str(one) for one in views_of(tta, data(*words), size)]

    assert texts("none", "data.mirror=true") == []
    assert texts("flip", "data.mirror=true") == texts("2", "data.mirror=true") == ["as it is", "mirrored"]
    assert texts("5", "data.jitter=0.2") == [
        "as it is", "2 down, 2 right", "2 down, 2 left", "2 up, 2 left", "2 up, 2 right"
    ]  # fmt: skip
    assert texts("4", "data.jitter=0.2", "data.mirror=true")[2:] == ["2 down, 2 right", "mirrored, 2 up, 2 left"]
    assert texts("3", "data.jitter=0.125", size=(64, 8))[1:] == ["3 down, 1 right", "3 up, 1 left"]


@pytest.mark.parametrize("jitter", [0.05, 0.1, 0.3])
@pytest.mark.parametrize("side", [8, 28, 224])
def test_no_view_moves_further_than_the_data_allow(jitter, side):
    for count in range(2, 20):
        with contextlib.suppress(ConfigError):
            for one in views_of(str(count), data(f"data.jitter={jitter}", "data.mirror=true"), (side, side)):
                assert max(abs(one.down), abs(one.right)) <= jitter * side


@pytest.mark.parametrize(
    ("tta", "words", "message"),
    [
        ("flip", [], r"data\.mirror=false says .* Use moved images, --tta 5"),
        ("5", ["data.jitter=0"], r"have fewer\. Possible is none: leave --tta out"),
        ("5", ["data.jitter=0", "data.mirror=true"], r"Possible is at most --tta 2"),
        ("30", ["data.jitter=0.25"], r"Possible is at most --tta 9"),
    ],
)
def test_views_that_the_data_do_not_allow_are_refused(tta, words, message):
    with pytest.raises(ConfigError, match=message):
        views_of(tta, data(*words), (8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tta": "1"}, r"--tta must be flip .* got '1'\. For example: --tta 8"),
        ({"tta": "65"}, "from 2 to 64"),
        ({"tta": "flip,turned"}, "got 'turned'"),
        ({"size": "0"}, r"--size must be height and width .* got '0'"),
        ({"size": "8,8,3"}, "got '8,8,3'"),
        ({"size": "8,"}, "got '8,'"),
        ({"size": "big"}, "For example: --size 48,48"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        parse(**({"tta": "none", "size": "none", "soup": False} | options))


def test_options_are_recorded_as_settings():
    flip, none = parse(tta="flip,none", size="48,40", soup=True)
    assert flip.settings == {"tta": "flip", "size": "48,40", "soup": "greedy"}
    assert none.settings == {"size": "48,40", "soup": "greedy"}
    assert parse_one(tta="none", size="48", soup=False).size == (48, 48)
    assert not parse_one(tta="none", size="none", soup=False)
    with pytest.raises(ConfigError, match="export writes one model"):
        parse_one(tta="flip,none", size="none", soup=False)


# --- soups of runs


class Validation:
    """Random images that one network labels: its own weights are right, and their mean with others is not."""

    def __init__(self, model, images):
        labels = logits_of(model, images).argmax(axis=1)
        own = dataclasses.make_dataclass("Split", ["images", "rows", "labels"])
        self.validation = type("Rows", (own,), {"__len__": lambda split: len(split.rows)})(
            images, np.arange(len(images)), labels
        )


def test_networks_of_one_start_are_averaged_and_of_different_starts_are_not():
    one, images = network("resnet"), noise(60)
    for layer in one.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            layer.set_weights([3 * weights for weights in layer.get_weights()])
    near = keras.models.clone_model(one)
    near.set_weights([weights * 1.001 for weights in one.get_weights()])
    found = soup_of({"a": one, "b": near}, Validation(one, images), monitor="val/accuracy")
    assert (set(found.runs), found.left_out) == ({"a", "b"}, ())
    assert "mean of those of 2 of 2 runs" in found.notes[0]
    other = network("resnet", seed=7)
    alone = soup_of({"b": other, "a": near}, Validation(near, images), monitor="val/accuracy")
    assert (alone.runs, alone.left_out) == (("a",), ("b",))
    assert "No soup" in alone.notes[0]
    assert "different random weights have no useful mean" in alone.notes[0]


def test_what_has_no_mean_is_refused():
    one = network("resnet")
    with pytest.raises(ConfigError, match="got one run"):
        soup_of({"a": one}, Validation(one, noise()), monitor="val/loss")
    with pytest.raises(ConfigError, match="must have the same layers; those of a and b differ"):
        soup_of({"a": one, "b": network("baseline")}, Validation(one, noise()), monitor="val/loss")
