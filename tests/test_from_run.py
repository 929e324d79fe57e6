"""A run that continues from the network of an earlier one."""

import dataclasses
import time

import keras
import numpy as np
import pytest
from mlflow import MlflowClient

from cnnexp.__main__ import main
from cnnexp.compose import compose_config
from cnnexp.config import FromRunConfig
from cnnexp.datasets import load_splits
from cnnexp.errors import ConfigError, DataError, ModelError
from cnnexp.models import Regularization, build_model, set_pretrained_weights
from cnnexp.portable.card import MODEL_FILE, REFERENCE_FILE
from cnnexp.portable.classifier import load_keras
from cnnexp.portable.reference import TrainingReference
from cnnexp.records import DatasetInfo
from cnnexp.runs.pretrained import data_for, notes_on, refuse_trained_images, trained_on
from cnnexp.runs.resolved_settings import resolve_execution
from cnnexp.runs.starting_network import pinned, pinned_overrides, starting_network
from cnnexp.sweeps.run_hash import hash_run
from cnnexp.training import Network, to_bytes
from support import trained_model

FREE = Regularization(dropout=0.0, l1=0.0, l2=0.0)
FACTS = DatasetInfo(digest="d", height=8, width=8, class_counts=(20, 20))


@pytest.fixture
def folder(tmp_path):
    """The model of a run on the digits."""
    return trained_model.folder(tmp_path / "model")


def composed(folder, *overrides):
    return compose_config(["model=from_run", f"model.run={folder}", *overrides])


def found(folder, *overrides):
    with starting_network(composed(folder, *overrides)) as network:
        return network


def built(folder, *, class_names=None, precision="float32", regularization=FREE):
    earlier = found(folder)
    names = earlier.class_names if class_names is None else class_names
    model = build_model(
        composed(folder).model,
        input_shape=(8, 8, 1),
        num_classes=len(names),
        scaling=earlier.scaling,
        regularization=regularization,
        precision=precision,
        pretrained=earlier,
    )
    set_pretrained_weights(model, composed(folder).model, earlier, class_names=names)
    return model


def test_with_the_same_classes_it_begins_where_the_earlier_one_ended(folder):
    images, _ = trained_model.digits()
    expected = Network(load_keras(folder / MODEL_FILE)).forward(images[:50, ..., None])
    answers = Network(built(folder)).forward(images[:50, ..., None])
    for mine, theirs in zip(answers, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("names", [("cat", "dog"), tuple("1023456789")], ids=["other", "another order"])
def test_with_other_classes_the_head_is_new_and_the_features_are_not(folder, names):
    images, _ = trained_model.digits()
    earlier, mine = load_keras(folder / MODEL_FILE), built(folder, class_names=names)
    np.testing.assert_allclose(
        Network(mine).forward(images[:9, ..., None])[1], Network(earlier).forward(images[:9, ..., None])[1], atol=1e-6
    )
    head = mine.get_layer("logits")
    assert head.units == len(names)
    assert not np.asarray(head.bias).any()  # as it is drawn


def test_its_layers_are_new_flat_and_named_as_before(folder, tmp_path):
    mine = built(folder, regularization=Regularization(dropout=0.5, l1=0.0, l2=0.01), precision="bfloat16")
    earlier = [layer.name for layer in load_keras(folder / MODEL_FILE).layers]
    assert [layer.name for layer in mine.layers if layer.name != "dropout"] == earlier
    assert not [layer for layer in mine.layers if isinstance(layer, keras.Model)]
    assert mine.get_layer("convolution_1").compute_dtype == "bfloat16"
    assert len(mine.losses) == 4  # the kernels before the head
    again = tmp_path / "again.keras"
    again.write_bytes(to_bytes(mine))
    assert load_keras(again).get_layer("convolution_1").output.shape == (None, 8, 8, 32)


def test_size_colour_and_scaling_follow_the_earlier_run(folder):
    network = found(folder)
    read = data_for(composed(folder).data, network)
    assert (read.size, read.color, network.scaling.rule) == ([8, 8], "grey", "unit")
    with pytest.raises(ConfigError, match=r"data\.size must be \[8, 8\], the input of the network"):
        data_for(composed(folder, "data.size=[16,16]").data, network)
    with pytest.raises(ConfigError, match=r"data\.color must be auto or grey"):
        data_for(composed(folder, "data.color=rgb").data, network)
    with pytest.raises(ConfigError, match=r"data\.scaling cannot be set for model=from_run"):
        composed(folder, "data.scaling=unit")


def test_threads_follow_the_largest_feature_map_of_the_earlier_network(folder):
    assert found(folder).values_per_pixel == 32  # filters of the first block
    small, large = (
        resolve_execution(
            composed(folder, "training.precision=float32"),
            images=32, height=side, width=side, cores=4, pretrained=found(folder),
        )
        for side in (8, 32)
    )  # fmt: skip
    assert (small[0], large[0]) == (1, 4)


def test_it_is_recognised_by_the_weights_and_not_by_the_run(folder, tmp_path):
    def hashed(path):
        return hash_run(composed(path), FACTS, pretrained=found(path))

    moved = trained_model.folder(tmp_path / "moved")
    model = load_keras(moved / MODEL_FILE)
    time.sleep(1.1)  # a saved file says when it was saved, in seconds
    trained_model.with_model_file(moved, to_bytes(model))
    assert (moved / MODEL_FILE).read_bytes() != (folder / MODEL_FILE).read_bytes()
    assert hashed(moved) == hashed(folder)
    head = model.get_layer("logits")
    head.set_weights([weights * 2 for weights in head.get_weights()])
    trained_model.with_model_file(moved, to_bytes(model))
    assert hashed(moved) != hashed(folder)


def test_images_that_the_earlier_run_was_trained_on_are_not_judged(folder):
    def splits(*overrides):
        return load_splits(composed(folder, *overrides).data, seed=0, on_progress=lambda *_: None)

    network = found(folder)
    assert len(network.trained_on) == len(np.unique(network.trained_on)) > 900
    refuse_trained_images(network, splits())
    with pytest.raises(DataError, match=r"of 359 test images were trained on there: index-\d+") as refusal:
        refuse_trained_images(network, splits("data.split_seed=3"))
    assert "validation" in str(refusal.value)
    more = trained_on(network, splits("data.split_seed=3"))  # what a third run would have to leave out
    assert set(network.trained_on.tolist()) < set(more.tolist())


def test_what_an_earlier_version_did_not_record_is_said(folder):
    network = dataclasses.replace(found(folder), trained_on=None)
    notes = " ".join(notes_on(network, None, composed(folder).data))
    assert "Which images that network was trained on is not recorded" in notes


def test_a_file_without_digests_of_images_is_read(folder):
    reference = TrainingReference.from_bytes((folder / REFERENCE_FILE).read_bytes())
    before = dataclasses.replace(reference, trained_on=None).to_bytes()
    assert TrainingReference.from_bytes(before).trained_on is None
    assert reference.trained_on.dtype == np.uint64


def test_a_damaged_or_missing_network_is_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match=r"model\.run has no value"):
        compose_config(["model=from_run"])
    (folder / MODEL_FILE).write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"model\.keras is not the file that card\.json was written for"):
        found(folder)


def test_a_network_is_named_so_that_it_stays_the_same(folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    for config in (compose_config([]), compose_config(["model=pretrained"])):
        assert pinned(config) is config
    assert pinned(composed("model")).model == FromRunConfig(name="from_run", run=str(folder))
    mine = compose_config(["model=pretrained", "model.weights=model/w.pth"])
    assert pinned(mine).model.weights == str(folder / "w.pth")
    assert pinned(compose_config(["model=pretrained", "model.weights=none"])).model.weights == "none"


def test_a_run_that_continues_is_evaluated_with_the_scaling_of_its_network(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    short = ["training=smoke", "training.epochs=1", "training.head_epochs=0", "training.threads=1", "data.limit=60"]
    assert main(["model=from_run", f"model.run={folder}", *short, "optimizer=adam", "schedule=constant"]) == 0
    assert main(["evaluate", "latest"]) == 0
    assert "no difference shown" in capsys.readouterr().out
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    evaluation, trained = client.search_runs(["1"])
    assert evaluation.data.params["data.scaling"] == "unit"  # by the card: as the network of the digits scales
    client.set_terminated(client.create_run("1").info.run_id, "KILLED")
    latest = pinned(compose_config(["model=from_run", "model.run=latest"]))
    assert latest.model.run == trained.info.run_id, "the same command goes on with the run that it began"
    words = ["model=from_run", "model.run=latest", "seed=1"]
    again = compose_config(pinned_overrides(latest, words))
    assert (again.model.run, again.seed) == (trained.info.run_id, 1)
