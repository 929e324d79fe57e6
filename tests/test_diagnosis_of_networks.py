"""What the structure of a network and of its loss shows, and what its trained weights say when they are asked again."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from cnnexp.__main__ import main
from cnnexp.cli.code_flags import with_code
from cnnexp.compose import compose_config, register_added
from cnnexp.diagnosis import Sample
from cnnexp.diagnosis.loss_faults import loss_fault
from cnnexp.diagnosis.network_faults import fresh_statistics_finding, structure_fault
from cnnexp.diagnosis.recomputed import ImagesNow, compare_answers, compare_data, compare_metric
from cnnexp.diagnosis.shortcut import find_shortcut
from cnnexp.models import after_training, examine_network, fingerprints
from cnnexp.models.network_repairs import drawn_again, trainable_again, with_activations
from cnnexp.records import LossFacts, RecordedPredictions
from cnnexp.training import Loss, loss_facts

BROUGHT = Path(__file__).parents[1] / "benchmarks" / "faults" / "brought_along.py"
IMAGES = np.random.default_rng(0).integers(0, 256, (48, 8, 8, 1), np.uint8)


def network(*, factor=1.0, activation="relu", initializer="glorot_uniform", frozen=0, normalized_first=False):
    keras.utils.set_random_seed(0)  # of 40 draws of weights three times too large, three end within the limits
    pixels = keras.Input((8, 8, 1), dtype="uint8")
    x = layers.Rescaling(factor / 255)(pixels)
    x = layers.BatchNormalization()(x) if normalized_first else x
    for _ in range(3):
        x = layers.Conv2D(8, 3, padding="same", activation=activation, kernel_initializer=initializer)(x)
        x = layers.MaxPooling2D(padding="same")(x)
    x = layers.Dense(16, activation=activation, kernel_initializer=initializer)(layers.Flatten()(x))
    model = keras.Model(pixels, layers.Softmax()(layers.Dense(4, name="logits")(x)))
    for layer in [layer for layer in model.layers if layer.weights][:frozen]:
        layer.trainable = False
    return model


def fault_of(model):
    fault = structure_fault(examine_network(model, IMAGES))
    return None if fault is None else fault.id


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({}, None),
        ({"factor": 255.0}, "P1"),
        ({"factor": 1 / 255}, "P2"),
        ({"factor": 255.0, "normalized_first": True}, None),  # then no number before matters
        ({"activation": "linear"}, "M4"),
        ({"activation": "gelu"}, None),
        ({"initializer": keras.initializers.Constant(0.02)}, "M6"),
        ({"initializer": "zeros"}, "M6"),
        ({"initializer": keras.initializers.RandomNormal(stddev=3.0)}, "M6"),
        ({"initializer": keras.initializers.RandomNormal(stddev=1e-4)}, "M6"),
        ({"initializer": "he_normal"}, None),
        ({"activation": "sigmoid"}, "M6"),
    ],
)
def test_a_fault_of_the_structure_is_named_before_training(wrong, fault):
    assert fault_of(network(**wrong)) == fault


def test_layers_that_keep_their_random_weights_are_frozen_and_trained_ones_may_be():
    model = network(frozen=2)
    facts = examine_network(model, IMAGES)
    before = fingerprints(model)
    for layer in model.layers:
        if layer.trainable and layer.weights:
            layer.set_weights([value + 0.1 for value in layer.get_weights()])
    fault = structure_fault(after_training(facts, before=before, model=model))
    assert (fault.id, fault.layers) == ("M8", tuple(layer.name for layer in model.layers if not layer.trainable))
    learned = replace(facts, drawn=(), unchanged=fault.layers)  # weights of an earlier training
    assert structure_fault(learned) is None


def test_each_repair_removes_its_fault():
    linear, constant, frozen = network(activation="linear"), network(initializer="zeros"), network(frozen=5)
    with_activations(linear, names=examine_network(linear, IMAGES).linear)
    drawn_again(constant, seed=0)
    trainable_again(frozen)
    assert [fault_of(model) for model in (linear, constant)] == [None, None]
    assert len(frozen.trainable_variables) == len(frozen.weights)


@pytest.mark.parametrize(
    ("at_uniform", "least", "stuck", "wrong"),
    [
        (2.30, 0.0, 0.0, None),  # cross-entropy
        (2.30, 0.5, 0.0, None),  # with label smoothing
        (0.09, 0.0, 0.0, None),  # squared error of probabilities
        (2.30, 1.46, 0.0, "applied twice"),
        (1000.0, 78.0, 0.0, "another output than logits"),
        (2.30, 0.0, 0.5, "no gradient"),
    ],
)
def test_a_loss_is_judged_by_what_it_gives_for_right_undecided_and_wrong_answers(at_uniform, least, stuck, wrong):
    says = loss_fault(LossFacts(at_uniform, least, stuck, classes=10))
    assert (says is None) == (wrong is None)
    assert wrong is None or wrong in says


def test_losses_of_a_user_are_looked_at_and_ours_are_not():
    with with_code(["--extend", str(BROUGHT)]):
        register_added()
        own = {name: compose_config(["data=digits", f"loss={name}"]).loss for name in ("rectified", "squared_logits")}
    losses = {
        name: Loss(class_weights=np.ones(10, np.float32), label_smoothing=0, own=one) for name, one in own.items()
    }
    assert loss_facts(losses["rectified"]).stuck == 0.5
    assert loss_facts(losses["squared_logits"]).at_uniform == pytest.approx(1000)
    assert loss_facts(replace(losses["rectified"], own=None)) is None


@pytest.mark.parametrize(
    ("name", "loss", "sharpness"),
    [
        ("sharp", "loss.factor=5", 5.0),
        ("sharp", "loss.factor=1", 1.0),
        ("rectified", None, None),
    ],
)
def test_of_a_users_loss_is_known_how_sure_answers_it_asks_for(name, loss, sharpness):
    with with_code(["--extend", str(BROUGHT)]):
        register_added()
        own = compose_config(["data=digits", f"loss={name}", *([loss] if loss else [])]).loss
    facts = loss_facts(Loss(class_weights=np.ones(10, np.float32), label_smoothing=0, own=own))
    assert sharpness is None or facts.sharpness == pytest.approx(sharpness, rel=0.13)
    assert facts.sharpness < 2 or sharpness == 5


def test_fresh_statistics_are_named_where_they_bring_answers_back_beyond_chance():
    stored, fresh = np.arange(200) < 80, np.arange(200) < 150
    found = fresh_statistics_finding(stored, fresh)
    assert (found.id, found.evidence["accuracy_fresh"]) == ("M7", 0.75)
    assert fresh_statistics_finding(stored, np.arange(200) < 84) is None
    assert fresh_statistics_finding(fresh, stored) is None


def stamped(*, corner):
    random, labels = np.random.default_rng(1), np.arange(160) % 4
    levels = random.normal(90, 30, (160, 16, 16, 1))
    levels[:, 8:, :, 0] += 15 * labels[:, None, None]
    images = np.clip(levels, 0, 255).astype(np.uint8)
    if corner:
        images[:, :2, :2, 0] = (60 * labels[:, None, None]).astype(np.uint8)
    return Sample(images, labels)


def test_a_network_that_answers_by_a_corner_has_a_shortcut_and_one_that_sees_all_has_none():
    def reads_the_corner(images):
        return np.clip(np.rint(images[:, :2, :2].mean(axis=(1, 2, 3)) / 60), 0, 3).astype(np.int64)

    def sees_all(images):
        levels = images[:, 8:].mean(axis=(1, 2, 3))
        return np.abs(levels[:, None] - 90 - 15 * np.arange(4)).argmin(axis=1)

    found = find_shortcut(stamped(corner=True), reads_the_corner)
    assert (found.where, found.told, found.accuracy) == ("upper left", 1, 1)
    assert found.covered < 0.5
    assert find_shortcut(stamped(corner=True), sees_all) is None  # it is there, but does no harm
    assert find_shortcut(stamped(corner=False), sees_all) is None


def recorded(probabilities, labels):
    digests = tuple(f"d{place}" for place in range(len(labels)))
    names = tuple("abcd")
    return RecordedPredictions(names, digests, digests, None, None, labels, probabilities)


def test_a_record_is_compared_with_what_model_and_data_give_now():
    random, labels = np.random.default_rng(0), np.arange(100) % 4
    probabilities = np.where(np.eye(4)[labels] > 0, 0.7, 0.1).astype(np.float32)
    run, now = recorded(probabilities, labels), ImagesNow(tuple(f"d{place}" for place in range(100)), labels)
    assert [compare_metric(run, 1.0), compare_data(run, now), compare_answers(run, now, probabilities, 1.0)] == [
        None
    ] * 3
    assert compare_metric(run, 0.9).id == "E2"
    assert compare_data(run, replace(now, digests=tuple("x" * 100))).evidence["images_gone"] == 100
    assert compare_data(run, replace(now, labels=labels[::-1])).evidence["labels_changed"] == 100
    assert compare_answers(run, now, random.permutation(probabilities), 1.0).id == "E4"
    assert compare_answers(run, now, probabilities + np.float32(0.001), 1.0) is None


@pytest.mark.slow  # two trainings of a second, their short repairs, and the imports for them
def test_a_network_that_multiplies_its_pixels_is_repaired_in_a_short_training(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["cnnexp"])
    brought = ["--extend", str(BROUGHT), "model=brought", "model.factor=65535", "loss=cross_entropy"]
    asked = ["data=digits", "training.epochs=8", "training.threads=1", "optimizer.learning_rate=0.002"]
    assert main([*brought, *asked]) == 0
    assert main(["diagnose", "latest", "--json=found.json", "--trust-code", *brought[:2]]) == 0
    (run,) = json.loads((tmp_path / "found.json").read_text())
    (first, *_) = run["findings"]
    assert first["id"] == "P1"
    assert first["evidence"]["gain_low"] > 0.1
    assert first["basis"] == "repaired"  # in a short training, and it helped


@pytest.mark.slow  # a training of seconds and the probes of a run, each in a process of its own, as a person types them
def test_a_person_finds_the_learning_rate(tmp_path):
    """Nothing has fixed the threads when the probes begin, and `auto` is another number with other settings."""
    wrong = ["optimizer.learning_rate=0.00001", "training.epochs=4", "training.batch_size=512", "data.limit=800"]
    ran, diagnosed = (
        subprocess.run(
            [sys.executable, "-m", "cnnexp", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        for words in (wrong, ["diagnose", "latest"])
    )
    assert ran.returncode == diagnosed.returncode == 0, ran.stderr + diagnosed.stderr
    assert "not probed" not in diagnosed.stdout + diagnosed.stderr
    assert "learning rate too low" in diagnosed.stdout
    assert "Tried: at a learning rate of" in diagnosed.stdout
