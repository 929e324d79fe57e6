"""Training in two stages: the head alone on cached features, then everything that is not frozen."""

import random
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from cnnexp import training
from cnnexp.cli.cache import counted
from cnnexp.compose import compose_config
from cnnexp.datasets.cache import folder as cache
from cnnexp.errors import ConfigError, DataError
from cnnexp.portable.classifier import forward_of, load_keras
from cnnexp.runs import experiment
from cnnexp.training import GraphCache

FEATURES = "computing features"
TINY = ["model=resnet", "model.width=4", "model.depth=2", "model.units=1", "data.limit=100", "training.threads=1"]


def run(folder, *overrides, graphs=None, prune_at=None, stages=None):
    def on_progress(stage, *done):
        if stages is not None:
            stages.append((stage, *done))

    return experiment.run(
        compose_config([*TINY, f"data.cache={folder}", "training.epochs=2", *overrides]),
        name="test",
        on_start=lambda _: None,
        on_epoch=lambda values: values.epoch == prune_at,
        on_progress=on_progress,
        graphs=graphs,
    )


def weights(result, folder):
    path = Path(folder) / "model.keras"
    path.write_bytes(result.model_file)
    return {variable.path: variable.numpy() for variable in load_keras(path).variables}


@pytest.fixture(scope="module")
def frozen(tmp_path_factory):
    """A network whose head alone is trained, in both stages; its cache folder; what it reported."""
    folder, stages = tmp_path_factory.mktemp("frozen"), []
    result = run(folder, "training.freeze=backbone", "training.head_epochs=3", stages=stages)
    return result, folder, stages


def test_both_stages_are_one_history(frozen):
    result, _, stages = frozen
    assert [values.epoch for values in result.history.epochs] == [1, 2, 3, 4, 5]
    assert (result.history.head_epochs, result.history.steps) == (3, 5 * 4)
    steps = [done for stage, *done in stages if stage == "training"]
    assert steps[-1] == [20, 20]
    assert all(total == 20 for _, total in steps)
    last = result.history.last_stage
    assert ([values.epoch for values in last.epochs], last.steps, last.head_epochs) == ([1, 2], 8, 0)
    assert len(last.outputs) == 3


def test_predictions_from_cached_features_are_those_of_the_saved_model(frozen, tmp_path):
    result, folder, _ = frozen
    (tmp_path / "model.keras").write_bytes(result.model_file)
    from cnnexp.datasets import load_splits

    config = compose_config([*TINY, f"data.cache={folder}"])
    splits = load_splits(config.data, seed=config.seed, on_progress=lambda *_: None)
    forward = forward_of(load_keras(tmp_path / "model.keras"))
    for name in ("validation", "calibration", "test"):
        answers, _ = forward(splits[name].images[splits[name].rows])
        np.testing.assert_allclose(result.predictions[name].probabilities, answers, atol=2e-6)


def test_the_next_run_computes_no_features_and_gets_the_same_numbers(frozen, tmp_path):
    result, folder, stages = frozen
    assert any(stage == FEATURES for stage, *_ in stages)
    again, other, anew = [], [], []
    graphs = GraphCache()
    settings = ["training.freeze=backbone", "training.head_epochs=3"]
    run(folder, *settings, "optimizer.learning_rate=0.01", "regularization.dropout=0.2", graphs=graphs, stages=other)
    same = run(folder, *settings, graphs=graphs, stages=again)
    assert not any(stage == FEATURES for stage, *_ in (*again, *other))
    assert [replace(values, seconds=0) for values in same.history.epochs] == [
        replace(values, seconds=0) for values in result.history.epochs
    ]
    np.testing.assert_array_equal(same.predictions["test"].probabilities, result.predictions["test"].probabilities)
    run(folder, *settings, "seed=1", stages=anew)  # other random weights of the backbone
    assert any(stage == FEATURES for stage, *_ in anew)


def test_a_network_that_is_not_built_again_begins_as_it_did(tmp_path):
    settings = ["training.freeze=backbone", "regularization.dropout=0.5", "training.epochs=3"]
    graphs = GraphCache()
    for rate in ("0.1", "0.001"):
        result = run(tmp_path, *settings, f"optimizer.learning_rate={rate}", graphs=graphs)
    alone = run(tmp_path, *settings, "optimizer.learning_rate=0.001")
    mine, theirs = weights(result, tmp_path), weights(alone, tmp_path)
    drawn = {path for path in (*mine, *theirs) if "seed_generator" in path}  # when a model is loaded
    assert {path: value.tolist() for path, value in mine.items() if path not in drawn} == {
        path: value.tolist() for path, value in theirs.items() if path not in drawn
    }
    assert [values.train_loss for values in result.history.epochs] == [
        values.train_loss for values in alone.history.epochs
    ]
    other = run(tmp_path, *settings, "optimizer.learning_rate=0.001", "seed=1", graphs=graphs)
    assert not np.array_equal(weights(other, tmp_path)["logits/kernel"], mine["logits/kernel"])


def test_a_frozen_network_is_built_once_and_given_back_as_it_was():
    built = []

    def build():
        inputs = keras.Input((4,))
        features = keras.layers.Dense(3)(inputs)
        dropped = keras.layers.Dropout(0.5, name="dropout")(features)
        logits = keras.layers.Dense(2, name="logits")(dropped)
        built.append(keras.Model(inputs, keras.layers.Softmax(name="probabilities")(logits)))
        return built[-1]

    networks = training.FrozenNetworks()
    random.seed(3)
    first = networks.reuse("key", build)
    drawn, values = random.random(), [variable.numpy() for variable in first.variables]
    for variable in first.get_layer("logits").variables:
        variable.assign_add(variable * 0 + 1)
    assert networks.reuse("key", build) is first
    assert random.random() == drawn
    for variable, value in zip(first.variables, values, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert networks.reuse("another", build) is not first
    assert len(built) == 2


def test_a_damaged_or_cleared_entry_is_computed_again(frozen):
    _, folder, _ = frozen
    settings = ["training.freeze=backbone"]
    known = [entry for entry in cache.entries(folder) if "features of" in entry.origin]
    assert {entry.origin.split(" by ")[0].partition("of ")[2] for entry in known} >= {
        "100 train images",
        "269 validation images",
        "359 test images",
    }
    assert all(entry.complete and entry.features and entry.size and entry.name == "digits" for entry in known)
    assert counted(known) == f"0 data sets, {len(known)} arrays of features"
    for entry in known:
        with (entry.folder / "features.npy").open("r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)
            file.seek(-1, 2)
            file.write(bytes([last[0] ^ 1]))
    stages = []
    run(folder, *settings, stages=stages)
    assert any(stage == FEATURES for stage, *_ in stages)
    assert len(cache.clear(folder, ("digits",))) == len(cache.entries(folder)) + len(known)


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match=r"cache folder .*file.* cannot be used.*Set data.cache|set data.cache"):
        run(tmp_path / "file", "training.freeze=backbone")


def test_a_stage_of_the_head_leaves_the_backbone_alone_and_the_next_trains_it(frozen, tmp_path):
    first, folder, _ = frozen
    kept, trained = (
        weights(first, tmp_path),
        weights(run(folder, "training.head_epochs=3", "training.keep=last"), tmp_path),
    )
    untouched = weights(run(folder, "training.freeze=backbone", "training.epochs=1"), tmp_path)
    backbone = [path for path in kept if not path.startswith("logits")]
    assert all(np.array_equal(kept[path], untouched[path]) for path in backbone)
    assert not all(np.array_equal(kept[path], trained[path]) for path in backbone)


def test_frozen_blocks_and_their_statistics_stay_as_they_are(frozen, tmp_path):
    first, folder, _ = frozen
    kept = weights(first, tmp_path)
    got = weights(run(folder, "training.freeze=1", "optimizer.layer_decay=0.5"), tmp_path)
    same = {path.split("/")[0] for path in kept if np.array_equal(kept[path], got[path])}
    assert {"convolution_1", "normalization_1"} <= same
    assert "convolution_2" not in same
    statistics = [path for path in kept if "moving" in path]
    assert statistics
    assert all(np.array_equal(kept[path], got[path]) for path in statistics)


@pytest.mark.parametrize("backbone_training", [True, False])
def test_a_backbone_in_inference_mode_keeps_its_statistics_and_trains_its_weights(backbone_training):
    import tensorflow as tf

    from cnnexp.models import Regularization, build_model
    from cnnexp.records import Scaling

    config = compose_config(TINY)
    model = build_model(
        config.model,
        input_shape=(8, 8, 1),
        num_classes=10,
        scaling=Scaling("unit", (1 / 255,), (0.0,)),
        regularization=Regularization(dropout=0.5, l1=0.0, l2=0.0),
        precision="float32",
    )
    before = {variable.path: variable.numpy() for variable in model.variables}
    trainer = training.Trainer(
        training.Network(model),
        training.build_optimizer(config.optimizer, learning_rate=0.1),
        training.Loss(class_weights=np.ones(10, np.float32), label_smoothing=0.0),
        backbone_training=backbone_training,
    )
    images, labels = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), dtype=np.uint8), np.arange(16) % 10
    trainer(iter(tf.data.Dataset.from_tensors((images, labels))), np.array([0.1]))
    changed = {path for path, value in before.items() if not np.array_equal(value, trained_value(model, path))}
    assert any("moving" in path for path in changed) is backbone_training
    assert {"normalization_1/gamma", "convolution_1/kernel", "logits/kernel"} <= changed


def trained_value(model, path):
    return next(variable.numpy() for variable in model.variables if variable.path == path)


def test_the_best_epoch_may_be_one_of_the_head(tmp_path):
    ruinous = ["optimizer=sgd", "optimizer.learning_rate=30", "schedule=constant"]
    result = run(tmp_path, "training.head_epochs=6", "training.freeze=backbone", *ruinous, "training.patience=1")
    history = result.history
    assert history.best_epoch <= 6 < len(history.epochs)
    assert len(history.epochs) == 7, "early stopping counts from the last epoch of the head"
    assert result.metrics["best/val_loss"] == pytest.approx(history.epochs[history.best_epoch - 1].val_loss, rel=1e-5)


def test_too_many_frozen_blocks_are_refused_before_anything_is_trained(tmp_path):
    stages = []
    with pytest.raises(ConfigError, match=r"resnet has 3 blocks, got 3"):
        run(tmp_path, "training.head_epochs=3", "training.freeze=3", stages=stages)
    assert {stage for stage, *_ in stages} <= {"reading images"}


@pytest.mark.parametrize("freeze", ["none", "backbone"])
def test_a_run_is_pruned_in_its_first_stage(tmp_path, freeze):
    pruned = run(tmp_path, "training.head_epochs=3", f"training.freeze={freeze}", prune_at=3)
    assert (pruned.history.pruned, len(pruned.history.epochs)) == (True, 3)


def test_a_head_is_trained_on_images_as_they_are_whatever_the_augmentation_and_that_is_said(frozen):
    result, folder, _ = frozen
    stages = []
    settings = ["training.freeze=backbone", "training.head_epochs=3"]
    other = run(folder, *settings, "augmentation=mix", "augmentation.crop_from=2", stages=stages)
    assert [stage for stage, *_ in stages if stage == FEATURES] == [], "nothing is computed again"
    np.testing.assert_array_equal(other.predictions["test"].probabilities, result.predictions["test"].probabilities)
    assert other.info.augmentation == "none"
    assert "Images are not augmented with training.freeze=backbone" in " ".join(other.info.notes)
    plain = run(folder, *settings, "augmentation=none")
    assert not [note for note in plain.info.notes if "augmented" in note]


@pytest.mark.parametrize("value", ["0", "-1", "backbones", "1.5"])
def test_what_can_be_frozen_is_said(value):
    with pytest.raises(ConfigError, match=r"training\.freeze"):
        compose_config([f"training.freeze={value}"])


def test_neutral_values_are_those_of_a_run_without_stages():
    from cnnexp.records import DatasetInfo
    from cnnexp.sweeps.run_hash import hash_run

    info = DatasetInfo(digest="d", height=8, width=8, class_counts=(10, 10))
    plain = hash_run(compose_config([]), info)
    neutral = ["training.freeze=none", "training.head_epochs=0", "optimizer.layer_decay=1.0"]
    assert hash_run(compose_config(neutral), info) == plain
    for changed in ("training.freeze=2", "training.head_epochs=1", "optimizer.layer_decay=0.9"):
        assert hash_run(compose_config([changed]), info) != plain
