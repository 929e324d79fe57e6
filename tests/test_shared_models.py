"""Models with a frozen backbone: what the runs of a sweep have in common is stored once, and every door sees all."""

import dataclasses
import io
import json
import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from cnnexp.__main__ import main
from cnnexp.errors import ModelError
from cnnexp.portable import delta
from cnnexp.portable.card import UnfitModelError, digest_of
from cnnexp.portable.served_model import _load_pyfunc
from cnnexp.runs.earlier_run import earlier_network
from cnnexp.saved.prediction import open_model
from cnnexp.tracking import recording
from cnnexp.tracking.outbox.shared_files import SharedFiles
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.tracking.store.model_files import read_model_file
from cnnexp.tracking.tags import PARENT
from cnnexp.training import to_bytes
from support import tracking_inputs
from support.cluster import mlflow_server

LARGE = ("model.keras", "features.npz")


def network(*, head, units=2048, dropout=None):
    """A network of 8 × 8 pixels with 3 classes; `head` is the seed of its last layer, all else is always the same."""
    inputs = keras.Input((8, 8, 1), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed=1), activation="relu")(x)
    if dropout:
        x = keras.layers.Dropout(dropout, name="dropout")(x)
    x = keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed=head), name="logits")(x)
    return to_bytes(keras.Model(inputs, keras.layers.Softmax(name="probabilities")(x)))


def begin_parent(settings):
    experiment = tracking_inputs.create_store(settings)
    return MlflowClient(settings.uri).create_run(experiment).info.run_id


def record(settings, model, *, parent, frozen=True):
    tags = {} if parent is None else {PARENT: parent}
    with recording(settings, run_name="run", parameters={}, config_yaml="", tags=tags) as recorder:
        recorder.finish(tracking_inputs.result(model=model), tracking_inputs.FILES, frozen=frozen)
    return recorder.receipt.run_id


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A store, the parent run, and two runs, run id -> model file, which differ in their heads."""
    home = tmp_path_factory.mktemp("home")
    settings = tracking_inputs.settings(home)
    parent = begin_parent(settings)
    files = [network(head=1, dropout=0.5), network(head=2, dropout=0.25)]
    return settings, parent, {record(settings, file, parent=parent): file for file in files}


def data_folder(settings, run_id):
    (output,) = MlflowClient(settings.uri).get_run(run_id).outputs.model_outputs
    location = MlflowClient(settings.uri).get_logged_model(output.model_id).artifact_location
    return Path(location.removeprefix("file://")) / "data"


def bases(settings, parent):
    return {item.path: item.file_size for item in MlflowClient(settings.uri).list_artifacts(parent, "shared")}


def test_what_runs_have_in_common_is_stored_once(sweep):
    settings, parent, runs = sweep
    stored = bases(settings, parent)
    assert sorted(name.partition("-")[2] for name in stored) == sorted(LARGE)
    for run_id, model in runs.items():
        folder = data_folder(settings, run_id)
        assert sorted(path.name for path in folder.iterdir()) == ["card.json", *sorted(f"{x}.delta" for x in LARGE)]
        assert sum((folder / f"{name}.delta").stat().st_size for name in LARGE) < len(model) / 4


def test_the_files_of_each_run_are_what_they_were(sweep):
    settings, _, runs = sweep
    for run_id, model in runs.items():
        with recorded_model(run_id, uri=settings.uri).folder() as folder:
            assert (folder / "model.keras").read_bytes() == model
            assert not delta.deltas(folder)
            assert open_model(folder).card.files["model.keras"] == digest_of(model)
        assert not folder.exists(), "it was a copy"
        location = str(data_folder(settings, run_id).parent)
        assert read_model_file(location, "model.keras", store=settings.uri) == model
        assert read_model_file(location, "other", store=settings.uri) is None


def test_every_door_takes_such_a_run(sweep, tmp_path, monkeypatch, capfd):
    settings, _, runs = sweep
    run_id, model = list(runs.items())[1]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.png").write_bytes(tracking_inputs.png())
    store = f"tracking.uri={settings.uri}"
    assert main(["predict", run_id, "a.png", store, "--json"]) == 0
    (answer,) = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert main(["export", run_id, "exported", store]) == 0
    assert (tmp_path / "exported" / "model.keras").read_bytes() == model
    assert not list(Path("exported").rglob("*delta*"))
    capfd.readouterr()
    assert main(["predict", "exported", "a.png", "--json"]) == 0
    (same,) = [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    assert same["probabilities"] == answer["probabilities"]
    with earlier_network(run_id, store=settings.uri) as continued:
        assert continued.weights.read_bytes() == model
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.uri)
    served = _load_pyfunc(str(data_folder(settings, run_id)))
    table = served.predict(pd.DataFrame({"image": [tracking_inputs.png()]}))
    assert list(table["probabilities"][0].values()) == pytest.approx(list(answer["probabilities"].values()), abs=1e-6)


def test_a_run_alone_and_one_that_is_not_frozen_have_whole_files(sweep):
    settings, parent, _ = sweep
    before = bases(settings, parent)
    for run_id in (
        record(settings, network(head=3), parent=None),
        record(settings, network(head=3), parent=parent, frozen=False),
    ):
        assert {path.name for path in data_folder(settings, run_id).iterdir()} == {"card.json", *LARGE}
    assert bases(settings, parent) == before


@pytest.mark.slow
def test_a_server_keeps_what_runs_have_in_common_and_gives_it_back(tmp_path, monkeypatch):
    """Its artifacts have addresses that only the server understands."""
    with mlflow_server(f"sqlite:///{tmp_path}/server.db", tmp_path) as uri:
        settings = dataclasses.replace(tracking_inputs.settings(tmp_path, uri=uri), artifacts=None)
        client = MlflowClient(uri)
        parent = client.create_run(client.create_experiment(settings.experiment)).info.run_id
        models = [network(head=1, dropout=0.5), network(head=2, dropout=0.25)]
        runs = {record(settings, file, parent=parent): file for file in models}
        again = SharedFiles(client, parent, store=uri, verify=True)  # as another process does
        (tmp_path / "model.keras").write_bytes(models[0])
        again.replace(tmp_path / "model.keras")
        assert sorted(name.partition("-")[2] for name in bases(settings, parent)) == sorted(LARGE)
        for run_id, model in runs.items():
            stored = recorded_model(run_id, uri=uri)
            assert read_model_file(stored.location, "model.keras", store=uri) == model
            with stored.folder() as folder:
                assert (folder / "model.keras").read_bytes() == model
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        (output,) = client.get_run(run_id).outputs.model_outputs
        (tmp_path / "served").mkdir()
        folder = download_artifacts(f"models:/{output.model_id}", dst_path=str(tmp_path / "served"))
        table = _load_pyfunc(str(Path(folder) / "data")).predict(pd.DataFrame({"image": [tracking_inputs.png()]}))
        assert len(table["probabilities"][0]) == len(tracking_inputs.CLASS_NAMES)


def test_another_network_has_a_base_of_its_own_and_one_that_is_gone_is_named(tmp_path, monkeypatch):
    settings = tracking_inputs.settings(tmp_path)
    parent = begin_parent(settings)
    small, large = network(head=1, units=1024), network(head=1)
    first = record(settings, small, parent=parent)
    base = next(path for path in tmp_path.rglob("*-model.keras"))
    content = base.read_bytes()
    assert content == small
    runs = {first: small, record(settings, large, parent=parent): large}
    assert len([name for name in bases(settings, parent) if name.endswith("model.keras")]) == 2
    for run_id, model in runs.items():
        with recorded_model(run_id, uri=settings.uri).folder() as folder:
            assert (folder / "model.keras").read_bytes() == model
    base.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="is not the file that this model was stored with"):
        opened(first, settings)
    base.unlink()
    with pytest.raises(
        ModelError, match=rf"{base.name} among the artifacts of run {parent}, and is not there.*restore"
    ):
        opened(first, settings)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.uri)
    with pytest.raises(UnfitModelError, match=r"MLFLOW_TRACKING_URI.*cnnexp export RUN FOLDER"):
        _load_pyfunc(str(data_folder(settings, first)))


def opened(run_id, settings):
    with recorded_model(run_id, uri=settings.uri).folder():
        pass


def test_a_base_that_was_not_stored_whole_is_stored_again(tmp_path):
    settings = tracking_inputs.settings(tmp_path)
    parent, client = begin_parent(settings), MlflowClient(settings.uri)
    model = network(head=1)
    for _ in range(2):  # each as in another process
        (tmp_path / "model.keras").write_bytes(model)
        SharedFiles(client, parent, store=settings.uri, verify=True).replace(tmp_path / "model.keras")
        assert not (tmp_path / "model.keras").exists()
        (base,) = tmp_path.rglob("*-model.keras")
        assert base.read_bytes() == model
        base.write_bytes(model[:-1])  # as an interrupted upload leaves it


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as opened:
        for name, content in members.items():
            opened.writestr(zipfile.ZipInfo(name), content)
    return file.getvalue()


NOISE = np.random.default_rng(0).bytes(40_000)
CHANGED = NOISE[:20_000] + b"a head" + NOISE[20_006:]


@pytest.mark.parametrize(
    ("content", "base", "most"),
    [
        (NOISE, NOISE, 40_000),  # no archives: all of it is literal
        (b"", NOISE, 0),
        (archive(a=NOISE), archive(a=NOISE), 300),
        (archive(config="longer text", a=NOISE), archive(config="text", a=NOISE), 400),  # at another place
        (archive(a=CHANGED), archive(a=NOISE), 2 * delta.BLOCK + 300),
        (archive(a=CHANGED, b=NOISE), archive(b=NOISE, a=NOISE), 2 * delta.BLOCK + 500),  # in another order
        (archive(a=NOISE + b"1"), archive(a=NOISE), 41_000),  # of another size
        (archive(a=NOISE), b"PK no archive", 41_000),
        (archive(a=b"", b=b"1"), archive(a=b"", b=b"2"), 300),
    ],
)
def test_a_delta_gives_the_file_byte_by_byte(content, base, most):
    made = delta.encode(content, base, run="r", name="shared/base")
    assert len(made.literals) <= most
    read = delta.Delta.from_bytes(made.to_bytes())
    assert read == made
    assert read.apply(base) == content
    with pytest.raises(UnfitModelError, match="replaced or damaged"):
        read.apply(base + b"1")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"pieces": [[0, 10**12]]}, "more bytes than there are"),
        ({"pieces": [[0, 10], [5, -(10**12)], [0, 10**12]]}, "more bytes than there are"),
        ({"pieces": "none"}, "damaged"),
        ({"pieces": [[0]]}, "damaged"),
        ({"base": "../../secret"}, "not among any artifacts"),
    ],
)
def test_a_damaged_delta_is_refused(change, match):
    header = {"run": "r", "base": "shared/base", "digest": digest_of(b"base"), "pieces": [[0, 4]]}
    assert delta.Delta.from_bytes(json.dumps(header).encode() + b"\n").apply(b"base") == b"base"
    with pytest.raises(UnfitModelError, match=match):
        delta.Delta.from_bytes(json.dumps({**header, **change}).encode() + b"\n").apply(b"base")
    with pytest.raises(UnfitModelError, match="damaged"):
        delta.Delta.from_bytes(b"\0\1\2")
