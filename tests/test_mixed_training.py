"""Training on mixed images: what the loss and the accuracy of a step are, and that all else knows nothing of it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cnnexp import training
from cnnexp.compose import compose_config
from cnnexp.runs import experiment
from cnnexp.training import Network, Trainer
from cnnexp.training.losses import Loss

WEIGHTS = np.array([1, 2, 0.5], np.float32)


def pixel_network():
    """Logits are the three channels of the one pixel, times ten."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((1, 1, 3), dtype="uint8")
    flat = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    logits = keras.layers.Dense(3, use_bias=False, name="logits")(flat)
    model = keras.Model(inputs, keras.layers.Softmax(name="probabilities")(logits))
    model.get_layer("logits").set_weights([10 * np.eye(3, dtype=np.float32)])
    return model


def one_step(images, labels, *, mixed, micro_batch=None):
    loss = Loss(class_weights=WEIGHTS, label_smoothing=0.1)
    trainer = Trainer(Network(pixel_network()), keras.optimizers.SGD(0.0), loss, mixed=mixed, micro_batch=micro_batch)
    batches = iter(tf.data.Dataset.from_tensors((images, labels)))
    return trainer(batches, np.zeros(1))[:2]


def expected_losses(images, labels):
    logits = images[:, 0, 0] / 25.5
    shifted = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    targets = 0.9 * np.eye(3)[labels] + 0.1 / 3
    return WEIGHTS[labels] * -(targets * shifted).sum(axis=1)


IMAGES = np.random.default_rng(0).integers(0, 256, (8, 1, 1, 3), dtype=np.uint8)
OWN, OTHER = np.arange(8) % 3, (np.arange(8) + 1) % 3
SHARE = np.linspace(0.5, 1, 8)
LABELS = np.stack([OWN, OTHER, SHARE], axis=1).astype(np.float32)


@pytest.mark.parametrize("micro_batch", [None, 3])
def test_the_loss_is_that_of_both_labels_by_their_shares(micro_batch):
    loss, correct = one_step(IMAGES, LABELS, mixed=True, micro_batch=micro_batch)
    expected = SHARE * expected_losses(IMAGES, OWN) + (1 - SHARE) * expected_losses(IMAGES, OTHER)
    assert loss / 8 == pytest.approx(expected.mean(), rel=1e-5)
    assert correct == (IMAGES[:, 0, 0].argmax(axis=1) == OWN).sum()  # the label of the larger share counts


def test_images_that_keep_all_of_themselves_are_as_without_mixing():
    whole = np.stack([OWN, OTHER, np.ones(8)], axis=1).astype(np.float32)
    assert one_step(IMAGES, whole, mixed=True) == pytest.approx(one_step(IMAGES, OWN, mixed=False))


def run(*overrides):
    config = compose_config(["training.epochs=2", "data.limit=64", "training.threads=1", *overrides])
    nothing = dict.fromkeys(("on_start", "on_progress"), lambda *_: None)
    return experiment.run(config, name="x", on_epoch=lambda _: False, **nothing)


@pytest.mark.slow
def test_a_run_is_repeatable_shows_what_it_saw_and_saves_nothing_of_it():
    first, again = run("augmentation=mix"), run("augmentation=mix")
    assert [values.train_loss for values in first.history.epochs] == [
        values.train_loss for values in again.history.epochs
    ]
    np.testing.assert_array_equal(first.gallery.seen, again.gallery.seen)
    plain = run("augmentation=none")
    assert (first.gallery.seen != plain.gallery.seen).any()
    assert first.model_file != plain.model_file
    assert "mixup 0.2" in first.info.augmentation
    layers = [type(layer).__name__ for layer in _loaded(first.model_file).layers]
    assert layers == [type(layer).__name__ for layer in _loaded(plain.model_file).layers]
    np.testing.assert_array_equal(first.example, plain.example)


def _loaded(content):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(content)
        return keras.saving.load_model(path, safe_mode=True)


def test_a_graph_for_mixed_labels_is_another_one():
    def trainer(mixed):
        loss = training.Loss(class_weights=WEIGHTS, label_smoothing=0.0)
        return Trainer(Network(pixel_network()), keras.optimizers.SGD(0.0), loss, mixed=mixed)

    assert trainer(mixed=True).signature != trainer(mixed=False).signature
