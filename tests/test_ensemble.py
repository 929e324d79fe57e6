"""The mean of several networks: one flat network with one head, that answers the mean of their logits."""

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from cnnexp.compose import compose_config
from cnnexp.models import Regularization, build_model, mean_of, split
from cnnexp.portable.forward import forward_of
from cnnexp.records import Scaling
from cnnexp.training import fold_temperature, to_bytes

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 8, 8, 1)).astype(np.uint8)


def model_of(seed, name="baseline"):
    keras.utils.set_random_seed(seed)
    return build_model(
        compose_config([f"model={name}", "model.width=4"]).model,
        input_shape=(8, 8, 1),
        num_classes=3,
        scaling=Scaling("unit", (1 / 255,), (0.0,)),
        regularization=Regularization(dropout=0.2, l1=0.0, l2=0.01),
        precision="float32",
    )


@pytest.fixture(scope="module")
def models():
    return [model_of(seed) for seed in (0, 1, 2)]


def test_its_logits_are_the_mean_of_theirs_before_their_temperatures(models):
    plain = [np.log(forward_of(model)(IMAGES)[0]) for model in models]
    for model, temperature in zip(models, (1.0, 2.0, 0.5), strict=True):
        fold_temperature(model, temperature)
    mean = mean_of(models, temperatures=(1.0, 2.0, 0.5))
    for model, temperature in zip(models, (1.0, 2.0, 0.5), strict=True):
        fold_temperature(model, 1 / temperature)
    expected = softmax(np.mean([log_softmax(each, axis=1) for each in plain], axis=0), axis=1)
    np.testing.assert_allclose(forward_of(mean)(IMAGES)[0], expected, atol=1e-6)


def test_it_is_a_flat_network_with_one_head_on_the_features_of_all(models):
    mean = mean_of(models, temperatures=(1, 1, 1))
    assert not any(isinstance(layer, keras.Model) for layer in mean.layers)
    assert len({layer.name for layer in mean.layers}) == len(mean.layers)
    theirs = [split(model).features(IMAGES).numpy() for model in models]
    np.testing.assert_allclose(split(mean).features(IMAGES).numpy(), np.concatenate(theirs, axis=1), atol=1e-6)


def test_it_is_saved_and_loaded_without_code_of_ours(models, tmp_path):
    mean = mean_of(models, temperatures=(1, 1, 1))
    (tmp_path / "mean.keras").write_bytes(to_bytes(mean))
    loaded = keras.models.load_model(tmp_path / "mean.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(forward_of(loaded)(IMAGES)[0], forward_of(mean)(IMAGES)[0])
