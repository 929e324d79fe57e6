"""The same photograph gives the same answer in the run's evaluation, `predict`, the exported folder and the server."""

import base64
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from cnnexp.__main__ import main
from cnnexp.tracking.recorded_model import recorded_model
from cnnexp.training import configure_tensorflow
from support.exported_script import run_alone

ARCHIVE = Path(__file__).parents[1].parent / "shared" / "data" / "sign_digits.zip"
TRAIN = ["data=folder", "data.on_bad_file=skip"]
BASELINE = ["training=smoke", "data.size=[32,32]"]
MODELS = {  # the runs that are trained one after another, the last of which is asked
    "baseline": [BASELINE],
    "airbench": [["model=airbench", "model.width=8", "training=smoke", "data.size=[32,32]"]],
    "pretrained": [["model=pretrained", "data.size=[64,64]", "data.limit=40", "training.epochs=1"]],
    "extended": [["--extend", "own.py", "model=own", "training=smoke", "data.size=[40,40]"]],
    "from_run": [BASELINE, ["model=from_run", "model.run=latest", "training=smoke", "training.epochs=2"]],
}
OWN = """
import keras

from cnnexp.extend import model

@keras.saving.register_keras_serializable()
class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2.0 * x

@model("own")
def own(settings, input_shape, num_classes):
    return keras.Sequential([
        keras.layers.Conv2D(8, 5, strides=2), Doubled(), keras.layers.ReLU(), keras.layers.Flatten(),
        keras.layers.Dense(num_classes),
    ])
"""
PHOTOGRAPHS = 400  # of some two thousand


@pytest.fixture(scope="module", params=MODELS)
def home(request, tmp_path_factory) -> Iterator[Path]:
    """A folder with a store, and a run trained on photographs of hands."""
    if not ARCHIVE.exists():
        pytest.skip(f"needs the photographs of {ARCHIVE.name}")
    configure_tensorflow(threads=1, seed=0)  # as every test that runs TensorFlow: its threads are fixed once a process
    home = tmp_path_factory.mktemp("home")
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted(name for name in archive.namelist() if name.lower().endswith((".jpg", ".jpeg")))
        archive.extractall(home / "photos", random.Random(0).sample(names, PHOTOGRAPHS))
    (home / "own.py").write_text(OWN, encoding="utf-8")
    for words in MODELS[request.param]:
        settings = [*TRAIN, f"data.path={home / 'photos'}", f"data.cache={home / 'cache'}"]
        command = [sys.executable, "-m", "cnnexp", *words, *settings]
        subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CNNEXP_TRUST_CODE", "1")  # of the layer in own.py
        yield home


@contextlib.contextmanager
def server(model: Path, folder: Path):
    """Address of a real ``mlflow models serve``."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*words, "--port", str(port)], stdout=log, stderr=log, env={**os.environ, "PATH": path}, cwd=folder
        )
    try:
        for _ in range(900):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        process.terminate()
        process.wait(timeout=30)


def served(model: Path, files: list[Path], folder: Path) -> list[dict]:
    rows = [{"image": base64.b64encode(file.read_bytes()).decode()} for file in files]
    with server(model, folder) as url:
        request = urllib.request.Request(
            url, json.dumps({"dataframe_records": rows}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["predictions"]


def predicted(target: str, files: list[Path], folder: Path) -> list[dict]:
    output = folder / "answers.json"
    assert main(["predict", target, *map(str, files), "--json", str(output)]) == 0
    return json.loads(output.read_text())


@pytest.mark.slow
def test_the_same_file_gives_the_same_answer_everywhere(home, tmp_path, monkeypatch):
    monkeypatch.chdir(home)
    found = recorded_model("latest", uri="sqlite:///mlflow.db")
    recorded = f"{found.artifacts.removeprefix('file://')}/predictions.parquet"
    table = pq.read_table(recorded, filters=[("split", "=", "test")])
    rows = table.slice(0, 12).to_pylist()
    names = [name.removeprefix("p/") for name in table.column_names if name.startswith("p/")]
    files = [home / "photos" / row["file"] for row in rows]
    expected = np.array([[row[f"p/{name}"] for name in names] for row in rows])

    assert main(["export", "latest", str(tmp_path / "exported")]) == 0
    code, alone, complaint = run_alone(tmp_path / "exported", *files)
    assert code == 0, complaint
    with found.folder() as data:
        answers = {
            "by id": predicted(found.run.run_id[:8], files, tmp_path),
            "by name": predicted(found.run.name, files, tmp_path),
            "latest": predicted("latest", files, tmp_path),
            "exported": predicted(str(tmp_path / "exported"), files, tmp_path),
            "script": alone,
            "server": served(data.parent, files, tmp_path),
        }
    for way, given in answers.items():
        assert [answer["label"] for answer in given] == [row["predicted"] for row in rows], way
        probabilities = np.array([[answer["probabilities"][name] for name in names] for answer in given])
        assert np.abs(probabilities - expected).max() <= 1e-5, way


@pytest.mark.slow
def test_an_evaluation_is_a_run_that_points_to_the_first(home, monkeypatch, capfd):
    monkeypatch.chdir(home)
    first = recorded_model("latest", uri="sqlite:///mlflow.db")
    assert main(["evaluate", first.run.run_id[:8], "shift=brightness", "shift.amount=0.4"]) == 0
    assert "test split, brightness 0.4" in capfd.readouterr().out
    from cnnexp.tracking.store.find_runs import find_runs

    (run,) = find_runs(["latest"], uri="sqlite:///mlflow.db")
    assert run.tags["cnnexp.evaluates"] == first.run.run_id
    assert (run.status, run.settings["shift"]) == ("FINISHED", "brightness:0.4")
    assert run.data_digest == first.run.data_digest
    assert set(first.run.metrics) >= {name for name in run.metrics if not name.startswith(("test/set", "test/unlike"))}
    assert len(run.read_predictions().labels) == len(first.run.read_predictions().labels)
    names = {file.path for file in MlflowClient(f"sqlite:///{home}/mlflow.db").list_artifacts(run.run_id)}
    assert names >= {
        "confusion_matrix.png", "confusion_matrix_normalized.png", "per_class.png", "classification_report.json",
        "predictions.parquet", "card.json", "config.yaml",
    }  # fmt: skip
    assert recorded_model("latest", uri="sqlite:///mlflow.db").location == first.location
    assert main(["evaluate", first.run.run_id[:8]]) == 0
    (again,) = find_runs(["latest"], uri="sqlite:///mlflow.db")
    assert again.metrics["test/accuracy"] == pytest.approx(first.run.metrics["test/accuracy"], abs=1e-9)


@pytest.mark.slow
def test_golden_samples_are_the_photographs_themselves(home, monkeypatch):
    monkeypatch.chdir(home)
    with recorded_model("latest", uri="sqlite:///mlflow.db").folder() as data:
        content = (data / "card.json").read_bytes()
    assert len(content) < 300_000
    for sample in json.loads(content)["golden"][:-1]:
        (photo,) = (home / "photos").rglob(Path(sample["name"]).name)
        assert base64.b64decode(sample["file"]) == photo.read_bytes()
        assert sample["size"] != [32, 32]
