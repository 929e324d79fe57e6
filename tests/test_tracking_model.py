"""The logged model, loaded and served as a stranger would: without anything of this package."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from cnnexp.images import ImageSpec, read_image
from cnnexp.tracking import recording
from support import tracking_inputs

LOAD = """
import json, sys
sys.modules["cnnexp"] = None  # whoever imports it now fails
import mlflow, numpy as np, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
sources = [open(sys.argv[2], "rb").read(), np.load(sys.argv[3]), b"no image", 7]
table = pd.DataFrame({"image": sources})
said = {"answers": table, "example": model.input_example}
print(json.dumps({name: model.predict(table).to_dict("records") for name, table in said.items()}))
"""


@pytest.fixture(scope="module")
def logged(tmp_path_factory) -> Path:
    """Folder of the logged model of a recorded run."""
    home = tmp_path_factory.mktemp("home")
    settings = tracking_inputs.settings(home)
    with recording(settings, run_name="model", parameters={}, config_yaml="", tags={}) as recorder:
        recorder.finish(tracking_inputs.result(model=tracking_inputs.model_file()), tracking_inputs.FILES)
    client = MlflowClient(settings.uri)
    (output,) = client.get_run(recorder.receipt.run_id).outputs.model_outputs
    return Path(client.get_logged_model(output.model_id).artifact_location.removeprefix("file://"))


@pytest.fixture(scope="module")
def expected() -> dict[str, list[float]]:
    """Probabilities of the same file and array, from Keras itself."""
    import tempfile

    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        path.write_bytes(tracking_inputs.model_file())
        model = keras.models.load_model(path)
    spec = ImageSpec(**tracking_inputs.SPEC)
    images = {"file": read_image(tracking_inputs.png(), spec), "array": tracking_inputs.pixels(count=1)[0]}
    return {name: model.predict_on_batch(image[np.newaxis])[0].tolist() for name, image in images.items()}


def check(answer: dict, expected: list[float]) -> None:
    assert list(answer["probabilities"]) == list(tracking_inputs.CLASS_NAMES)
    np.testing.assert_allclose(list(answer["probabilities"].values()), expected, atol=1e-5)
    assert answer["label"] == tracking_inputs.CLASS_NAMES[int(np.argmax(expected))]
    assert answer["probability"] == pytest.approx(max(expected), abs=1e-5)
    assert answer["error"] is None


def check_failure(answer: dict, reason: str) -> None:
    assert (answer["label"], answer["probability"], answer["probabilities"]) == (None, None, None)
    assert reason in answer["error"]
    assert "\n" not in answer["error"]
    assert "Traceback" not in answer["error"]


def test_what_is_pinned_is_what_ran(logged):
    from importlib.metadata import version

    pinned = (logged / "requirements.txt").read_text().split()
    assert {"keras", "tensorflow", "mlflow", "numpy", "pandas", "pillow"} == {line.split("==")[0] for line in pinned}
    assert all(line.split("==")[1] == version(line.split("==")[0]) for line in pinned)


@pytest.mark.slow
def test_the_model_loads_and_answers_without_this_package(logged, expected, tmp_path):
    (tmp_path / "a.png").write_bytes(tracking_inputs.png())
    np.save(tmp_path / "a.npy", tracking_inputs.pixels(count=1)[0])
    words = [sys.executable, "-c", LOAD, str(logged), str(tmp_path / "a.png"), str(tmp_path / "a.npy")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    file, array, text, number = said["answers"]
    check(file, expected["file"])
    check(array, expected["array"])
    check_failure(text, "")
    check_failure(number, "An image in numbers must be rows of pixels")
    assert [answer["error"] for answer in said["example"]] == [None, None]


def ask(url: str, payload: object) -> list[dict]:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(payload).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)["predictions"]


@pytest.fixture(scope="module")
def served(logged, tmp_path_factory):
    """Address of a real ``mlflow models serve`` on the logged model."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(logged), "--env-manager", "local"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    folder = tmp_path_factory.mktemp("server")
    with (folder / "log").open("wb") as log:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # MLflow looks for uvicorn there
        server = subprocess.Popen(words, stdout=log, stderr=log, cwd=folder, env={**os.environ, "PATH": path})
    for _ in range(900):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).close()
            break
        except OSError:
            assert server.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/invocations"
    server.terminate()
    server.wait(timeout=30)


@pytest.mark.slow
def test_the_server_answers_image_files_and_arrays(served, expected):
    file = base64.b64encode(tracking_inputs.png()).decode()
    array = tracking_inputs.pixels(count=1)[0].tolist()
    for payload in (
        {"dataframe_records": [{"image": file}, {"image": array}]},
        {"dataframe_split": {"columns": ["image"], "data": [[file], [array]]}},
        {"inputs": [{"image": file}, {"image": array}]},
    ):
        answers = ask(served, payload)
        check(answers[0], expected["file"])
        check(answers[1], expected["array"])


@pytest.mark.slow
def test_the_server_answers_a_bad_image_with_a_clean_message_beside_the_good_ones(served, expected):
    bad = {
        "no base64!": "must be the base64 of an image file",
        base64.b64encode(b"text").decode(): "",
        base64.b64encode(tracking_inputs.png()[:60]).decode(): "",
        "": "",
        "/etc/passwd": "",
    }
    file = base64.b64encode(tracking_inputs.png()).decode()
    rows = [*bad, [[1, 2], [3]], [[300, 1], [2, 3]], [[0.1, 1], [1, 0]], {"a": 1}, file]
    *failures, good = ask(served, {"dataframe_records": [{"image": row} for row in rows]})
    for answer, reason in zip(
        failures, [*bad.values(), "rows of pixels", "from 0 to 255", "must be whole", ""], strict=True
    ):
        check_failure(answer, reason)
    check(good, expected["file"])
