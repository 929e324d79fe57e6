"""A batch that several devices compute in parts: the numbers of one device, up to rounding."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from cnnexp import training
from cnnexp.compose import compose_config
from cnnexp.errors import ConfigError
from cnnexp.system.devices import Device, Devices, Gpu
from cnnexp.training.data_parallel import on_devices
from support.sweep_processes import recorded, start
from test_recipes import trainer, weights_of
from test_training import fit_config, stripes

TWO = json.dumps([{"name": "Made-up GPU", "memory": 2**33, "capability": [8, 9]}] * 2)


def fitted(*overrides, images=70, **of_trainer):
    """Return the weights after three epochs with this number of images, and their history."""
    train, validation = stripes(images), stripes(30, seed=1)
    made = trainer(*overrides, **of_trainer)
    history = training.fit(
        made,
        fit_config(train=train, epochs=3, batch_size=16, learning_rate=0.02),
        train=train,
        validation=validation,
        on_epoch=lambda _: False,
        on_steps=lambda *_: None,
    )
    return weights_of(made), history


@pytest.mark.parametrize(
    ("overrides", "of_trainer"),
    [(["optimizer=adam", "optimizer.clip_norm=0.1"], {"ema": 0.9}), (["optimizer=sgd"], {"micro_batch": 5})],
)
def test_parts_have_the_numbers_of_the_whole(overrides, of_trainer):
    """The same device twice: which one computes changes nothing; the last batch has 6 images."""
    one, alone = fitted(*overrides, **of_trainer)
    for devices in (["CPU:0"] * 2, ["CPU:0"] * 3):
        several, history = fitted(*overrides, devices=devices, **of_trainer)
        for ours, theirs in zip(several, one, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5)
        assert history.epochs[-1].train_loss == pytest.approx(alone.epochs[-1].train_loss, rel=1e-4)
        assert history.epochs[-1].train_accuracy == alone.epochs[-1].train_accuracy


def test_parts_count_by_their_images_and_statistics_move_by_their_mean():
    import keras

    statistic, weight = keras.Variable([10.0], trainable=False), tf.Variable(2.0)

    def gradients(images, labels):
        mean = tf.reduce_mean(images)
        statistic.assign([mean])
        correct = tf.reduce_sum(tf.cast(labels == 1, tf.float32))
        return weight * mean, correct, [mean]

    compute = tf.function(on_devices(gradients, [statistic], devices=["CPU:0"] * 4))
    for images in ([1.0, 2.0, 4.0, 8.0, 16.0], [3.0], [1.0, 5.0]):
        labels = tf.ones(len(images), tf.int64)
        loss, correct, (gradient,) = compute(tf.constant(images), labels)
        assert gradient.numpy() == pytest.approx(np.mean(images))
        assert (loss.numpy(), correct.numpy()) == (pytest.approx(2 * np.mean(images)), len(images))
        assert statistic.numpy() == pytest.approx([np.mean(images)])


def test_a_run_has_all_gpus_if_it_is_mirrored():
    two = Devices((Gpu("A"), Gpu("A", 1, "1")))
    assert Device.choose("auto", two, mirrored=True).name == "2 × A"
    assert Device.choose("gpu", two, mirrored=True).gpus == two.gpus
    assert Device.choose("cpu", two, mirrored=True).gpus == ()
    assert "needs two GPUs" in str(Device.choose("auto", Devices(two.gpus[:1]), mirrored=True).note)
    with pytest.raises(ConfigError, match=r"trains on all GPUs: with it training\.device is auto or gpu, got gpu:1"):
        compose_config(["training.strategy=mirrored", "training.device=gpu:1"])


def test_two_logical_processors_give_the_numbers_of_one(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNEXP_GPUS", TWO)
    words = ["training=smoke", "training.epochs=2", "training.batch_size=50", "training.precision=float32"]
    found = {}
    for strategy in ("none", "mirrored"):
        (folder := tmp_path / strategy).mkdir()
        process = start(*words, f"training.strategy={strategy}", folder=folder, multirun=False)
        printed, _ = process.communicate(timeout=300)
        assert process.returncode == 0, printed
        found[strategy] = (printed, recorded(folder)[1][0])
    printed, run = found["mirrored"]
    assert re.search(r"batch 50 \(25 on each of 2 devices\)", printed)
    assert "2 × Made-up GPU, 1 thread" in printed
    assert run.params["used.device"] == "2 × Made-up GPU"
    alone = found["none"][1]
    for name in ("train/loss", "val/loss", "test/accuracy"):
        assert run.metrics[name] == pytest.approx(alone.metrics[name], rel=1e-3), name
